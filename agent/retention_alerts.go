package agent

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// evidence removes that of whole alerts, the oldest first.
func (r *retention) evidence(ctx context.Context, kind string, keep KeepConfig, dry bool) (found due, err error) {
	root := filepath.Join(r.Dir, evidenceFolder)
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	} else if err != nil {
		return found, err
	}
	type bundle struct {
		path  string
		bytes int64
		at    time.Time
	}
	var bundles []bundle
	var all due
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || r.inTheMaking(filepath.Join(root, e.Name()), info) {
			continue
		}
		b := bundle{path: filepath.Join(root, e.Name()), at: info.ModTime()}
		b.bytes = treeBytes(b.path)
		all.files, all.bytes = all.files+1, all.bytes+b.bytes
		bundles = append(bundles, b)
	}
	r.mu.Lock()
	r.kept[kind] = all
	r.mu.Unlock()
	slices.SortFunc(bundles, func(a, b bundle) int { return a.at.Compare(b.at) })
	before, over := r.before(keep), excess(keep, all.bytes)
	var errs []error
	var gone due
	for _, b := range bundles {
		if ctx.Err() != nil || (found.bytes >= over && !b.at.Before(before)) {
			break
		}
		found.files, found.bytes = found.files+1, found.bytes+b.bytes
		if dry {
			continue
		}
		if err := os.RemoveAll(b.path); err != nil {
			errs = append(errs, err)
			continue
		}
		gone.files, gone.bytes = gone.files+1, gone.bytes+b.bytes
	}
	if gone.files > 0 {
		r.mu.Lock()
		r.kept[kind] = due{all.files - gone.files, all.bytes - gone.bytes}
		r.mu.Unlock()
		errs = append(errs, r.Store.CountRemoved(ctx, kind, gone.files, gone.bytes))
	}
	return found, errors.Join(errs...)
}

// inTheMaking reports whether an alert's evidence is still being written, as far as it can be told.
func (r *retention) inTheMaking(folder string, info fs.FileInfo) bool {
	_, err := os.Stat(filepath.Join(folder, evidenceFile))
	return errors.Is(err, fs.ErrNotExist) && r.Now().Sub(info.ModTime()) < time.Hour
}

// treeBytes adds up the files below a folder, or of a file.
func treeBytes(path string) (bytes int64) {
	_ = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil // what cannot be read counts nothing
	})
	return bytes
}

// alerts forgets the past of those that are over.
func (r *retention) alerts(ctx context.Context, kind string, keep KeepConfig, dry bool) (found due, err error) {
	var all due
	if all.files, all.bytes, err = r.Store.AlertHistory(ctx); err != nil {
		return found, err
	}
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.kept[kind] = all
	}()
	before, over := r.before(keep), excess(keep, all.bytes)
	if before.IsZero() && over == 0 {
		return found, nil
	}
	var upTo int64
	upTo, found.files, found.bytes, err = r.Store.DueAlerts(ctx, before, over)
	if err != nil || dry || found.files == 0 {
		return found, err
	}
	if err = r.Store.RemoveAlerts(ctx, upTo); err == nil {
		all.files, all.bytes = all.files-found.files, all.bytes-found.bytes
	}
	return found, err
}
