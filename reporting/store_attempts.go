package reporting

import (
	"context"
	"errors"
	"fmt"
)

// Attempts are the times that work on a frame began and the process ended before it was done: in a crash (the
// program left a crash report) or killed from outside (it left none: a signal, the system's lack of memory, a
// power cut).
type Attempts struct {
	Crashes int
	Kills   int
}

// Begin notes that work on an accepted frame begins; Commit ends it. The note survives the end of the
// process, but not always a power cut.
func (s *Store) Begin(ctx context.Context, frameID string) error {
	err := s.write(ctx, false, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO attempts(frame, working) SELECT n, 1 FROM frames WHERE id = ? AND state = 'accepted'
			ON CONFLICT(frame) DO UPDATE SET working = 1`, frameID)
		if err == nil && n == 0 {
			return ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("begin frame %s: %w", frameID, err)
	}
	return nil
}

// Suspects counts one more attempt for every frame that was begun and not ended when the last process ended,
// in a crash or killed, and returns all frames with such attempts by id. Call it once, before the first Begin.
func (s *Store) Suspects(ctx context.Context, crashed bool) (suspects map[string]Attempts, err error) {
	column := "kills"
	if crashed {
		column = "crashes"
	}
	suspects = map[string]Attempts{}
	err = s.write(ctx, true, func(ctx context.Context, t *tx) (err error) {
		if _, err := t.exec(ctx, `UPDATE attempts SET working = 0, `+column+` = `+column+` + 1 WHERE working = 1`); err != nil {
			return err
		}
		rows, err := t.s.conn.QueryContext(ctx, `SELECT f.id, a.crashes, a.kills FROM attempts a JOIN frames f ON f.n = a.frame`)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			var id string
			var a Attempts
			if err := rows.Scan(&id, &a.Crashes, &a.Kills); err != nil {
				return err
			}
			suspects[id] = a
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("count attempts: %w", err)
	}
	return suspects, nil
}

// EndAttempts forgets which frames are being worked on: a stop is no fault of theirs.
func (s *Store) EndAttempts(ctx context.Context) error {
	err := s.write(ctx, false, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM attempts WHERE working = 1 AND crashes + kills = 0`)
		if err == nil {
			_, err = t.exec(ctx, `UPDATE attempts SET working = 0`)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("end attempts: %w", err)
	}
	return nil
}
