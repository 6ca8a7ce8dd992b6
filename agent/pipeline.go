package agent

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/decode"
)

// pipeline takes arrivals to committed results. Each stage is one goroutine; a full channel is
// back-pressure; every stage closes what it feeds, so that closing the arrivals drains everything.
//
//	urgent ──▶ ┐
//	arrivals ─▶ decode ─▶ analyse ─▶ write, commit ─▶ settle
type pipeline struct {
	Analyser *Analyser
	Store    *reporting.Store
	Runs     *runs
	Alerts   *alerts
	Modes    map[string]string // by source; particles where missing
	Builder  reporting.Builder
	Log      *zap.Logger
	Now      func() time.Time
	Stats    *stats
	OnFrame  func(FrameDone)                           // may be nil
	Revive   func(ctx context.Context, err error) bool // opens a network again that broke; may be nil
	Backoff  time.Duration                             // before a failed write is tried again; 0: 1 s
	Suspects *suspects                                 // nil: none
	Evidence *evidence                                 // nil: none
	Millings *millings                                 // nil: nothing is milled
	OnDamage func(error)                               // the store is damaged; may be nil
	// Urgent brings arrivals that do not wait behind those of Run. It is never closed; nothing is sent on it any
	// more when the arrivals' channel is closed. nil: none are urgent.
	Urgent <-chan stream.Arrival
	// NoOverlay reports whether room on the disk is too short for pictures; nil: never.
	NoOverlay func() bool

	lane    lane
	prints  prints       // of the goroutine that analyses
	between sync.RWMutex // read-held for a frame from its analysis to its commit; see exchange
	busy    atomic.Int64 // when the frame in analysis came there, Unix nanoseconds; 0: none is
}

