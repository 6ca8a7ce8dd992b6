package agent

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/reporting"
)

// evidenceFolder holds the pictures around alerts, in the data directory: one entry for each alert.
const evidenceFolder = "evidence"

// removedPrefix begins the name of a run's folder on its way out.
const removedPrefix = ".aimsd-removed-"

// retentionBatch is how many files are looked at between two looks at the context.
const retentionBatch = 200

// due is what a kind's bounds ask to be removed.
type due struct{ files, bytes int64 }

// retention deletes what is older or larger than its bounds allow: pictures and label images of single frames,
// evidence of single alerts, the results of whole closed runs, and cleared alerts, in this order. Everything it
// deletes lies in the data directory; the journal, by which a source's files are known, stays. Set the public
// fields, then Run. It is safe for concurrent use.
type retention struct {
	Store *reporting.Store
	Runs  *runs
	Dir   string // data directory
	Log   *zap.Logger
	Now   func() time.Time

	mu     sync.Mutex
	config RetentionConfig
	due    map[string]due // of the last sweep, before it removed anything
	kept   map[string]due // of the kinds that the store does not list
	wake   chan struct{}
	failed map[string]bool // kinds that could not be removed; said once
}

func newRetention(c RetentionConfig) *retention {
	return &retention{config: c, wake: make(chan struct{}, 1), due: map[string]due{}, kept: map[string]due{}, failed: map[string]bool{}}
}

// configure takes up other bounds.
func (r *retention) configure(c RetentionConfig) {
	r.mu.Lock()
	r.config = c
	r.mu.Unlock()
	r.hurry()
}

// hurry has the next sweep begin now.
func (r *retention) hurry() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run sweeps now and then until ctx ends.
func (r *retention) Run(ctx context.Context) {
	r.finishRemovals()
	for ctx.Err() == nil {
		r.sweep(ctx)
		r.mu.Lock()
		every := r.config.Every
		r.mu.Unlock()
		timer := time.NewTimer(every)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-r.wake:
		}
		timer.Stop()
	}
}

// sweep looks at every kind once, the easiest to do without first.
func (r *retention) sweep(ctx context.Context) {
	r.mu.Lock()
	c := r.config
	r.mu.Unlock()
	folder := func(run, name string) string { return filepath.Join(r.Dir, runsFolder, run, name) }
	for more := true; more && ctx.Err() == nil; {
		var err error
		if more, err = r.Store.ListEarlier(ctx, folder, retentionBatch); err != nil {
			r.say(ctx, "listing", err)
			break
		}
	}
	for _, k := range []struct {
		kind  string
		keep  KeepConfig
		sweep func(ctx context.Context, kind string, keep KeepConfig, dry bool) (due, error)
	}{
		{reporting.KindOverlays, c.Overlays, r.files},
		{reporting.KindLabels, c.Labels, r.files},
		{reporting.KindEvidence, c.Evidence, r.evidence},
		{reporting.KindResults, c.Results, r.results},
		{reporting.KindAlerts, c.Alerts, r.alerts},
	} {
		if ctx.Err() != nil {
			return
		}
		found, err := k.sweep(ctx, k.kind, k.keep, c.DryRun)
		r.mu.Lock()
		r.due[k.kind] = found
		r.mu.Unlock()
		r.say(ctx, k.kind, err)
		if found.files > 0 {
			r.Log.Info("retention", zap.String("kind", k.kind), zap.Int64("files", found.files), zap.Int64("bytes", found.bytes),
				zap.Bool("dry_run", c.DryRun))
		}
	}
}

// say logs a failure once until it is over.
func (r *retention) say(ctx context.Context, what string, err error) {
	if err != nil && !r.failed[what] && ctx.Err() == nil {
		r.Log.Error("retention cannot remove what is due; trying again", zap.String("what", what), zap.Error(err))
	}
	r.failed[what] = err != nil
}

// before is the time that an age bound means; zero without one.
func (r *retention) before(keep KeepConfig) time.Time {
	if keep.MaxAge == 0 {
		return time.Time{}
	}
	return r.Now().Add(-keep.MaxAge)
}

// excess is by how much a total is over a size bound.
func excess(keep KeepConfig, total int64) int64 {
	if keep.MaxMB == 0 {
		return 0
	}
	return max(0, total-keep.maxBytes())
}

