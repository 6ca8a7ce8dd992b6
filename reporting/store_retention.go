package reporting

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// removeChunk is how many frames' results go in one transaction: others write in between.
const removeChunk = 500

// KeptRun is a closed run whose results are still kept.
type KeptRun struct {
	ID       string
	ClosedAt time.Time
	Files    int64 // of its results, as KindTotals count them
	Bytes    int64
}

// KeptRuns returns the closed runs whose results are kept, the longest closed first, at most limit of them.
func (s *Store) KeptRuns(ctx context.Context, limit int) (runs []KeptRun, err error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT r.id, r.closed_at, count(i.n), coalesce(sum(i.bytes), 0)
		FROM (SELECT id, closed_at FROM runs WHERE closed_at <> 0 AND removed_at = 0 ORDER BY closed_at LIMIT ?) r
		LEFT JOIN frames f ON f.run_id = r.id LEFT JOIN files i ON i.frame = f.n AND i.kind = 'results'
		GROUP BY r.id ORDER BY r.closed_at, r.id`, limit)
	if err != nil {
		return nil, fmt.Errorf("read kept runs: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r KeptRun
		if err := rows.Scan(&r.ID, (*timeValue)(&r.ClosedAt), &r.Files, &r.Bytes); err != nil {
			return nil, fmt.Errorf("read kept runs: %w", err)
		}
		runs = append(runs, r)
	}
	return runs, rows.Err()
}

// RemoveRun gives up a closed run's results. What remains are the run, and its frames with their outcomes: the
// journal, by which a file that still lies in a watched folder is known. ErrNotFound: it is not closed, or its
// results were removed before.
func (s *Store) RemoveRun(ctx context.Context, id string) error {
	err := s.write(ctx, true, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE runs SET removed_at = ? WHERE id = ? AND closed_at <> 0 AND removed_at = 0`, unixNano(s.o.Now()), id)
		if err == nil && n == 0 {
			return ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("remove results of run %s: %w", id, err)
	}
	for after, more := int64(0), true; more; {
		if after, more, err = s.removeResults(ctx, id, after); err != nil {
			return fmt.Errorf("remove results of run %s: %w", id, err)
		}
	}
	return nil
}

// removeResults does so for the run's next frames behind the one numbered after.
func (s *Store) removeResults(ctx context.Context, id string, after int64) (last int64, more bool, err error) {
	err = s.write(ctx, false, func(ctx context.Context, t *tx) error {
		var n int64
		err := t.row(ctx, `SELECT count(*), coalesce(max(n), 0) FROM (SELECT n FROM frames WHERE run_id = ? AND n > ? ORDER BY n LIMIT ?)`,
			[]any{id, after, removeChunk}, &n, &last)
		if err != nil || n == 0 {
			return err
		}
		for _, query := range []string{
			`DELETE FROM results WHERE frame IN (SELECT n FROM frames WHERE run_id = ? AND n > ? AND n <= ?)`,
			`DELETE FROM files WHERE frame IN (SELECT n FROM frames WHERE run_id = ? AND n > ? AND n <= ?)`,
			`UPDATE frames SET summary = NULL, folder = '' WHERE run_id = ? AND n > ? AND n <= ?`,
		} {
			if _, err := t.exec(ctx, query, id, after, last); err != nil {
				return err
			}
		}
		more = n == removeChunk
		return nil
	})
	return last, more, err
}

// AlertHistory counts the changes of alerts that are kept, and their bytes.
func (s *Store) AlertHistory(ctx context.Context) (changes, bytes int64, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(length(payload)), 0) FROM alert_changes`).Scan(&changes, &bytes)
	if err != nil {
		return 0, 0, fmt.Errorf("count changes of alerts: %w", err)
	}
	return changes, bytes, nil
}

// endedAlerts limits changes to those up to a number whose alert is over.
const endedAlerts = `n <= ? AND alert_id NOT IN (SELECT id FROM alerts WHERE state <> 'cleared')`

// DueAlerts finds the changes of alerts that are over made before a time, and as many more of the oldest as it
// takes to be so many bytes fewer. upTo is for RemoveAlerts.
func (s *Store) DueAlerts(ctx context.Context, before time.Time, over int64) (upTo, changes, bytes int64, err error) {
	fail := func(err error) (int64, int64, int64, error) {
		return 0, 0, 0, fmt.Errorf("count changes of alerts: %w", err)
	}
	if !before.IsZero() {
		err := s.reader.QueryRowContext(ctx, `SELECT coalesce(max(n), 0) FROM alert_changes WHERE time < ?`, unixNano(before)).Scan(&upTo)
		if err != nil {
			return fail(err)
		}
	}
	if over > 0 {
		var size int64
		err := s.reader.QueryRowContext(ctx, `SELECT coalesce(min(n), 0) FROM
			(SELECT n, sum(length(payload)) OVER (ORDER BY n) AS total FROM alert_changes) WHERE total >= ?`, over).Scan(&size)
		if err != nil {
			return fail(err)
		}
		upTo = max(upTo, size)
	}
	err = s.reader.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(length(payload)), 0) FROM alert_changes WHERE `+endedAlerts, upTo).
		Scan(&changes, &bytes)
	if err != nil {
		return fail(err)
	}
	return upTo, changes, bytes, nil
}

// RemoveAlerts forgets the changes, up to the one of that number, of alerts that are over. The last state of every
// alert stays.
func (s *Store) RemoveAlerts(ctx context.Context, upTo int64) error {
	err := s.write(ctx, false, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, `UPDATE files_stats SET (removed_files, removed_bytes) = (SELECT removed_files + count(*),
			removed_bytes + coalesce(sum(length(payload)), 0) FROM alert_changes WHERE `+endedAlerts+`) WHERE kind = 'alerts'`, upTo); err != nil {
			return err
		}
		_, err := t.exec(ctx, `DELETE FROM alert_changes WHERE `+endedAlerts, upTo)
		return err
	})
	if err != nil {
		return fmt.Errorf("remove changes of alerts: %w", err)
	}
	return nil
}
