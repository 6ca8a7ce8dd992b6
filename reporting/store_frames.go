package reporting

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// States of a frame in the journal; stateAccepted is the only one that is not final.
const (
	stateAccepted  = "accepted"
	stateProcessed = "processed"
	stateGated     = "gated"
	stateRejected  = "rejected"
	stateDropped   = "dropped"
)

// frameColumns are a frame's columns in the order scanFrame reads them.
const frameColumns = `f.id, f.run_id, f.source, f.key, f.path, f.name, f.seq, f.sha256, f.size, f.state, f.reason,
	f.received_at, f.done_at, f.folder, f.objects, f.summary`

// maxSeq bounds the sender's numbers that the source's own numbering continues from.
const maxSeq = 1 << 62

// scanner reads a row into values; *sql.Row and *sql.Rows are scanners.
type scanner interface{ Scan(dest ...any) error }

func scanFrame(r scanner, extra ...any) (FrameRecord, error) {
	var f FrameRecord
	err := r.Scan(frameFields(&f, extra...)...)
	return f, err
}

func frameFields(f *FrameRecord, extra ...any) []any {
	return append([]any{
		&f.ID, &f.RunID, &f.Source, &f.Key, &f.Path, &f.Name, (*seqValue)(&f.Seq), &f.SHA256, &f.Size, &f.State,
		&f.Reason, (*timeValue)(&f.ReceivedAt), (*timeValue)(&f.DoneAt), &f.Folder, &f.Objects, &f.Summary,
	}, extra...)
}