// bounds are the time before which a kind's files are too old and the bytes it is over its size; zero for neither.
func (r *retention) bounds(ctx context.Context, kind string, keep KeepConfig) (before time.Time, over int64, err error) {
	totals, err := r.Store.FileTotals(ctx)
	return r.before(keep), excess(keep, totals[kind].Bytes), err
}

// files removes one kind from the folders of frames, whether their run is open or closed.
func (r *retention) files(ctx context.Context, kind string, keep KeepConfig, dry bool) (found due, err error) {
	before, over, err := r.bounds(ctx, kind, keep)
	if err != nil || before.IsZero() && over == 0 {
		return found, err
	}
	var errs []error
	var last *reporting.KeptFile
	for ctx.Err() == nil && len(errs) < retentionBatch {
		files, err := r.Store.OlderFiles(ctx, kind, time.Time{}, last, retentionBatch)
		if err != nil {
			return found, err
		}
		var gone []reporting.KeptFile
		past := len(files) < retentionBatch
		for _, f := range files {
			if found.bytes >= over && !f.Time.Before(before) {
				past = true
				break
			}
			found.files++
			found.bytes += f.Bytes
			if dry {
				continue
			}
			if err := reporting.RemoveFiles(filepath.Join(r.Dir, runsFolder, f.RunID, f.Folder), kind); err != nil {
				errs = append(errs, err)
				continue
			}
			gone = append(gone, f)
		}
		if len(gone) > 0 {
			if err := r.Store.ForgetFiles(ctx, gone); err != nil {
				return found, errors.Join(append(errs, err)...)
			}
		}
		if past {
			break
		}
		last = &files[len(files)-1]
	}
	return found, errors.Join(errs...)
}

// results removes those of whole closed runs, the longest closed first.
func (r *retention) results(ctx context.Context, kind string, keep KeepConfig, dry bool) (found due, err error) {
	before, over, err := r.bounds(ctx, kind, keep)
	if err != nil || before.IsZero() && over == 0 {
		return found, err
	}
	runs, err := r.Store.KeptRuns(ctx, retentionBatch) // the rest comes with the next sweep
	if err != nil {
		return found, err
	}
	var errs []error
	for _, run := range runs {
		if ctx.Err() != nil || (found.bytes >= over && !run.ClosedAt.Before(before)) {
			break
		}
		found.files += run.Files
		found.bytes += run.Bytes
		if !dry {
			if err := r.removeRun(ctx, run.ID); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return found, errors.Join(errs...)
}

// removeRun removes a closed run's folder and its results in the store. A frame that opens the run again
// meanwhile waits until the folder is out of its way.
func (r *retention) removeRun(ctx context.Context, id string) error {
	if !validRunID(id) {
		return nil
	}
	var out string
	err := r.Runs.whileClosed(id, func(dir string) error {
		out = filepath.Join(filepath.Dir(dir), removedPrefix+id)
		if err := os.Rename(dir, out); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		err := r.Store.RemoveRun(ctx, id)
		if errors.Is(err, reporting.ErrNotFound) { // opened or removed meanwhile
			return ignoreMissing(os.Rename(out, dir))
		}
		return err
	})
	if err != nil || out == "" {
		return err
	}
	return os.RemoveAll(out)
}

// finishRemovals deletes the folders that a crash left on their way out.
func (r *retention) finishRemovals() {
	left, err := filepath.Glob(filepath.Join(r.Dir, runsFolder, removedPrefix+"*"))
	if err != nil {
		return
	}
	for _, folder := range left {
		if err := os.RemoveAll(folder); err != nil {
			r.Log.Warn("could not remove a leftover folder", zap.String("folder", folder), zap.Error(err))
		}
	}
}

// kindState is what /metrics tells of a kind.
type kindState struct {
	kept, due, removed due
}

// states are those of every kind.
func (r *retention) states(ctx context.Context) (map[string]kindState, error) {
	totals, err := r.Store.FileTotals(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	states := map[string]kindState{}
	for _, kind := range reporting.Kinds() {
		t := totals[kind]
		s := kindState{kept: due{t.Files, t.Bytes}, due: r.due[kind], removed: due{t.RemovedFiles, t.RemovedBytes}}
		if k, ok := r.kept[kind]; ok {
			s.kept = k
		}
		states[kind] = s
	}
	return states, nil
}