// busySince is when the frame in analysis came there; zero: none is.
func (p *pipeline) busySince() time.Time {
	if at := p.busy.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// exchange runs change between two frames: after the commit of those in analysis, before the next one's.
func (p *pipeline) exchange(change func()) {
	p.between.Lock()
	defer p.between.Unlock()
	change()
}

// FrameDone tells an observer of a frame's end.
type FrameDone struct {
	Record  reporting.FrameRecord
	Result  *reporting.Result // nil unless processed
	Sizes   reporting.Sizes
	Latency time.Duration // from the file's last change, or the stream's arrival, to the commit
}

// job is a frame on its way.
type job struct {
	arrival  stream.Arrival
	frame    *stream.Frame
	analysis *Analysis
	decode   time.Duration
	err      error
}

// Run takes arrivals until their channel is closed and everything is settled, or ctx ends.
func (p *pipeline) Run(ctx context.Context, arrivals <-chan stream.Arrival) {
	decoded, analysed := make(chan job), make(chan job, 1) // one frame waits decoded, in the hands of its goroutine
	go func() {
		defer close(decoded)
		urgent := false
		for {
			a, ok := p.next(arrivals, &urgent)
			if !ok {
				return
			}
			attempts, suspect := p.Suspects.of(a.FrameID)
			p.lane.enter(suspect)
			decoded <- p.decode(ctx, a, attempts)
			p.lane.passed(suspect)
		}
	}()
	go func() {
		defer close(analysed)
		for j := range decoded {
			j = p.analyse(ctx, j)
			j.arrival.Pass()
			analysed <- j
		}
	}()
	for j := range analysed {
		p.finish(ctx, j)
	}
}

// next takes the next arrival: an urgent one first, unless the last was one and another waits. urgent tells
// which it is.
func (p *pipeline) next(arrivals <-chan stream.Arrival, urgent *bool) (a stream.Arrival, ok bool) {
	first, then := p.Urgent, arrivals
	if *urgent {
		first, then = arrivals, p.Urgent
	}
	preferred := true
	select {
	case a, ok = <-first:
	default:
		select {
		case a, ok = <-first:
		case a, ok = <-then:
			preferred = false
		}
	}
	*urgent = preferred != *urgent
	return a, ok
}

func (p *pipeline) decode(ctx context.Context, a stream.Arrival, earlier reporting.Attempts) job {
	start := time.Now()
	j := job{arrival: a}
	if j.err = verdict(earlier); j.err != nil || ctx.Err() != nil {
		return j
	}
	if err := p.retry(ctx, "journal", func() error { return p.Store.Begin(ctx, a.FrameID) }); err != nil && ctx.Err() == nil {
		p.Log.Warn("an attempt is not noted", zap.String("frame_id", a.FrameID), zap.Error(err))
	}
	j.err = guarded(p.Log, "decoding", a.Name, func() (err error) {
		if j.frame, err = a.Open(ctx); err == nil {
			err = decode.Validate(j.frame)
		}
		return err
	})
	if j.err == nil {
		j.frame.Source, j.frame.RunID, j.frame.Seq = a.Source, a.RunID, a.Admission.Seq
		if j.frame.ReceivedAt.IsZero() {
			j.frame.ReceivedAt = p.Now()
		}
	}
	j.decode = time.Since(start)
	return j
}

func (p *pipeline) analyse(ctx context.Context, j job) job {
	p.between.RLock() // finish unlocks it
	p.busy.Store(time.Now().UnixNano())
	defer p.busy.Store(0)
	if j.err != nil || ctx.Err() != nil {
		return j
	}
	mode := p.Modes[j.arrival.Source]
	if mode == "" {
		mode = ModeParticles
	}
	for {
		j.err = guarded(p.Log, "analysis", j.arrival.Name, func() (err error) {
			j.analysis, err = p.Analyser.Analyse(ctx, j.frame, mode)
			return err
		})
		if j.err == nil {
			p.prints.compare(j.arrival.Source, j.analysis.Print, j.analysis.Result)
			p.Millings.observe(ctx, j.arrival, j.frame, j.analysis.Result)
		}
		if j.err == nil || ctx.Err() != nil || p.Revive == nil || !p.Revive(ctx, j.err) {
			return j
		}
	}
}

// finish writes the frame's folder and commits its end. A frame interrupted by ctx stays accepted in the
// journal and is taken up again at the next start.
func (p *pipeline) finish(ctx context.Context, j job) {
	defer p.lane.leave()
	defer p.between.RUnlock()
	if j.frame != nil {
		defer j.frame.Release()
	}
	if ctx.Err() != nil {
		return
	}
	if errors.Is(j.err, stream.ErrAway) { // its source brings it again
		j.arrival.Settle(stream.Outcome{State: stream.StateAccepted})
		return
	}
	c := reporting.Completion{FrameID: j.arrival.FrameID, State: string(stream.StateProcessed)}
	err := j.err
	if err == nil {
		j.analysis.Result.FrameID = j.arrival.FrameID
		err = p.retry(ctx, "frame folder", func() error { return p.write(ctx, j, &c) })
	}
	if ctx.Err() != nil {
		return
	}
	if j.frame != nil {
		c.SHA256 = j.frame.SHA256
	}
	if err != nil {
		c.State, c.Reason, c.Cause = string(stream.StateRejected), oneLine(err).Error(), cause(j, err)
	} else {
		c.Result, c.Sizes = j.analysis.Result, j.analysis.sizes()
	}
	if rec, raised, ok := p.commit(ctx, j.arrival, c); ok && c.Result != nil {
		p.Evidence.frame(rec, j.frame, raised)
	}
}

// write puts the frame's folder on the disk and notes it in c.
func (p *pipeline) write(ctx context.Context, j job, c *reporting.Completion) error {
	out, err := p.Runs.folder(j.arrival.RunID)
	if err != nil {
		return err
	}
	id := stream.PageID(j.arrival.Path, j.arrival.Page)
	if id == "" { // streamed frames may have equal names, never equal keys
		id = j.arrival.Source + "/" + j.arrival.Key
	}
	j.analysis.NoOverlay = p.NoOverlay != nil && p.NoOverlay()
	if c.Folder, err = writeAnalysis(ctx, out, id, j.analysis, j.decode); err != nil {
		return err
	}
	c.Files, err = reporting.FolderFiles(filepath.Join(out.Dir, c.Folder))
	return err
}

// retry repeats a write that failed for a reason that can pass (disk full, read-only, I/O error) until it
// succeeds or ctx ends: nothing is lost, and readiness says what is wrong. Other errors are returned.
func (p *pipeline) retry(ctx context.Context, what string, write func() error) error {
	wait := p.Backoff
	if wait == 0 {
		wait = time.Second
	}
	for {
		err := write()
		if err == nil || !reporting.DiskFault(err) {
			p.Stats.fault(what, nil)
			return err
		}
		p.Stats.fault(what, err)
		p.Log.Error("write failed; trying again", zap.String("what", what), zap.Duration("in", wait), zap.Error(err))
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", ctx.Err(), err)
		case <-time.After(wait):
		}
		wait = min(2*wait, 5*time.Second)
	}
}
