package stream

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"go.uber.org/zap"
)

// scanResult is what lies in the folder, or in parts of it.
type scanResult struct {
	full     bool
	count    uint64
	took     time.Duration
	files    []foundFile
	dirs     []string
	fault    error // part of the tree could not be read
	watchErr error // a folder could not be watched
	watch    events
}

type foundFile struct {
	rel   string
	stamp stamp // as listed, which may be stale on a network share
}

// requestScan asks for a scan of a folder below the root, "." for all of it.
func (r *folderRun) requestScan(rel string) { r.subtrees[rel] = struct{}{} }

// startScan runs the requested scans, or the periodic one, beside the loop.
func (r *folderRun) startScan(ctx context.Context) {
	_, full := r.subtrees["."]
	if full = full || !time.Now().Before(r.fullAt); full {
		clear(r.subtrees)
		r.subtrees["."] = struct{}{}
	}
	roots := make([]string, 0, len(r.subtrees))
	for rel := range r.subtrees {
		roots = append(roots, rel)
	}
	clear(r.subtrees)
	r.scanning = true
	r.scanCount++
	s := &scanner{r: r, result: scanResult{full: full, count: r.scanCount, watch: r.watch}}
	for _, x := range r.exclude {
		if info, err := os.Stat(x); err == nil {
			s.excluded = append(s.excluded, info)
		}
	}
	r.scans.Go(func() {
		began := time.Now()
		for _, rel := range roots {
			s.walk(ctx, rel)
		}
		s.result.took = time.Since(began)
		r.scanned <- s.result // holds one, and one scan runs at a time
	})
}

// onScan reconciles the candidates with what a scan found.
func (r *folderRun) onScan(res scanResult) {
	now := time.Now()
	r.scanning = false
	if res.full {
		r.f.counts.scans.Add(1)
	}
	switch {
	case r.rootInfo == nil:
		return
	case res.watch != r.watch: // the watcher was replaced meanwhile: its folders are not watched
		r.requestScan(".")
	case res.watchErr != nil && r.f.Watch != WatchEvents:
		r.fallBack(res.watchErr, now)
	case res.watchErr != nil:
		r.f.setProblem(res.watchErr)
		r.log.Error("part of the folder is not watched", zap.Error(res.watchErr))
	}
	if res.fault != nil {
		r.log.Warn("part of the folder cannot be read", zap.Error(res.fault))
	}
	for _, found := range res.files {
		r.reconcile(found, res.count, now)
	}
	for _, rel := range res.dirs {
		r.dirs[rel] = struct{}{}
	}
	if !res.full {
		return
	}
	r.fullAt = now.Add(r.scanInterval(res.took))
	if res.watch != r.watch && !r.polling {
		return
	}
	if res.fault == nil { // files that are gone need no remembering
		for rel, d := range r.done {
			if d.scan < res.count {
				delete(r.done, rel)
			}
		}
	}
	if res.watchErr == nil || r.polling {
		r.attachBack = 0
		r.f.setProblem(nil)
	}
}

func (r *folderRun) reconcile(found foundFile, count uint64, now time.Time) {
	d, ok := r.done[found.rel]
	if ok {
		d.scan = max(d.scan, count)
		r.done[found.rel] = d
	}
	if ok && d.stamp == found.stamp || r.cands[found.rel] != nil {
		return
	}
	r.cands[found.rel] = &candidate{rel: found.rel, stamp: found.stamp, fresh: true, listed: true, scan: count, due: now}
	r.wakeAt(now)
}

// scanInterval is the pause after a scan; a slow tree is polled less often.
func (r *folderRun) scanInterval(took time.Duration) time.Duration {
	switch {
	case r.polling:
		return max(orDefault(r.f.PollInterval, defaultPollInterval), 10*took)
	case r.network:
		return orDefault(r.f.RescanInterval, defaultNetworkRescan)
	}
	return orDefault(r.f.RescanInterval, defaultRescan)
}

// scanner walks the tree: it watches each folder before it lists it, so nothing falls in between.
type scanner struct {
	r        *folderRun // its constants only
	excluded []fs.FileInfo
	result   scanResult
}

func (s *scanner) walk(ctx context.Context, rel string) {
	if ctx.Err() != nil {
		s.result.fault = ctx.Err()
		return
	}
	dir := s.r.abs(rel)
	if s.skip(dir) {
		return
	}
	if s.result.watch != nil {
		if err := s.result.watch.Add(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.result.watchErr = fmt.Errorf("cannot watch folder %s (%w): raise fs.inotify.max_user_watches or set watch: poll", dir, err)
		}
	}
	s.result.dirs = append(s.result.dirs, rel)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.result.fault = fmt.Errorf("folder %s: %w", dir, err)
	}
	for _, entry := range entries {
		s.visit(ctx, path.Join(rel, entry.Name()), entry)
	}
}

func (s *scanner) visit(ctx context.Context, rel string, entry fs.DirEntry) {
	file := s.r.abs(rel)
	if ignoredName(entry.Name()) || s.r.excluded(file) {
		return
	}
	if entry.IsDir() {
		if s.r.f.Recursive {
			s.walk(ctx, rel)
		}
		return
	}
	info, err := entry.Info()
	if err == nil && info.Mode()&fs.ModeSymlink != 0 { // links to files count, links to folders do not
		info, err = os.Stat(file)
	}
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	found := foundFile{rel, stampOf(info)}
	if s.r.f.listed != nil {
		found.stamp.size = s.r.f.listed(info)
	}
	s.result.files = append(s.result.files, found)
}

// skip reports whether a folder holds aimsd's own output, under whatever name it is reached.
func (s *scanner) skip(dir string) bool {
	if _, err := os.Lstat(filepath.Join(dir, Marker)); err == nil {
		return true
	}
	if len(s.excluded) == 0 {
		return false
	}
	info, err := os.Stat(dir)
	return err == nil && slices.ContainsFunc(s.excluded, func(x fs.FileInfo) bool { return os.SameFile(x, info) })
}
