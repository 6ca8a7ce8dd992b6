package infer

import (
	"context"
	"sync"
	"sync/atomic"
)

// share gives jobs 0..n-1 to lanes, each a goroutine, in order. It ends with the first error of a job, or that of ctx.
func share(ctx context.Context, lanes, n int, do func(lane, job int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			for ctx.Err() == nil {
				job := int(next.Add(1)) - 1
				if job >= n {
					return
				}
				if err := do(lane, job); err != nil {
					stop(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// turns lets jobs that share() gave out do a part of their work in order.
type turns struct {
	mu   sync.Mutex
	cond sync.Cond
	done map[int]bool
	next int
}

func newTurns() *turns {
	t := &turns{done: map[int]bool{}}
	t.cond.L = &t.mu
	return t
}

// wait waits until all jobs before have ended.
func (t *turns) wait(job int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.next < job {
		t.cond.Wait()
	}
}

// end ends a job, also one that failed.
func (t *turns) end(job int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done[job] = true
	for t.done[t.next] {
		delete(t.done, t.next)
		t.next++
	}
	t.cond.Broadcast()
}

// networks are what runs so many tiles: all cores on one after the other, or each core on its own.
func (s *Segmenter) networks(tiles int) []Network {
	if l, ok := s.Network.(Laned); ok && tiles > 1 {
		if lanes := l.Lanes(); len(lanes) > 1 {
			return lanes[:min(len(lanes), tiles)]
		}
	}
	return []Network{s.Network}
}
