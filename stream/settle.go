package stream

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"go.uber.org/zap"
)

// writer says whether a program has a file open for writing.
type writer int

const (
	writerUnknown writer = iota
	writerNone
	writerOpen
)

// candidate is a file that may become a frame.
type candidate struct {
	rel     string // path below the root, with slashes
	fresh   bool   // look for the first time, or again after an event
	event   bool   // an event spoke of it: its content may be new though size and time are known
	arrived bool   // it appeared, and nothing was written to it since: perhaps renamed into the folder
	ready   bool   // waiting in the queue
	listed  bool   // a scan found it, and it was not looked at since it had to rest: see held
	scan    uint64 // which scan found it; 0: an event did
	stamp   stamp
	sum     string    // of its head and tail; "": not read yet
	since   time.Time // when stamp was first seen
	due     time.Time // when to look again
	pause   time.Duration
	told    bool // the log says that it is waited for
	page    int  // to be admitted next, of pages, from 1; 0 before they are counted
	pages   int
	sidecar time.Time // until when its sidecar is waited for; zero: not asked yet
	reject  error     // why it is given up; nil when it is complete
}

// later sets the next look after a pause that grows to limit.
func (c *candidate) later(now time.Time, limit time.Duration) {
	c.pause = min(max(busyPause, c.pause*3/2), limit)
	c.due = now.Add(c.pause)
}

// touch makes a file a candidate, or has it looked at again, after an event.
func (r *folderRun) touch(rel string, arrived bool, now time.Time) {
	c := r.cands[rel]
	if c == nil {
		c = &candidate{rel: rel}
		r.cands[rel] = c
	}
	c.event, c.arrived, c.ready, c.listed, c.page = true, arrived, false, false, 0
	if !c.fresh { // one look answers all events of the grace period
		c.fresh = true
		c.due = now.Add(eventGrace)
		r.wakeAt(c.due)
	}
}

// settleTime is how long a file must be unchanged.
func (r *folderRun) settleTime(w writer) time.Duration {
	switch {
	case r.f.Settle > 0:
		return r.f.Settle
	case r.network:
		return networkSettle
	case w == writerNone:
		return provenSettle
	}
	return defaultSettle
}

// look decides what to do with a candidate that is due.
func (r *folderRun) look(c *candidate, now time.Time) {
	path := r.abs(c.rel)
	s, w, err := r.probe(path)
	if err != nil {
		r.unreadable(c, err, now)
		return
	}
	if d, ok := r.done[c.rel]; ok && d.stamp == s && !c.event {
		delete(r.cands, c.rel)
		return
	}
	if c.fresh || s != c.stamp {
		first := c.fresh
		c.listed = c.listed && first
		if s != c.stamp {
			c.sidecar = time.Time{}
		}
		c.fresh, c.stamp, c.since, c.pause = false, s, now, 0
		if first && c.arrived && s.size > 0 && w != writerOpen && r.f.IsImage(path) && r.f.Complete(path) == nil && !r.unfilled(path, w) {
			r.take(c, now)
			return
		}
		c.due = now.Add(r.settleTime(w))
		return
	}
	quiet := now.Sub(c.since)
	if wait := r.settleTime(w); quiet < wait {
		c.due = c.since.Add(wait)
		return
	}
	c.listed = false
	why := r.incomplete(path, s)
	if w == writerUnknown && why == nil {
		w = probeOnce(path)
	}
	switch {
	case w == writerOpen && quiet < r.giveUp:
		r.tell(c, errStillOpen, quiet)
		c.later(now, busyCap)
	case why == nil && quiet < r.tailWait() && r.unfilled(path, w):
		r.tell(c, errUnfilled, quiet)
		c.later(now, busyCap)
	case why == nil:
		r.take(c, now)
	case errors.Is(why, errNoImage):
		r.ignore(c)
	case quiet >= r.giveUp:
		r.enqueue(c, fmt.Errorf("%w (unchanged for %s): write the file again", why, r.giveUp))
	default:
		r.tell(c, why, quiet)
		c.later(now, r.brokenCap())
		c.due = earliest(c.due, c.since.Add(r.giveUp))
	}
}

