package reporting

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Kinds of what is kept on the disk and removed again, in the order in which they are the easiest to do without.
const (
	KindOverlays = "overlays" // overlay.png
	KindLabels   = "labels"   // labels.tif
	KindEvidence = "evidence" // pictures around an alert
	KindResults  = "results"  // particles.csv and result.json, the results in the store, and the run's report
	KindAlerts   = "alerts"   // the past of alerts that are over
)

// Kinds lists them in that order.
func Kinds() []string {
	return []string{KindOverlays, KindLabels, KindEvidence, KindResults, KindAlerts}
}

// StoredFile is what a frame's folder holds of one kind.
type StoredFile struct {
	Kind  string
	Bytes int64
}

// kindFiles names a kind's files in a frame's folder.
func kindFiles(kind string) []string {
	switch kind {
	case KindOverlays:
		return []string{OverlayFile}
	case KindLabels:
		return []string{LabelsFile}
	case KindResults:
		return []string{ParticlesFile, ResultFile}
	}
	return nil
}

// FolderFiles looks what a frame's folder holds, by kind. What is missing is left out.
func FolderFiles(folder string) (files []StoredFile, err error) {
	for _, kind := range []string{KindOverlays, KindLabels, KindResults} {
		f := StoredFile{Kind: kind}
		found := false
		for _, name := range kindFiles(kind) {
			info, err := os.Stat(filepath.Join(folder, name))
			if errors.Is(err, os.ErrNotExist) {
				continue
			} else if err != nil {
				return nil, fmt.Errorf("look at %s: %w", folder, err)
			}
			f.Bytes += info.Size()
			found = true
		}
		if found {
			files = append(files, f)
		}
	}
	return files, nil
}

// RemoveFiles deletes one kind's files from a frame's folder; those that are gone already are no error.
func RemoveFiles(folder, kind string) error {
	for _, name := range kindFiles(kind) {
		if err := os.Remove(filepath.Join(folder, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// KeptFile is a kind's part of a frame's folder, as the store lists it.
type KeptFile struct {
	N      int64 // names it to ForgetFiles; with Time, its place in the order of age
	RunID  string
	Folder string // in the run's folder
	Bytes  int64
	Time   time.Time // when its frame was done
}

// KindTotals are what is kept of a kind, and what was removed of it since the store began. Files counts a
// frame's files of a kind as one.
type KindTotals struct {
	Files, Bytes               int64
	RemovedFiles, RemovedBytes int64
}

// listFiles adds a frame's files to the list.
func (t *tx) listFiles(ctx context.Context, frame int64, files []StoredFile, at time.Time) error {
	for _, f := range files {
		if _, err := t.exec(ctx, `INSERT INTO files(frame, kind, bytes, time) VALUES(?, ?, ?, ?)`,
			frame, f.Kind, f.Bytes, unixNano(at)); err != nil {
			return err
		}
	}
	return nil
}

// FileTotals returns the totals of every kind. Those of evidence and alerts count only what was removed.
func (s *Store) FileTotals(ctx context.Context) (totals map[string]KindTotals, err error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT kind, files, bytes, removed_files, removed_bytes FROM files_stats`)
	if err != nil {
		return nil, fmt.Errorf("read file totals: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	totals = map[string]KindTotals{}
	for rows.Next() {
		var kind string
		var k KindTotals
		if err := rows.Scan(&kind, &k.Files, &k.Bytes, &k.RemovedFiles, &k.RemovedBytes); err != nil {
			return nil, fmt.Errorf("read file totals: %w", err)
		}
		totals[kind] = k
	}
	return totals, rows.Err()
}

// OlderFiles returns what is kept of overlays or labels, oldest first, of frames done before a time (zero: all)
// and behind the last one of an earlier call (nil: from the oldest), at most limit of them.
func (s *Store) OlderFiles(ctx context.Context, kind string, before time.Time, last *KeptFile, limit int) (files []KeptFile, err error) {
	end, from, fromN := int64(1<<63-1), int64(-1<<63), int64(-1<<63)
	if !before.IsZero() {
		end = unixNano(before)
	}
	if last != nil {
		from, fromN = unixNano(last.Time), last.N
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT i.n, f.run_id, f.folder, i.bytes, i.time FROM files i JOIN frames f ON f.n = i.frame
		WHERE i.kind = ? AND i.time < ? AND (i.time, i.n) > (?, ?) ORDER BY i.time, i.n LIMIT ?`, kind, end, from, fromN, limit)
	if err != nil {
		return nil, fmt.Errorf("read files: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var f KeptFile
		if err := rows.Scan(&f.N, &f.RunID, &f.Folder, &f.Bytes, (*timeValue)(&f.Time)); err != nil {
			return nil, fmt.Errorf("read files: %w", err)
		}
		files = append(files, f)
	}
	return files, rows.Err()
}

// ForgetFiles takes files that were deleted off the list and counts them as removed.
func (s *Store) ForgetFiles(ctx context.Context, files []KeptFile) error {
	err := s.write(ctx, false, func(ctx context.Context, t *tx) error {
		for _, f := range files {
			if _, err := t.exec(ctx, `DELETE FROM files WHERE n = ?`, f.N); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("forget %d files: %w", len(files), err)
	}
	return nil
}

// CountRemoved counts what was removed of a kind that the store does not list (evidence).
func (s *Store) CountRemoved(ctx context.Context, kind string, files, bytes int64) error {
	err := s.write(ctx, false, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE files_stats SET removed_files = removed_files + ?, removed_bytes = removed_bytes + ? WHERE kind = ?`,
			files, bytes, kind)
		return err
	})
	if err != nil {
		return fmt.Errorf("count removed %s: %w", kind, err)
	}
	return nil
}

// ListEarlier adds the files of frames that were done before the store listed any, at most limit frames at a
// time; folder says where a frame's folder lies. It returns false when none is left.
func (s *Store) ListEarlier(ctx context.Context, folder func(runID, name string) string, limit int) (more bool, err error) {
	err = s.write(ctx, false, func(ctx context.Context, t *tx) error {
		var upTo int64
		if err := t.row(ctx, `SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'files_listed_from'`, nil, &upTo); err != nil || upTo == 0 {
			return err
		}
		type earlier struct {
			n           int64
			run, folder string
			done        time.Time
		}
		var batch []earlier
		rows, err := t.s.conn.QueryContext(ctx, `SELECT n, run_id, folder, done_at FROM frames WHERE n <= ? ORDER BY n DESC LIMIT ?`, upTo, limit)
		if err != nil {
			return err
		}
		for rows.Next() {
			var e earlier
			if err := rows.Scan(&e.n, &e.run, &e.folder, (*timeValue)(&e.done)); err != nil {
				return errors.Join(err, rows.Close())
			}
			batch = append(batch, e)
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		next := int64(0)
		for _, e := range batch {
			next = e.n - 1
			if e.folder == "" {
				continue
			}
			files, err := FolderFiles(folder(e.run, e.folder))
			if err != nil {
				return err
			}
			if err := t.listFiles(ctx, e.n, files, e.done); err != nil {
				return err
			}
		}
		more = next > 0
		_, err = t.exec(ctx, `UPDATE meta SET value = CAST(? AS TEXT) WHERE name = 'files_listed_from'`, next)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("list earlier files: %w", err)
	}
	return more, nil
}
