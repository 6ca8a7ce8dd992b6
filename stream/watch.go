package stream

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// folderRun is the state of one Run of a Folder; its goroutine alone touches it.
type folderRun struct {
	f           *Folder
	root        string // absolute
	exclude     []string
	log         *zap.Logger
	backlogSkip bool
	giveUp      time.Duration

	rootInfo os.FileInfo // nil: detached, the folder is missing or unusable
	network  bool
	polling  bool
	watch    events // nil when polling or detached

	cands map[string]*candidate
	queue []*candidate // complete, in order of delivery
	dirty bool         // the queue needs sorting
	first *candidate   // of the listed ones, in order of scan and delivery; nil: none
	done  map[string]doneFile
	wake  time.Time // earliest due candidate; zero: none

	ahead     []Arrival // admitted, waiting for room; at most admitAhead
	admitAt   time.Time
	admitBack time.Duration

	beatAt      time.Time
	attachAt    time.Time
	attachBack  time.Duration
	eventsAt    time.Time // when to try events again after falling back to polling; zero: never
	eventsBack  time.Duration
	lastRestart time.Time

	firstSeen   bool                // the source was never seen before: what is there is backlog
	seenBacklog bool                // the backlog was dealt with
	dirs        map[string]struct{} // watched, relative
	subtrees    map[string]struct{} // to scan now, relative; "." is everything
	fullAt      time.Time           // next periodic scan
	scanning    bool
	scanCount   uint64
	scanned     chan scanResult
	scans       sync.WaitGroup
}

// doneFile is a file that was dealt with; scan is the count of the last scan that saw it.
type doneFile struct {
	stamp stamp
	scan  uint64
	sum   string // of its head and tail; "": not read
}

func (r *folderRun) loop(ctx context.Context, out chan<- Arrival) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if len(r.ahead) < admitAhead {
			if a := r.admitNext(ctx); a != nil {
				r.ahead = append(r.ahead, *a)
			}
		}
		r.f.counts.candidates.Store(int64(len(r.cands)))
		var room chan<- Arrival
		var next Arrival
		if len(r.ahead) > 0 && r.rootInfo != nil { // a folder that is away may come back with its files
			room, next = out, r.ahead[0]
		}
		var changes <-chan fsnotify.Event
		var faults <-chan error
		if r.watch != nil {
			changes, faults = r.watch.Events(), r.watch.Errors()
		}
		timer.Reset(max(0, time.Until(r.nextWake(time.Now()))))
		select {
		case <-ctx.Done():
			return
		case room <- next:
			r.ahead = slices.Delete(r.ahead, 0, 1)
			r.f.counts.delivered.Add(1)
		case ev, ok := <-changes:
			r.onEvent(ev, ok)
		case err, ok := <-faults:
			r.onFault(err, ok)
		case res := <-r.scanned:
			r.onScan(res)
		case <-timer.C:
		}
		r.tick(ctx, time.Now())
	}
}

// end stops the watcher, withdraws what was admitted and not brought, and waits a little for a scan in progress.
func (r *folderRun) end() {
	r.detach()
	r.f.stopped()
	for _, a := range append(r.ahead, r.f.takeGivenBack()...) {
		r.f.withdraw(a)
	}
	idle := make(chan struct{})
	go func() { r.scans.Wait(); close(idle) }()
	select {
	case <-idle:
	case <-time.After(2 * time.Second): // a dead network mount
	}
}

func (r *folderRun) nextWake(now time.Time) time.Time {
	next := r.beatAt
	for _, t := range []time.Time{r.wake, r.scanWake(now), r.attachAt, r.eventsAt} {
		if !t.IsZero() {
			next = earliest(next, t)
		}
	}
	if len(r.ahead) < admitAhead && len(r.queue) > 0 && !r.held() {
		next = earliest(next, r.admitAt) // zero: at once
	}
	return next
}

// scanWake is when to scan next; zero while a scan runs or there is nothing to scan.
func (r *folderRun) scanWake(now time.Time) time.Time {
	switch {
	case r.scanning || r.rootInfo == nil:
		return time.Time{}
	case len(r.subtrees) > 0:
		return now
	}
	return r.fullAt
}

func (r *folderRun) wakeAt(t time.Time) {
	if r.wake.IsZero() || t.Before(r.wake) {
		r.wake = t
	}
}

func (r *folderRun) tick(ctx context.Context, now time.Time) {
	if !now.Before(r.beatAt) {
		r.beatAt = now.Add(heartbeat)
		r.checkRoot(ctx, now)
		r.f.beatNow(time.Now())
		if r.rootInfo != nil {
			r.ahead = append(r.f.takeGivenBack(), r.ahead...)
		}
	}
	if !r.attachAt.IsZero() && !now.Before(r.attachAt) || !r.eventsAt.IsZero() && !now.Before(r.eventsAt) {
		r.attach(ctx, now)
	}
	if at := r.scanWake(now); !at.IsZero() && !now.Before(at) {
		r.startScan(ctx)
	}
	if !r.wake.IsZero() && !now.Before(r.wake) {
		r.drainEvents()
		r.lookAtDue(ctx)
	}
}

