package reporting

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// Steering arms and disarms acting on advice. Its errors are gRPC statuses or are told as FailedPrecondition.
type Steering interface {
	Arm(ctx context.Context, r *aimsv1.ArmRequest) (*aimsv1.ArmState, error)
	Disarm(ctx context.Context, r *aimsv1.DisarmRequest) (*aimsv1.ArmState, error)
	Arming(ctx context.Context, r *aimsv1.ArmingRequest) (*aimsv1.ArmState, error)
}

// FeedbackService sends feedback to whoever watches. A reader never holds up the frames: of each source it is kept
// only the newest that it has not got yet.
//
//	Publish ─▶ last of each source
//	   └─────▶ watcher{newest of each source} ─▶ stream
type FeedbackService struct {
	aimsv1.UnimplementedFeedbackServiceServer

	Steering Steering // nil: nothing can be armed

	mu       sync.Mutex
	last     map[string]*aimsv1.Feedback
	watchers map[*watcher]struct{}
	closed   chan struct{}
	once     sync.Once
}

// watcher is one reader.
type watcher struct {
	source, run string
	wake        chan struct{}
	waiting     map[string]*aimsv1.Feedback // by source
	order       []string                    // of waiting
	skipped     map[string]uint64
}

var _ aimsv1.FeedbackServiceServer = (*FeedbackService)(nil)

// maxWatchers bounds the readers at once.
const maxWatchers = 64

func (s *FeedbackService) init() {
	s.once.Do(func() {
		s.last, s.watchers, s.closed = map[string]*aimsv1.Feedback{}, map[*watcher]struct{}{}, make(chan struct{})
	})
}

// Publish hands a feedback to everyone who watches its source and run. It never waits for them.
func (s *FeedbackService) Publish(m *FeedbackMessage) {
	s.init()
	p := m.Proto()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last[m.Source] = p
	for w := range s.watchers {
		w.offer(p)
	}
}

// Forget drops a source's last feedback: its run has closed.
func (s *FeedbackService) Forget(source string) {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.last, source)
}

// Close ends every Watch.
func (s *FeedbackService) Close() {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
}

// offer is called with the service's lock.
func (w *watcher) offer(p *aimsv1.Feedback) {
	if w.source != "" && w.source != p.GetSource() || w.run != "" && w.run != p.GetRunId() {
		return
	}
	if _, behind := w.waiting[p.GetSource()]; behind {
		w.skipped[p.GetSource()]++
	} else {
		w.order = append(w.order, p.GetSource())
	}
	w.waiting[p.GetSource()] = p
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Watch implements FeedbackService.
func (s *FeedbackService) Watch(r *aimsv1.WatchRequest, stream grpc.ServerStreamingServer[aimsv1.Feedback]) error {
	s.init()
	w := &watcher{
		source: r.GetSource(), run: r.GetRunId(), wake: make(chan struct{}, 1),
		waiting: map[string]*aimsv1.Feedback{}, skipped: map[string]uint64{},
	}
	s.mu.Lock()
	if len(s.watchers) >= maxWatchers {
		s.mu.Unlock()
		return status.Errorf(codes.ResourceExhausted, "%d clients watch already; close one", maxWatchers)
	}
	s.watchers[w] = struct{}{}
	for _, source := range slices.Sorted(maps.Keys(s.last)) {
		w.offer(withValidity(s.last[source], time.Now()))
	}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.watchers, w)
	}()
	for {
		select {
		case <-w.wake:
		case <-stream.Context().Done():
			return nil
		case <-s.closed:
			return status.Error(codes.Unavailable, "aimsd stops; connect again later")
		}
		for p := s.next(w); p != nil; p = s.next(w) {
			if err := stream.Send(p); err != nil {
				return err
			}
		}
	}
}

// next takes the feedback that has waited longest, with how many the reader missed before it; nil: none waits.
func (s *FeedbackService) next(w *watcher) *aimsv1.Feedback {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(w.order) == 0 {
		return nil
	}
	source := w.order[0]
	w.order = w.order[1:]
	p := w.waiting[source]
	delete(w.waiting, source)
	if n := w.skipped[source]; n > 0 {
		p = withSkipped(p, n)
		delete(w.skipped, source)
	}
	return p
}

// Arm implements FeedbackService.
func (s *FeedbackService) Arm(ctx context.Context, r *aimsv1.ArmRequest) (*aimsv1.ArmState, error) {
	if s.Steering == nil {
		return nil, status.Error(codes.FailedPrecondition, errNoController)
	}
	return statused(s.Steering.Arm(ctx, r))
}

// Disarm implements FeedbackService.
func (s *FeedbackService) Disarm(ctx context.Context, r *aimsv1.DisarmRequest) (*aimsv1.ArmState, error) {
	if s.Steering == nil {
		return nil, status.Error(codes.FailedPrecondition, errNoController)
	}
	return statused(s.Steering.Disarm(ctx, r))
}

// Arming implements FeedbackService.
func (s *FeedbackService) Arming(ctx context.Context, r *aimsv1.ArmingRequest) (*aimsv1.ArmState, error) {
	if s.Steering == nil {
		return nil, status.Error(codes.FailedPrecondition, errNoController)
	}
	return statused(s.Steering.Arming(ctx, r))
}

const errNoController = "no source has a controller; set milling.act in its configuration, and restart aimsd"

func statused(state *aimsv1.ArmState, err error) (*aimsv1.ArmState, error) {
	if _, known := status.FromError(err); err != nil && !known {
		err = status.Error(codes.FailedPrecondition, err.Error())
	}
	return state, err
}
