package agent

import (
	"context"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// Bounds of what evidence may take.
const (
	evidencePixelBytes  = 16 << 20  // of a frame that is kept in case an alert follows; larger ones are reduced
	evidenceMemoryBytes = 256 << 20 // of all of them
	evidenceQueue       = 64        // frames on their way to the disk
	evidencePatience    = 10 * time.Minute
	evidenceMemory      = 24 * time.Hour // of a source without frames
)

// evidence makes a folder for each occurrence of an alert: the frame that raised it, its overlay and tables, and
// the frames of its source around it. The frame path only hands over pixels; a goroutine of its own writes, and
// what that cannot keep up with is left out and counted, never waited for.
//
//	frame ─▶ ring of the source ─(alert)─▶ bundle ─▶ queue ─▶ data_dir/evidence/<alert id>/
type evidence struct {
	Dir           string                                 // data_dir/evidence
	RunDir        func(run string) string                // of a run's folder
	Before, After int                                    // frames around the alert's
	Room          func() bool                            // whether there is room on the disk for pixels; nil: always
	Write         func(dir string, s evidenceStep) error // nil: on the disk
	Log           *zap.Logger
	Now           func() time.Time // nil: time.Now

	once    sync.Once
	queue   chan evidenceStep
	mu      sync.Mutex
	rings   map[string][]evidenceFrame // by source, oldest first
	bytes   int64                      // of the rings' pixels
	open    []*bundle
	full    atomic.Int32 // whole frames waiting in the queue
	dropped atomic.Uint64
	made    atomic.Uint64
}

// evidenceFrame is a frame as it is kept: its record, where its results lie, and its pixels, perhaps reduced.
type evidenceFrame struct {
	rec     reporting.FrameRecord
	picture picture
	seen    time.Time
}

// bundle is the folder of an alert that frames are still to come for.
type bundle struct {
	state  reporting.AlertState
	source string
	after  int // frames that came after
	since  time.Time
	lost   bool // something was left out
}

// evidenceStep is one thing to write: a frame under its role, or the end of a bundle.
type evidenceStep struct {
	alert reporting.AlertState
	role  string // frame, before-1, after-2; "" ends the bundle
	whole bool   // every frame that belongs to it came
	frame evidenceFrame
}

func (e *evidence) init() {
	e.once.Do(func() {
		if e.Now == nil {
			e.Now = time.Now
		}
		if e.Write == nil {
			e.Write = e.write
		}
		e.queue = make(chan evidenceStep, evidenceQueue)
		e.rings = map[string][]evidenceFrame{}
	})
}

// uri names the folder of an alert's evidence.
func (e *evidence) uri(alertID string) string { return fileURI(filepath.Join(e.Dir, alertID)) }

// fileURI is RFC 8089's file URI of an absolute path.
func fileURI(path string) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // C:/...
	}
	return (&url.URL{Scheme: "file", Path: slashed}).String()
}

// Run ends the bundles that a crash left open, writes until ctx ends, then what still waits, and ends the bundles
// that are open.
func (e *evidence) Run(ctx context.Context) {
	e.init()
	e.closeLeft(ctx)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case s := <-e.queue:
			e.take(s)
		case <-ticker.C:
			e.expire(e.Now())
		case <-ctx.Done():
			for e.expire(e.Now().Add(2 * evidencePatience)); len(e.queue) > 0; e.expire(e.Now().Add(2 * evidencePatience)) {
				for len(e.queue) > 0 {
					e.take(<-e.queue)
				}
			}
			return
		}
	}
}

func (e *evidence) take(s evidenceStep) {
	if s.role == "frame" {
		defer e.full.Add(-1)
	}
	if err := e.Write(filepath.Join(e.Dir, s.alert.ID), s); err != nil {
		e.dropped.Add(1)
		e.Log.Error("evidence not written", zap.String("alert", s.alert.Code+"/"+s.alert.Key), zap.String("part", s.role), zap.Error(err))
	} else if s.role == "" {
		e.made.Add(1)
	}
}

