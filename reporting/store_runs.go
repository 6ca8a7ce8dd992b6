package reporting

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const runColumns = `id, source, opened_at, closed_at, last_frame, reason, provenance, removed_at`

func runFields(r *RunRecord) []any {
	return []any{&r.ID, &r.Source, (*timeValue)(&r.OpenedAt), (*timeValue)(&r.ClosedAt), (*timeValue)(&r.LastFrame), &r.Reason,
		&r.Provenance, (*timeValue)(&r.RemovedAt)}
}

// OpenRun records a run and, in the same transaction, the messages that tell of it. A run that is open
// already stays as it is, without messages; a closed one (frames pushed under its name after its idle time)
// is opened again and keeps its opening time.
func (s *Store) OpenRun(ctx context.Context, r RunRecord, msgs ...Message) error {
	if r.ID == "" {
		return errors.New("open run: no id")
	}
	if r.OpenedAt.IsZero() {
		r.OpenedAt = s.o.Now()
	}
	if r.LastFrame.IsZero() {
		r.LastFrame = r.OpenedAt
	}
	err := s.write(ctx, true, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO runs(id, source, opened_at, last_frame, provenance) VALUES(?, ?, ?, ?, ?)
			ON CONFLICT(id) DO UPDATE SET closed_at = 0, reason = '', removed_at = 0, provenance = excluded.provenance,
				last_frame = max(last_frame, excluded.last_frame) WHERE closed_at <> 0`,
			r.ID, r.Source, unixNano(r.OpenedAt), unixNano(r.LastFrame), r.Provenance)
		if err != nil || n == 0 {
			return err
		}
		return t.enqueue(ctx, msgs)
	})
	if err != nil {
		return fmt.Errorf("open run %s: %w", r.ID, err)
	}
	return nil
}

// DescribeRun replaces what is remembered of how a run's results were made.
func (s *Store) DescribeRun(ctx context.Context, id string, provenance []byte) error {
	err := s.write(ctx, false, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE runs SET provenance = ? WHERE id = ?`, provenance, id)
		if err == nil && n == 0 {
			return ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("describe run %s: %w", id, err)
	}
	return nil
}

// TouchRun notes when a run last had a frame. Admit does so too.
func (s *Store) TouchRun(ctx context.Context, id string, at time.Time) error {
	err := s.write(ctx, false, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE runs SET last_frame = max(last_frame, ?) WHERE id = ?`, unixNano(at), id)
		if err == nil && n == 0 {
			return ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("touch run %s: %w", id, err)
	}
	return nil
}

// CloseRun closes a run and queues the messages that tell of it, together. Reason is end, idle_timeout or
// stop. ErrRunClosed and ErrNotFound leave everything as it was.
func (s *Store) CloseRun(ctx context.Context, id string, at time.Time, reason string, msgs []Message) error {
	err := s.write(ctx, true, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE runs SET closed_at = ?, reason = ? WHERE id = ? AND closed_at = 0`, unixNano(at), reason, id)
		if err != nil {
			return err
		}
		if n == 0 {
			err := t.row(ctx, `SELECT count(*) FROM runs WHERE id = ?`, []any{id}, &n)
			switch {
			case err != nil:
				return err
			case n == 0:
				return ErrNotFound
			default:
				return ErrRunClosed
			}
		}
		return t.enqueue(ctx, msgs)
	})
	if err != nil {
		return fmt.Errorf("close run %s: %w", id, err)
	}
	return nil
}

// OpenRuns returns the runs that are not closed, oldest first.
func (s *Store) OpenRuns(ctx context.Context) ([]RunRecord, error) {
	return s.runs(ctx, `SELECT `+runColumns+` FROM runs WHERE closed_at = 0 ORDER BY n`)
}

// Runs returns the latest runs, newest first, at most limit of them.
func (s *Store) Runs(ctx context.Context, limit int) ([]RunRecord, error) {
	return s.runs(ctx, `SELECT `+runColumns+` FROM runs ORDER BY n DESC LIMIT ?`, limit)
}

// Run returns one run, or ErrNotFound.
func (s *Store) Run(ctx context.Context, id string) (RunRecord, error) {
	var r RunRecord
	err := s.reader.QueryRowContext(ctx, `SELECT `+runColumns+` FROM runs WHERE id = ?`, id).Scan(runFields(&r)...)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return RunRecord{}, fmt.Errorf("run %s: %w", id, err)
	}
	return r, nil
}

func (s *Store) runs(ctx context.Context, query string, args ...any) (rs []RunRecord, err error) {
	rows, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read runs: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r RunRecord
		if err := rows.Scan(runFields(&r)...); err != nil {
			return nil, fmt.Errorf("read runs: %w", err)
		}
		rs = append(rs, r)
	}
	return rs, rows.Err()
}

// RunTotals counts a run's frames by outcome, and their objects.
func (s *Store) RunTotals(ctx context.Context, id string) (RunTotals, error) {
	var r RunTotals
	err := s.reader.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(state = 'processed'), 0), coalesce(sum(state = 'gated'), 0),
		coalesce(sum(state = 'rejected'), 0), coalesce(sum(state = 'dropped'), 0), coalesce(sum(state = 'accepted'), 0),
		coalesce(sum(objects), 0) FROM frames WHERE run_id = ?`, id).
		Scan(&r.Frames.Received, &r.Frames.Processed, &r.Frames.Gated, &r.Frames.Rejected, &r.Frames.Dropped, &r.Frames.InFlight, &r.Objects)
	if err != nil {
		return RunTotals{}, fmt.Errorf("totals of run %s: %w", id, err)
	}
	return r, nil
}