// Admit records a received frame as accepted, durably, or returns what the journal already has for the same
// (Source, Key); then existed is true and the record's State says whether it is to be processed again.
// A Seq of 0 takes the source's next number; an ID or ReceivedAt not given is set. The frame's run, when it
// is known to the store, is touched.
func (s *Store) Admit(ctx context.Context, rec FrameRecord) (_ FrameRecord, existed bool, err error) {
	if rec.Source == "" || rec.Key == "" {
		return FrameRecord{}, false, errors.New("admit: a frame needs a source and a key")
	}
	err = s.write(ctx, true, func(ctx context.Context, t *tx) error {
		var old FrameRecord
		switch err := t.row(ctx, `SELECT `+frameColumns+` FROM frames f WHERE source = ? AND key = ?`,
			[]any{rec.Source, rec.Key}, frameFields(&old)...); {
		case err == nil:
			rec, existed = old, true
			return nil
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		rec.State, rec.DoneAt, rec.Folder, rec.Objects, rec.Summary = stateAccepted, time.Time{}, "", 0, nil
		if err := t.insertFrame(ctx, &rec); err != nil {
			return err
		}
		_, err := t.exec(ctx, `UPDATE runs SET last_frame = max(last_frame, ?) WHERE id = ?`, unixNano(rec.ReceivedAt), rec.RunID)
		return err
	})
	if err != nil {
		return FrameRecord{}, false, fmt.Errorf("admit %s of source %s: %w", rec.Key, rec.Source, err)
	}
	return rec, existed, nil
}

// Skip records frames that are deliberately not analysed as gated, in one transaction; those that the
// journal has already stay as they are. The Reason is a word, their cause too; "" is CauseBacklog.
func (s *Store) Skip(ctx context.Context, recs []FrameRecord) error {
	if len(recs) == 0 {
		return nil
	}
	err := s.write(ctx, true, func(ctx context.Context, t *tx) error {
		for _, rec := range recs {
			if rec.Source == "" || rec.Key == "" {
				return errors.New("a frame needs a source and a key")
			}
			var n int64
			err := t.row(ctx, `SELECT n FROM frames WHERE source = ? AND key = ?`, []any{rec.Source, rec.Key}, &n)
			if err == nil {
				continue
			} else if !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			rec.State, rec.Folder, rec.Objects, rec.Summary = stateGated, "", 0, nil
			if rec.Reason == "" {
				rec.Reason = CauseBacklog
			}
			rec.DoneAt = s.o.Now()
			if err := t.insertFrame(ctx, &rec); err != nil {
				return err
			}
			if err := t.countCause(ctx, rec.Source, rec.State, rec.Reason); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("skip %d frames: %w", len(recs), err)
	}
	return nil
}

// insertFrame adds a row and counts it. Only an accepted frame takes a number.
func (t *tx) insertFrame(ctx context.Context, rec *FrameRecord) error {
	if rec.ReceivedAt.IsZero() {
		rec.ReceivedAt = t.s.o.Now()
	}
	rec.ReceivedAt = rec.ReceivedAt.UTC().Round(0) // as it will be read back
	if rec.ID == "" {
		rec.ID = newID(rec.ReceivedAt)
	}
	if _, err := t.exec(ctx, `INSERT INTO sources(name) VALUES(?) ON CONFLICT DO NOTHING`, rec.Source); err != nil {
		return err
	}
	column := "gated"
	if rec.State == stateAccepted {
		column = "in_flight"
		if rec.Seq == 0 {
			if err := t.row(ctx, `SELECT next_seq FROM sources WHERE name = ?`, []any{rec.Source}, (*seqValue)(&rec.Seq)); err != nil {
				return err
			}
		}
		if rec.Seq < maxSeq {
			if _, err := t.exec(ctx, `UPDATE sources SET next_seq = max(next_seq, ?) WHERE name = ?`, int64(rec.Seq)+1, rec.Source); err != nil {
				return err
			}
		}
	}
	if _, err := t.exec(ctx, `UPDATE sources SET received = received + 1, `+column+` = `+column+` + 1 WHERE name = ?`, rec.Source); err != nil {
		return err
	}
	_, err := t.exec(ctx, `INSERT INTO frames(id, run_id, source, key, path, name, seq, sha256, size, state, reason, received_at, done_at)
		VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		rec.ID, rec.RunID, rec.Source, rec.Key, rec.Path, rec.Name, int64(rec.Seq), rec.SHA256, rec.Size, rec.State, rec.Reason,
		unixNano(rec.ReceivedAt), unixNano(rec.DoneAt))
	return err
}

// FirstSight reports whether the source was never seen before, and remembers it. After damage nobody can tell, and
// it reports false: rather analyse a file twice than none that waited.
func (s *Store) FirstSight(ctx context.Context, source string) (bool, error) {
	var n int64
	err := s.write(ctx, true, func(ctx context.Context, t *tx) (err error) {
		n, err = t.exec(ctx, `INSERT INTO sources(name) VALUES(?) ON CONFLICT DO NOTHING`, source)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look up source %s: %w", source, err)
	}
	return n == 1 && s.aside == "", nil
}

// Commit ends a frame: its final state, its result with the objects' sizes, the messages that tell of it and
// the alert states it changed, all or nothing. ErrAlreadyFinal and ErrNotFound leave everything as it was.
// Values that are not finite become null.
func (s *Store) Commit(ctx context.Context, c Completion) error {
	switch c.State {
	case stateProcessed, stateGated, stateRejected, stateDropped:
	default:
		return fmt.Errorf("commit frame %s: state %q is not final", c.FrameID, c.State)
	}
	if (c.State == stateProcessed) != (c.Result != nil) {
		return fmt.Errorf("commit frame %s: a processed frame has a result, another has none", c.FrameID)
	}
	var result, sizes []byte
	var objects int
	if c.Result != nil {
		var err error
		if result, err = json.Marshal(c.Result.Finite()); err != nil {
			return fmt.Errorf("commit frame %s: encode result: %w", c.FrameID, err)
		}
		if sizes, err = c.Sizes.encode(); err != nil {
			return fmt.Errorf("commit frame %s: %w", c.FrameID, err)
		}
		objects = c.Result.Objects
	}
	err := s.write(ctx, true, func(ctx context.Context, t *tx) error {
		var n int64
		var source, state string
		err := t.row(ctx, `SELECT n, source, state FROM frames WHERE id = ?`, []any{c.FrameID}, &n, &source, &state)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrNotFound
		case err != nil:
			return err
		case state != stateAccepted:
			return ErrAlreadyFinal
		}
		if _, err := t.exec(ctx, `UPDATE frames SET state = ?, reason = ?, sha256 = CASE WHEN ? = '' THEN sha256 ELSE ? END,
			done_at = ?, folder = ?, objects = ?, summary = ? WHERE n = ?`,
			c.State, c.Reason, c.SHA256, c.SHA256, unixNano(s.o.Now()), c.Folder, objects, c.Summary, n); err != nil {
			return err
		}
		// c.State is one of four constants: it names the column.
		if _, err := t.exec(ctx, `UPDATE sources SET in_flight = in_flight - 1, `+c.State+` = `+c.State+` + 1 WHERE name = ?`, source); err != nil {
			return err
		}
		if err := t.countCause(ctx, source, c.State, c.Cause); err != nil {
			return err
		}
		if result != nil {
			if _, err := t.exec(ctx, `INSERT INTO results(frame, result, sizes) VALUES(?, ?, ?)`, n, result, sizes); err != nil {
				return err
			}
		}
		if err := t.listFiles(ctx, n, c.Files, s.o.Now()); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `DELETE FROM attempts WHERE frame = ?`, n); err != nil {
			return err
		}
		for _, a := range c.Alerts {
			if err := t.putAlert(ctx, a); err != nil {
				return err
			}
		}
		return t.enqueue(ctx, c.Messages)
	})
	if err != nil {
		return fmt.Errorf("commit frame %s: %w", c.FrameID, err)
	}
	return nil
}

// Frame returns one frame by its id, or ErrNotFound.
func (s *Store) Frame(ctx context.Context, id string) (FrameRecord, error) {
	f, err := scanFrame(s.reader.QueryRowContext(ctx, `SELECT `+frameColumns+` FROM frames f WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return FrameRecord{}, fmt.Errorf("frame %s: %w", id, err)
	}
	return f, nil
}

// Frames returns a run's frames, of any state, by number.
func (s *Store) Frames(ctx context.Context, runID string) ([]FrameRecord, error) {
	return s.frames(ctx, `SELECT `+frameColumns+` FROM frames f WHERE run_id = ? ORDER BY seq, n`, runID)
}

// Pending returns a source's frames that were accepted and are not final, oldest first: what a restart
// takes up again. The source "" means all.
func (s *Store) Pending(ctx context.Context, source string) ([]FrameRecord, error) {
	if source == "" {
		return s.frames(ctx, `SELECT `+frameColumns+` FROM frames f WHERE state = 'accepted' ORDER BY n`)
	}
	return s.frames(ctx, `SELECT `+frameColumns+` FROM frames f WHERE state = 'accepted' AND source = ? ORDER BY n`, source)
}

func (s *Store) frames(ctx context.Context, query string, args ...any) (fs []FrameRecord, err error) {
	rows, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read frames: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		f, err := scanFrame(rows)
		if err != nil {
			return nil, fmt.Errorf("read frames: %w", err)
		}
		fs = append(fs, f)
	}
	return fs, rows.Err()
}

// Counts returns each source's counts; their identity holds at every moment.
func (s *Store) Counts(ctx context.Context) (counts map[string]Counts, err error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT name, received, processed, gated, rejected, dropped, in_flight FROM sources`)
	if err != nil {
		return nil, fmt.Errorf("read counts: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	counts = map[string]Counts{}
	for rows.Next() {
		var name string
		var c Counts
		if err := rows.Scan(&name, &c.Received, &c.Processed, &c.Gated, &c.Rejected, &c.Dropped, &c.InFlight); err != nil {
			return nil, fmt.Errorf("read counts: %w", err)
		}
		counts[name] = c
	}
	return counts, rows.Err()
}
