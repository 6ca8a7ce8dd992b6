package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/stream"
)

// sourceSet runs the folders that are watched; some can come, go and change while the others run.
//
//	folder ─▶ arrivals
//	folder ─▶ latest ─▶ urgent
type sourceSet struct {
	Urgent chan<- stream.Arrival // takes the newest frames of sources with the policy latest
	Make   func(SourceConfig) *stream.Folder
	Drop   func(stream.Arrival)                      // ends a frame that a newer one has overtaken
	Begin  func(context.Context, SourceConfig) error // before one more source runs; may be nil
	Absent func(name string)                         // a source is gone; may be nil
	Log    *zap.Logger

	change sync.Mutex // held while sources are started and stopped
	ctx    context.Context
	out    chan<- stream.Arrival
	failed chan error
	ended  bool

	mu      sync.Mutex
	present []*runningSource
	started bool
}

// runningSource is one of them.
type runningSource struct {
	config SourceConfig
	folder *stream.Folder
	stop   context.CancelFunc
	done   chan struct{}
}

// Run starts the sources and sends what they find until ctx ends; nothing is sent after it returns.
func (s *sourceSet) Run(ctx context.Context, configs []SourceConfig, out chan<- stream.Arrival) error {
	s.change.Lock()
	s.ctx, s.out, s.failed = ctx, out, make(chan error, 1)
	for _, c := range configs {
		s.start(c)
	}
	s.change.Unlock()
	s.mu.Lock()
	s.started = true
	s.mu.Unlock()
	var err error
	select {
	case <-ctx.Done():
	case err = <-s.failed:
	}
	s.change.Lock()
	defer s.change.Unlock()
	s.ended = true
	for _, r := range s.running() {
		r.stop()
	}
	for _, r := range s.running() {
		<-r.done
	}
	return err
}

// starting says that the sources do not all run yet: until then none of them can say that it is not ready.
func (s *sourceSet) starting() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started {
		return errors.New("not started")
	}
	return nil
}

func (s *sourceSet) running() []*runningSource {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.present)
}

// folders are the sources there are now.
func (s *sourceSet) folders() []*stream.Folder {
	var folders []*stream.Folder
	for _, r := range s.running() {
		folders = append(folders, r.folder)
	}
	return folders
}

// set stops the sources that are not among configs any more, starts new ones, and restarts those that
// changed in more than their mode, once the frames they brought are done.
func (s *sourceSet) set(configs []SourceConfig) {
	s.change.Lock()
	defer s.change.Unlock()
	if s.ctx == nil || s.ended {
		return
	}
	for _, r := range s.running() {
		if slices.ContainsFunc(configs, func(c SourceConfig) bool { return sameSource(c, r.config) }) {
			continue
		}
		s.end(r)
		if s.Absent != nil && !slices.ContainsFunc(configs, func(c SourceConfig) bool { return c.Name == r.config.Name }) {
			s.Absent(r.config.Name)
		}
	}
	for _, c := range configs {
		if !slices.ContainsFunc(s.running(), func(r *runningSource) bool { return r.config.Name == c.Name }) {
			if s.Begin != nil {
				if err := s.Begin(s.ctx, c); err != nil {
					s.Log.Warn("frames that are gone were not ended", zap.String("source", c.Name), zap.Error(err))
				}
			}
			s.start(c)
		}
	}
}

// sameSource reports whether two sources find the same frames in the same way.
func sameSource(a, b SourceConfig) bool {
	a.Mode = b.Mode // looked up for each frame
	return sameYAML(a, b)
}

// start runs one more source.
func (s *sourceSet) start(c SourceConfig) {
	ctx, stop := context.WithCancel(s.ctx)
	r := &runningSource{config: c, folder: s.Make(c), stop: stop, done: make(chan struct{})}
	s.mu.Lock()
	s.present = append(s.present, r)
	s.mu.Unlock()
	go func() {
		defer close(r.done)
		if err := s.run(ctx, r); err != nil {
			select {
			case s.failed <- fmt.Errorf("source: %w", err):
			default:
			}
		}
	}()
}

func (s *sourceSet) run(ctx context.Context, r *runningSource) error {
	if r.config.Policy != "latest" {
		return r.folder.Run(ctx, s.out)
	}
	newest := make(chan stream.Arrival)
	passed := make(chan struct{})
	go func() {
		defer close(passed)
		latest(newest, s.Urgent, s.Drop)
	}()
	err := r.folder.Run(ctx, newest)
	close(newest)
	<-passed
	return err
}

// end stops a source and waits until the frames that it brought are done, so that a source that takes its
// place does not bring them again.
func (s *sourceSet) end(r *runningSource) {
	r.stop()
	<-r.done
	const look = 10 * time.Millisecond
	for r.folder.Stats().InFlight > 0 && s.ctx.Err() == nil {
		time.Sleep(look)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.present = slices.DeleteFunc(s.present, func(other *runningSource) bool { return other == r })
}