// lookAtDue looks at every candidate whose time has come and puts the complete ones in order.
func (r *folderRun) lookAtDue(ctx context.Context) {
	r.wake, r.first = time.Time{}, nil
	for _, c := range r.cands {
		if ctx.Err() != nil {
			return
		}
		now := time.Now()
		if !c.ready && !now.Before(c.due) {
			r.look(c, now)
		}
		if c.ready || r.cands[c.rel] != c {
			continue
		}
		r.wakeAt(c.due)
		if c.listed && (r.first == nil || cmp.Or(cmp.Compare(c.scan, r.first.scan), inOrder(c, r.first)) < 0) {
			r.first = c
		}
	}
	r.sortQueue()
}

func (r *folderRun) enqueue(c *candidate, reject error) {
	c.ready, c.reject = true, reject
	r.queue = append(r.queue, c)
	r.dirty = true
}

// sortQueue orders by modification time, then by natural name.
func (r *folderRun) sortQueue() {
	if !r.dirty {
		return
	}
	r.dirty = false
	slices.SortStableFunc(r.queue, inOrder)
}

func inOrder(a, b *candidate) int {
	return cmp.Or(cmp.Compare(a.stamp.mtimeNs, b.stamp.mtimeNs), compareNatural(a.rel, b.rel))
}

// held reports that the queue waits for an older file of the same scan, which still has to rest: files found
// together are looked at one after the other, yet are delivered in order. It does not wait for what later scans
// find: a long copy of old files would hold up everything.
func (r *folderRun) held() bool {
	c := r.first
	return c != nil && c.listed && !c.ready && r.cands[c.rel] == c && len(r.queue) > 0 && c.scan <= r.queue[0].scan && inOrder(c, r.queue[0]) < 0
}

// drainEvents takes the events that already arrived, so that a look sees what they say.
func (r *folderRun) drainEvents() {
	for range 4096 {
		if r.watch == nil {
			return
		}
		select {
		case ev, ok := <-r.watch.Events():
			r.onEvent(ev, ok)
		default:
			return
		}
	}
}

func (r *folderRun) onEvent(ev fsnotify.Event, ok bool) {
	now := time.Now()
	if !ok {
		r.restart("the watcher ended", now)
		return
	}
	rel, err := filepath.Rel(r.root, ev.Name)
	if err != nil || ev.Op == 0 || ev.Op == fsnotify.Chmod {
		return
	}
	rel = filepath.ToSlash(rel)
	if rel == "." { // the folder itself was removed or renamed
		r.beatAt = now
		return
	}
	if ignoredName(filepath.Base(ev.Name)) || r.excluded(ev.Name) {
		return
	}
	switch {
	case ev.Has(fsnotify.Create):
		if info, err := os.Lstat(ev.Name); err == nil && info.IsDir() {
			if r.f.Recursive {
				r.requestScan(rel)
			}
			return
		}
		r.touch(rel, true, now)
	case ev.Has(fsnotify.Write):
		r.touch(rel, false, now)
	case ev.Has(fsnotify.Rename), ev.Has(fsnotify.Remove):
		if _, dir := r.dirs[rel]; dir && ev.Has(fsnotify.Rename) {
			// Watches inside a renamed folder keep reporting the old path: begin anew.
			r.attachAt = now.Add(directoryRenamedPause)
		}
		delete(r.dirs, rel)
		r.forget(rel)
	}
}

func (r *folderRun) onFault(err error, ok bool) {
	now := time.Now()
	switch {
	case !ok:
		r.restart("the watcher ended", now)
	case isOverflow(err):
		r.f.counts.overflows.Add(1)
		r.log.Warn("file events were lost, scanning the folder", zap.String("folder", r.root))
		r.requestScan(".")
	case err != nil:
		r.restart(err.Error(), now)
	}
}

// restart makes a new watcher: at once, and with growing pauses when it fails again within a minute.
func (r *folderRun) restart(reason string, now time.Time) {
	r.f.counts.restarts.Add(1)
	r.closeWatch()
	if now.Sub(r.lastRestart) > reattachCap {
		r.attachBack = 0
	}
	r.lastRestart = now
	r.attachAt = now.Add(r.attachBack)
	if r.attachBack > 0 {
		r.f.setProblem(fmt.Errorf("file events failed (%s): watching anew in %s", reason, r.attachBack))
	}
	r.log.Warn("file events failed, watching anew", zap.String("folder", r.root),
		zap.String("reason", reason), zap.Duration("in", r.attachBack))
	r.attachBack = min(max(reattachFirst, 2*r.attachBack), reattachCap)
}

// finish remembers a file as dealt with.
func (r *folderRun) finish(c *candidate) {
	r.done[c.rel] = doneFile{c.stamp, r.scanCount, c.sum}
	delete(r.cands, c.rel)
}

func (r *folderRun) forget(rel string) {
	delete(r.cands, rel)
	delete(r.done, rel)
}

func (r *folderRun) abs(rel string) string { return filepath.Join(r.root, filepath.FromSlash(rel)) }

func (r *folderRun) excluded(path string) bool {
	return slices.ContainsFunc(r.exclude, func(x string) bool { return within(path, x) })
}