// frame takes a committed frame, with the alerts that it raised. f's pixels may be gone; they are copied here,
// whole only for a frame that raised an alert.
func (e *evidence) frame(rec reporting.FrameRecord, f *stream.Frame, raised []reporting.AlertState) {
	if e == nil {
		return
	}
	e.init()
	if len(raised) == 0 && e.Before == 0 && !e.awaits(rec.Source) {
		return
	}
	kept := evidenceFrame{rec: rec, seen: e.Now()}
	if e.Room == nil || e.Room() {
		kept.picture = reduced(f, evidencePixelBytes)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.follow(kept)
	if len(raised) > 0 {
		whole := kept
		if kept.picture.reducedBy > 1 && e.full.Load() == 0 {
			whole.picture = reduced(f, 0)
		}
		for _, s := range raised {
			e.begin(s, rec.Source, whole, e.rings[rec.Source])
		}
	}
	e.remember(kept)
}

// raised begins the evidence of alerts that no frame raised just now: what held them back is over.
func (e *evidence) raised(states []reporting.AlertState) {
	if e == nil {
		return
	}
	e.init()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range states {
		m, err := reporting.Builder{}.Resume(s)
		if err != nil || m.FrameID == "" {
			continue
		}
		ring := e.rings[s.Key]
		i := slices.IndexFunc(ring, func(f evidenceFrame) bool { return f.rec.ID == m.FrameID })
		if i < 0 {
			e.dropped.Add(1)
			continue
		}
		e.begin(s, s.Key, ring[i], ring[:i])
	}
}

// begin hands over the alert's frame and those before it. mu is held.
func (e *evidence) begin(s reporting.AlertState, source string, frame evidenceFrame, before []evidenceFrame) {
	b := &bundle{state: s, source: source, since: e.Now()}
	e.full.Add(1)
	if b.lost = !e.put(evidenceStep{alert: s, role: "frame", frame: frame}); b.lost {
		e.full.Add(-1)
	}
	before = before[max(len(before)-e.Before, 0):]
	for i, f := range before {
		b.lost = !e.put(evidenceStep{alert: s, role: role("before", len(before)-i), frame: f}) || b.lost
	}
	if e.After == 0 {
		e.put(evidenceStep{alert: s, whole: !b.lost})
		return
	}
	e.open = append(e.open, b)
}

// follow hands the frame to the bundles of its source that wait for more. mu is held.
func (e *evidence) follow(f evidenceFrame) {
	e.open = slices.DeleteFunc(e.open, func(b *bundle) bool {
		if b.source != f.rec.Source {
			return false
		}
		b.after++
		b.lost = !e.put(evidenceStep{alert: b.state, role: role("after", b.after), frame: f}) || b.lost
		if b.after < e.After {
			return false
		}
		e.put(evidenceStep{alert: b.state, whole: !b.lost})
		return true
	})
}

// expire ends the bundles whose frames did not come, and forgets the frames of sources that are silent.
func (e *evidence) expire(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open = slices.DeleteFunc(e.open, func(b *bundle) bool {
		if now.Sub(b.since) < evidencePatience {
			return false
		}
		return e.put(evidenceStep{alert: b.state})
	})
	for source, ring := range e.rings {
		for n := len(ring); n > 0 && now.Sub(ring[len(ring)-1].seen) > evidenceMemory; n-- {
			e.forget(source)
		}
	}
}

func (e *evidence) awaits(source string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.open, func(b *bundle) bool { return b.source == source })
}

// put never waits.
func (e *evidence) put(s evidenceStep) bool {
	select {
	case e.queue <- s:
		return true
	default:
		e.dropped.Add(1)
		return false
	}
}

// remember keeps a frame in case one of the next raises an alert. What is too much goes, the oldest first. mu is
// held.
func (e *evidence) remember(f evidenceFrame) {
	source := f.rec.Source
	e.rings[source] = append(e.rings[source], f)
	e.bytes += f.picture.bytes()
	for len(e.rings[source]) > e.Before+1 {
		e.forget(source)
	}
	for e.bytes > evidenceMemoryBytes {
		oldest := ""
		for name, ring := range e.rings {
			if oldest == "" || ring[0].seen.Before(e.rings[oldest][0].seen) {
				oldest = name
			}
		}
		e.forget(oldest)
	}
}

func (e *evidence) forget(source string) {
	ring := e.rings[source]
	e.bytes -= ring[0].picture.bytes()
	if e.rings[source] = slices.Delete(ring, 0, 1); len(e.rings[source]) == 0 {
		delete(e.rings, source)
	}
}
