package stream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"go.uber.org/zap"
)

// admitNext takes files from the queue until one is new to the journal. It returns nil when the queue is
// empty, the journal fails, or it is time to look at events again.
func (r *folderRun) admitNext(ctx context.Context) *Arrival {
	if time.Now().Before(r.admitAt) || r.held() {
		return nil
	}
	for range admissionsPerTurn {
		if len(r.queue) == 0 || ctx.Err() != nil {
			r.journalWorks()
			return nil
		}
		c := r.queue[0]
		r.queue = r.queue[1:]
		if !c.ready || r.cands[c.rel] != c {
			continue // it changed or vanished while it waited
		}
		a, err := r.admit(ctx, c)
		if err != nil {
			r.queue = append([]*candidate{c}, r.queue...)
			r.journalFailed(ctx, err)
			return nil
		}
		r.journalWorks()
		if a != nil {
			return a
		}
	}
	return nil
}

func (r *folderRun) journalFailed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	r.admitBack = min(max(reattachFirst, 2*r.admitBack), reattachCap/2)
	r.admitAt = time.Now().Add(r.admitBack)
	r.f.setJournal(err)
	r.log.Error("the journal does not take frames", zap.Error(err), zap.Duration("again_in", r.admitBack))
}

// journalWorks ends the pause after a failure.
func (r *folderRun) journalWorks() {
	if r.admitBack > 0 {
		r.admitBack, r.admitAt = 0, time.Time{}
		r.f.setJournal(nil)
	}
}

// admit records a file, or the next page of one, in the journal. It returns nil without an error when there
// is nothing to process; an error is the journal's.
func (r *folderRun) admit(ctx context.Context, c *candidate) (*Arrival, error) {
	if r.marked(c.rel) {
		r.finish(c)
		return nil, nil
	}
	file := r.abs(c.rel)
	if known, err := r.recall(ctx, c); err != nil || known {
		return nil, err
	}
	s, key, err := identify(file, c.rel)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, errNotRegular):
		r.forget(c.rel)
		return nil, nil
	case err != nil && c.reject != nil:
		s, key = c.stamp, keyPrefix(c.rel, c.stamp)+"unreadable"
	case err != nil || s != c.stamp: // written to since it was complete
		c.ready, c.fresh, c.arrived, c.reject, c.page = false, true, false, nil, 0
		c.due = time.Now()
		r.wakeAt(c.due)
		return nil, nil
	}
	c.sum = sumOf(key)
	if c.page == 0 && c.reject == nil && r.retimed(c) {
		return nil, r.skipRetimed(ctx, c, key)
	}
	if c.page == 0 {
		c.page, c.pages = 1, 1
		if c.reject == nil {
			c.pages = r.pages(file)
		}
	}
	receipt := r.receipt(c.rel, key, s, c.page, c.pages)
	key = receipt.Key
	if !r.f.claim(key) {
		r.advance(c)
		return nil, nil
	}
	admission, err := r.f.Journal.Admit(ctx, receipt)
	if err != nil {
		r.f.unclaim(key)
		return nil, err
	}
	r.advance(c)
	if admission.State.Final() {
		r.f.unclaim(key)
		return nil, nil
	}
	a := &Arrival{
		Receipt:   receipt,
		Admission: admission,
		Open:      r.f.opener(receipt, admission, s, time.Now()),
	}
	a.Settle = func(o Outcome) {
		if o.State == StateAccepted {
			r.f.giveBack(*a)
			return
		}
		r.f.unclaim(key)
	}
	if reason := c.reject; reason != nil {
		r.f.counts.givenUp.Add(1)
		r.log.Warn("file given up", zap.String("path", file), zap.Error(reason))
		a.Open = func(context.Context) (*Frame, error) { return nil, givenUp{file, reason} }
	}
	return a, nil
}

// advance goes on to the file's next page, which comes before all other files, or finishes it.
func (r *folderRun) advance(c *candidate) {
	if c.page >= c.pages {
		r.finish(c)
		return
	}
	c.page++
	r.queue = slices.Insert(r.queue, 0, c)
}

// retimed reports whether only the time of a file has changed since it was taken: copies get theirs late, when
// all is written. Where an event says that it was written to, it was, except on Windows, which says the same of
// a new time.
func (r *folderRun) retimed(c *candidate) bool {
	d, ok := r.done[c.rel]
	return ok && (!c.event || runtime.GOOS == "windows") && d.sum != "" && d.sum == c.sum && d.stamp.size == c.stamp.size
}

// skipRetimed records that the same frames are known under another time.
func (r *folderRun) skipRetimed(ctx context.Context, c *candidate, key string) error {
	pages := r.pages(r.abs(c.rel))
	receipts := make([]Receipt, pages)
	for i := range receipts {
		receipts[i] = r.receipt(c.rel, key, c.stamp, i+1, pages)
		receipts[i].SkipReason = SkipUnchanged
	}
	if err := r.f.Journal.Skip(ctx, receipts); err != nil {
		return err
	}
	r.log.Debug("only the file's time has changed", zap.String("path", r.abs(c.rel)))
	r.finish(c)
	return nil
}

// recall asks the journal about a file no event spoke of, without reading its content.
func (r *folderRun) recall(ctx context.Context, c *candidate) (bool, error) {
	journal, ok := r.f.Journal.(Recaller)
	if !ok || c.event {
		return false, nil
	}
	known, err := journal.Recall(ctx, r.f.SourceName, keyPrefix(c.rel, c.stamp))
	if known {
		r.finish(c)
	}
	return known, err
}

// marked reports whether a folder between the root and the file is aimsd's own output.
func (r *folderRun) marked(rel string) bool {
	for dir := path.Dir(rel); dir != "."; dir = path.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(r.abs(dir), Marker)); err == nil {
			return true
		}
	}
	return false
}

// sameContent reports whether a file has still the size, the head and the tail that it was admitted with.
func sameContent(rc Receipt, info fs.FileInfo) bool {
	if info.Size() != rc.Size {
		return false
	}
	_, key, err := identify(rc.Path, "")
	return err == nil && sumOf(key) == sumOf(rc.Key)
}

// opener decodes the file that was admitted, and only that: a file overwritten meanwhile is an error here
// and a new frame of its own.
func (f *Folder) opener(rc Receipt, ad Admission, want stamp, receivedAt time.Time) func(context.Context) (*Frame, error) {
	unchanged := func() error {
		info, err := os.Stat(rc.Path)
		switch {
		case err != nil && f.away():
			return fmt.Errorf("%s: %w", rc.Path, ErrAway)
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: %s was removed before it could be analysed; copy it there again to have it analysed", ErrVanished, rc.Path)
		case err != nil:
			return err
		case stampOf(info) != want && !sameContent(rc, info):
			return fmt.Errorf("%w: %s was overwritten before it could be analysed; its new content is a frame of its own", ErrVanished, rc.Path)
		}
		return nil
	}
	return func(ctx context.Context) (*Frame, error) {
		if err := unchanged(); err != nil {
			return nil, err
		}
		frame, err := f.Decode(ctx, rc.Path, rc.Page)
		if ctx.Err() == nil {
			if changed := unchanged(); changed != nil {
				if frame != nil {
					frame.Release()
				}
				return nil, changed
			}
		}
		if err != nil {
			return nil, err
		}
		frame.Source, frame.Path, frame.Name = rc.Source, rc.Path, rc.Name
		frame.RunID, frame.Seq, frame.ReceivedAt = ad.RunID, ad.Seq, receivedAt
		return frame, nil
	}
}
