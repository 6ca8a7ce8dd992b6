package stream

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"go.uber.org/zap"
)

// firstSight deals with files that were there before the source was ever started: with backlog skip they
// are recorded as gated. It lists before anything is watched, so a file that comes or changes from here on
// is not backlog.
func (r *folderRun) firstSight(ctx context.Context) error {
	var backlog []foundFile
	if r.backlogSkip {
		s := &scanner{r: r}
		s.walk(ctx, ".")
		if s.result.fault != nil {
			return s.result.fault
		}
		backlog = s.result.files
	}
	first, err := r.f.Journal.FirstSight(ctx, r.f.SourceName)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	r.firstSeen = r.firstSeen || first // stays true when recording fails and is tried again
	if r.firstSeen && len(backlog) > 0 {
		if err := r.skipAll(ctx, backlog); err != nil {
			return err
		}
	}
	r.seenBacklog = true
	return nil
}

func (r *folderRun) skipAll(ctx context.Context, backlog []foundFile) error {
	batch := make([]Receipt, 0, 256)
	flush := func() error {
		if err := r.f.Journal.Skip(ctx, batch); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		r.f.counts.skipped.Add(uint64(len(batch)))
		batch = batch[:0]
		return nil
	}
	for _, found := range backlog {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.f.beatNow(time.Now())
		path := r.abs(found.rel)
		if found.stamp.size == 0 || !r.f.IsImage(path) {
			continue
		}
		s, key, err := identify(path, found.rel)
		if err != nil {
			continue // it changes right now: it is new
		}
		pages := r.pages(path)
		for page := range pages {
			batch = append(batch, r.receipt(found.rel, key, s, page+1, pages))
			if len(batch) == cap(batch) {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		r.done[found.rel] = doneFile{s, r.scanCount, sumOf(key)}
	}
	if err := flush(); err != nil {
		return err
	}
	r.log.Info("files already in the folder are skipped", zap.String("folder", r.root),
		zap.Uint64("files", r.f.counts.skipped.Load()))
	return nil
}

// receipt describes a page of a file; key is the file's.
func (r *folderRun) receipt(rel, key string, s stamp, page, pages int) Receipt {
	rc := Receipt{
		Source:  r.f.SourceName,
		Key:     pageKey(key, rel, page, pages),
		Path:    r.abs(rel),
		Name:    PageName(filepath.Base(rel), page, pages),
		Size:    s.size,
		ModTime: s.modTime(),
	}
	if pages > 1 {
		rc.Page = page
	}
	return rc
}

// pages counts the frames in a file; one that cannot be counted fails as one when it is decoded.
func (r *folderRun) pages(path string) int {
	if r.f.Frames == nil {
		return 1
	}
	n, err := r.f.Frames(path)
	if err != nil {
		return 1
	}
	return max(1, n)
}