// brokenCap is the longest pause between looks at a file that is not complete: where no event tells that it
// changed, not longer than a scan's.
func (r *folderRun) brokenCap() time.Duration {
	if r.polling {
		return min(brokenCap, orDefault(r.f.PollInterval, defaultPollInterval))
	}
	return brokenCap
}

// tailWait is how long a file that ends in zeros must rest.
func (r *folderRun) tailWait() time.Duration {
	wait := orDefault(r.f.tailWait, tailWait)
	if r.network {
		wait = orDefault(r.f.tailWait, networkTailWait)
	}
	return min(wait, r.giveUp)
}

// unfilled reports whether a file that looks complete may only have been reserved so far.
func (r *folderRun) unfilled(path string, w writer) bool {
	switch {
	case w == writerNone:
		return false
	case r.f.Unfilled != nil:
		return r.f.Unfilled(path)
	}
	return zeros(path, -edgeBytes)
}

// take puts a complete image into the queue, unless its sidecar is to come first.
func (r *folderRun) take(c *candidate, now time.Time) {
	if r.f.Sidecars == nil || r.f.SidecarWait <= 0 {
		r.enqueue(c, nil)
		return
	}
	path := r.abs(c.rel)
	asked := !c.sidecar.IsZero()
	if !asked {
		c.sidecar = now.Add(r.f.SidecarWait)
	}
	switch {
	case !r.f.Sidecars.Awaited(path):
	case now.Before(c.sidecar):
		c.due = earliest(now.Add(sidecarPause), c.sidecar)
		return
	default:
		r.f.Sidecars.Missed(path)
		r.log.Warn("the file with the image's metadata did not come; going on without",
			zap.String("path", path), zap.Duration("waited", r.f.SidecarWait))
	}
	r.enqueue(c, nil)
}

var (
	errNoImage   = errors.New("no image")
	errStillOpen = errors.New("a program has it open for writing")
	errUnfilled  = errors.New("it ends in zeros, as one that is reserved and not filled yet")
	errNoHead    = errors.New("its beginning is not written yet")
)

// tell logs once why a file that rests is not taken yet.
func (r *folderRun) tell(c *candidate, why error, quiet time.Duration) {
	if quiet < tellAfter || c.told {
		return
	}
	c.told = true
	r.log.Info("waiting for "+r.abs(c.rel)+": "+why.Error(), zap.Duration("unchanged_for", quiet), zap.Duration("give_up", r.giveUp))
}

// incomplete says why a settled file cannot be taken yet.
func (r *folderRun) incomplete(path string, s stamp) error {
	if s.size == 0 {
		if !imageName(filepath.Base(path)) {
			return errNoImage
		}
		return errors.New("the file is empty")
	}
	if !r.f.IsImage(path) {
		if imageName(filepath.Base(path)) && zeros(path, headBytes) { // its header comes last
			return errNoHead
		}
		return errNoImage
	}
	return r.f.Complete(path)
}

// ignore forgets a file that is no image until it changes.
func (r *folderRun) ignore(c *candidate) {
	r.log.Debug("not an image, ignored", zap.String("path", r.abs(c.rel)))
	r.finish(c)
}

func (r *folderRun) unreadable(c *candidate, err error, now time.Time) {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errNotRegular):
		r.forget(c.rel)
		return
	case c.fresh || c.since.IsZero():
		c.fresh, c.listed, c.since = false, false, now
	case now.Sub(c.since) >= r.giveUp:
		r.enqueue(c, fmt.Errorf("%w (for %s): give aimsd read permission, then write the file again", err, r.giveUp))
		return
	default:
		r.tell(c, err, now.Sub(c.since))
	}
	c.later(now, r.brokenCap())
	c.due = earliest(c.due, c.since.Add(r.giveUp))
}

// probe returns a file's stamp by its open handle, and whether it is being written.
func (r *folderRun) probe(path string) (stamp, writer, error) {
	file, s, err := openRegular(path)
	if err != nil {
		return stamp{}, writerUnknown, err
	}
	defer func() { _ = file.Close() }()
	switch {
	case r.f.lease != nil:
		return s, r.f.lease(path), nil
	case r.network: // some network clients answer EAGAIN for "cannot tell"
		return s, writerUnknown, nil
	}
	return s, probeWriter(file), nil
}

func earliest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
