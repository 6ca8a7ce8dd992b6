package cuda

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// workers is how many goroutines share n jobs.
func (h *Host) workers(n int) int {
	w := h.Workers
	if w <= 0 {
		w = runtime.GOMAXPROCS(0)
	}
	return max(min(w, n), 1)
}

// jobs calls do for 0..n-1 on all workers and waits.
func (h *Host) jobs(n int, do func(job int)) {
	h.sharedJobs(n, func(_, job int) { do(job) })
}

// sharedJobs is jobs that also says which worker does it: 0..workers(n)-1.
func (h *Host) sharedJobs(n int, do func(worker, job int)) {
	count := h.workers(n)
	if count == 1 {
		for job := range n {
			do(0, job)
		}
		return
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for worker := range count {
		wg.Go(func() {
			for {
				job := int(next.Add(1)) - 1
				if job >= n {
					return
				}
				do(worker, job)
			}
		})
	}
	wg.Wait()
}

// rows calls fn for bands of rows on all workers and waits.
func (h *Host) rows(height int, fn func(y0, y1 int)) {
	const band = 16
	h.jobs((height+band-1)/band, func(k int) { fn(k*band, min((k+1)*band, height)) })
}

// scratch is the working memory of one call, 21 bytes per px. It is lent and given back, so that a frame does not
// have the memory of the one before it mapped and cleared anew.
type scratch struct {
	u, v       []vec   // displacements of one pass and the next
	components []int32 // valid where the dilated sinks are
	count      []uint8 // flows that end in a px, zero between calls
}

// scratches are kept as the collector sees fit; kept holds one that is small for good.
var (
	scratches sync.Pool                //nolint:gochecknoglobals // memory is the process's
	kept      = make(chan *scratch, 1) //nolint:gochecknoglobals // likewise
)

// keepPx is the size of a scratch that is kept, px: that of a frame of 1K x 1K, and some.
const keepPx = 1 << 21

// borrow returns working memory for n px; u and v are zero.
func borrow(n int) *scratch {
	s := (*scratch)(nil)
	if n <= keepPx {
		select {
		case s = <-kept:
		default:
		}
	}
	if s == nil {
		s, _ = scratches.Get().(*scratch)
	}
	if s == nil || cap(s.u) < n {
		return &scratch{u: make([]vec, n), v: make([]vec, n), components: make([]int32, n), count: make([]uint8, n)}
	}
	s.u, s.v, s.components, s.count = s.u[:n], s.v[:n], s.components[:n], s.count[:n]
	return s
}

// giveBack ends the use of working memory. What the foreground was is zero again.
func (h *Host) giveBack(s *scratch, f Field, fg *rowRuns) {
	h.rows(f.Height, func(y0, y1 int) {
		for y := y0; y < y1; y++ {
			for _, r := range fg.row(y) {
				at, end := y*f.Width+int(r.x0), y*f.Width+int(r.x1)
				clear(s.u[at:end])
				clear(s.v[at:end])
			}
		}
	})
	if cap(s.u) <= keepPx {
		select {
		case kept <- s:
			return
		default:
		}
	}
	scratches.Put(s)
}
