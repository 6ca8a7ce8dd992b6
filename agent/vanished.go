package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// endVanished rejects the frames that a stop or crash left accepted and whose file was overwritten or
// removed since: their source will not bring them again, so nothing else would ever end them. It runs
// before the sources do. Streamed frames are left alone: their client sends them again.
func (d *Daemon) endVanished(ctx context.Context) error {
	for _, s := range d.Config.folders() {
		if err := d.endVanishedOf(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// endVanishedOf is endVanished for one source.
func (d *Daemon) endVanishedOf(ctx context.Context, s SourceConfig) error {
	pending, err := d.store.Pending(ctx, s.Name)
	if err != nil {
		return err
	}
	for _, rec := range pending {
		why := vanished(rec, s.Path)
		if why == "" {
			continue
		}
		if err := d.runs.begin(ctx, rec.RunID, rec.Source); err != nil {
			return err
		}
		d.pipeline.commit(ctx, stream.Arrival{
			Receipt:   stream.Receipt{Source: rec.Source, Key: rec.Key, Path: rec.Path, Name: rec.Name, Size: rec.Size},
			Admission: stream.Admission{FrameID: rec.ID, RunID: rec.RunID, Seq: rec.Seq, State: stream.StateAccepted},
			Settle:    func(stream.Outcome) {},
		}, reporting.Completion{FrameID: rec.ID, State: string(stream.StateRejected), Reason: why, Cause: causeVanished})
	}
	return nil
}

// vanished says why a pending frame can never be read again; "" where it may, and where the source's folder
// is another one now.
func vanished(rec reporting.FrameRecord, root string) string {
	root, err := filepath.Abs(root)
	if err != nil {
		return ""
	}
	if rel, err := filepath.Rel(root, rec.Path); err != nil || !filepath.IsLocal(rel) {
		return ""
	}
	info, err := os.Stat(rec.Path)
	switch {
	case err == nil && !stream.SameFile(rec.Key, info):
		return fmt.Sprintf("vanished: %s was overwritten before it could be analysed; its new content is a frame of its own", rec.Path)
	case errors.Is(err, fs.ErrNotExist) && removed(rec.Path, root, rec.ReceivedAt):
		return fmt.Sprintf("vanished: %s was removed before it could be analysed; copy it there again to have it analysed", rec.Path)
	}
	return ""
}

// removed tells a file that was deleted since it was received from one on a share that is not mounted now:
// the nearest folder that still exists holds something, or its list of entries changed after that time. An
// empty folder that was not touched since is the mount point of a missing share.
func removed(path, root string, received time.Time) bool {
	if _, err := os.Stat(root); err != nil {
		return false
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir) {
			continue
		}
		if err != nil || len(entries) > 0 {
			return err == nil
		}
		info, err := os.Stat(dir)
		return err == nil && info.ModTime().After(received)
	}
}
