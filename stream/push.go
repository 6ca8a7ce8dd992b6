package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

const (
	defaultMaxBytesInFlight = 1 << 30
	defaultChunkTimeout     = 30 * time.Second
	guessFrameBytes         = 16 << 20 // for credits, before the first frame
	maxCredits              = 1 << 10
	maxSources              = 256 // different names since the start
)

// PushServer is the gRPC service that takes frames from acquisition programs, and the Source that hands
// them on. Every frame is acknowledged twice: ACCEPTED once it is journalled, DONE once its result is
// committed.
//
//	header, chunks ─▶ check ─▶ assemble ─▶ journal ─▶ Arrival ─▶ out
//	acks ◀────────────────────────────────── Settle ◀────────────┘
type PushServer struct {
	aimsv1.UnimplementedFrameServiceServer

	Journal          Journal
	Log              *zap.Logger   // nil: silent
	MaxBytesInFlight int64         // pixel memory of frames received and not yet released; 0: 1 GiB
	ChunkTimeout     time.Duration // longest silence in the middle of a frame; 0: 30 s
	Clients          Clients       // who may send the frames of which source; nil: everyone all
	// Outs are the channels of sources that do not share the one that Run is given; a source behind a channel
	// of its own is not held up by the others.
	Outs map[string]chan<- Arrival

	mu         sync.Mutex
	run        *pushRun // nil: not running
	frames     map[string]*pushedFrame
	bytes      int64
	frameBytes int64 // memory of the last frame
	held       int   // accepted frames that nobody has room for
	sources    map[string]struct{}
	counts     pushCounts
	buffers    pixelBuffers
}

var (
	_ Source                    = (*PushServer)(nil)
	_ aimsv1.FrameServiceServer = (*PushServer)(nil)
)

// PushStats counts what a PushServer did since it was made.
type PushStats struct {
	Accepted      uint64
	Duplicate     uint64 // finished or in flight when sent again
	Busy          uint64
	Rejected      uint64 // refused before the journal: header, byte count or checksum
	CRCMismatch   uint64 // those of Rejected whose checksum was wrong
	Broken        uint64 // streams that broke in the middle of a frame
	Gaps          uint64 // frames missing in the numbering of a stream
	Streams       int64
	BytesInFlight int64
	FramesWaiting int64 // accepted and not settled
}

type pushCounts struct {
	accepted, duplicate, busy, rejected, crc, broken, gaps atomic.Uint64
	streams                                                atomic.Int64
}

// pushRun is one Run of the server.
type pushRun struct {
	ctx     context.Context
	out     chan<- Arrival
	senders sync.WaitGroup
}

// Name returns "grpc"; frames may carry a source name of their own.
func (s *PushServer) Name() string { return grpcSourceName }

// Ready returns nil while Run runs.
func (s *PushServer) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return errors.New("source grpc: not started")
	}
	return nil
}

// Stats returns the counters; safe to call at any time.
func (s *PushServer) Stats() PushStats {
	s.mu.Lock()
	bytes, waiting := s.bytes, len(s.frames)
	s.mu.Unlock()
	return PushStats{
		Accepted:      s.counts.accepted.Load(),
		Duplicate:     s.counts.duplicate.Load(),
		Busy:          s.counts.busy.Load(),
		Rejected:      s.counts.rejected.Load(),
		CRCMismatch:   s.counts.crc.Load(),
		Broken:        s.counts.broken.Load(),
		Gaps:          s.counts.gaps.Load(),
		Streams:       s.counts.streams.Load(),
		BytesInFlight: bytes,
		FramesWaiting: int64(waiting),
	}
}

// Run takes frames until ctx ends, then returns nil; open streams end with Unavailable, and their clients
// resend what was not settled.
func (s *PushServer) Run(ctx context.Context, out chan<- Arrival) error {
	if s.Journal == nil {
		return errors.New("source grpc: a journal is required")
	}
	run := &pushRun{ctx: ctx, out: out}
	s.mu.Lock()
	if s.run != nil {
		s.mu.Unlock()
		return errors.New("source grpc: already running")
	}
	s.run = run
	if s.frames == nil {
		s.frames = map[string]*pushedFrame{}
	}
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	s.run = nil
	s.mu.Unlock()
	run.senders.Wait() // nothing is sent on out from here on
	return nil
}

// Push implements aimsv1.FrameServiceServer.
func (s *PushServer) Push(stream grpc.BidiStreamingServer[aimsv1.PushRequest, aimsv1.FrameAck]) error {
	s.mu.Lock()
	run := s.run
	s.mu.Unlock()
	if run == nil {
		return errStopping()
	}
	s.counts.streams.Add(1)
	defer s.counts.streams.Add(-1)
	q := newAckQueue()
	defer q.close()
	r := newReceiver(s, run, q)
	received, sent := make(chan error, 1), make(chan error, 1)
	// Recv and Send end when this function returns, which cancels the stream.
	go func() { received <- r.receive(stream) }()
	go func() { sent <- q.send(stream.Context(), stream.Send, s.credits) }()
	for {
		select {
		case err := <-received:
			if err != nil {
				return err
			}
			q.end()
			received = nil
		case err := <-sent:
			return err
		case <-r.stalled:
			return status.Errorf(codes.DeadlineExceeded, "no pixel bytes for %s in the middle of a frame: send it again",
				orDefault(s.ChunkTimeout, defaultChunkTimeout))
		case <-run.ctx.Done():
			return errStopping()
		}
	}
}

// knows reports whether frames of a source may be counted: every name a client invents is one more to account for.
func (s *PushServer) knows(source string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.sources[source]; ok {
		return true
	}
	if len(s.sources) >= maxSources {
		return false
	}
	if s.sources == nil {
		s.sources = map[string]struct{}{}
	}
	s.sources[source] = struct{}{}
	return true
}

func errStopping() error {
	return status.Error(codes.Unavailable, "aimsd is starting or stopping: connect again and resend every frame not yet settled")
}

// reserve takes memory for a frame. BUSY when there is none now, an error when there never is.
func (s *PushServer) reserve(bytes int64) (release func(), busy bool, err error) {
	limit := s.MaxBytesInFlight
	if limit <= 0 {
		limit = defaultMaxBytesInFlight
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case bytes > limit:
		return nil, false, fmt.Errorf("the frame needs %d bytes, the daemon takes %d in flight: raise its limit or send smaller frames", bytes, limit)
	case s.bytes+bytes > limit:
		return nil, true, nil
	}
	s.bytes += bytes
	s.frameBytes = bytes
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.bytes -= bytes
	}), false, nil
}

// credits is how many frames like the last would be taken now without waiting.
func (s *PushServer) credits() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return 0
	}
	limit := s.MaxBytesInFlight
	if limit <= 0 {
		limit = defaultMaxBytesInFlight
	}
	if s.held > 0 {
		return 0
	}
	return uint32(max(0, min((limit-s.bytes)/cmp.Or(s.frameBytes, guessFrameBytes), maxCredits)))
}

// deliver hands an arrival on; false when the server is stopping.
func (s *PushServer) deliver(run *pushRun, a Arrival) bool {
	s.mu.Lock()
	if s.run != run {
		s.mu.Unlock()
		return false
	}
	run.senders.Add(1)
	s.held++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.held--
		s.mu.Unlock()
		run.senders.Done()
	}()
	out, own := s.Outs[a.Source]
	if !own {
		out = run.out
	}
	// A journalled frame goes on even when its stream breaks: the client will ask for its outcome.
	select {
	case out <- a:
		return true
	case <-run.ctx.Done():
		return false
	}
}
