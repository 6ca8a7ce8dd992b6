package reporting

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// Causes of a frame's end that the store itself gives.
const (
	CauseBacklog = "backlog" // gated: it was there before the source was first started
	CauseOther   = "other"   // no cause was given
)

// causesV4 counts the frames that were not processed by the cause of it, in the transactions that end them.
const causesV4 = `
CREATE TABLE causes(
	source TEXT NOT NULL,
	state TEXT NOT NULL,
	cause TEXT NOT NULL,
	frames INTEGER NOT NULL,
	PRIMARY KEY(source, state, cause)
) STRICT, WITHOUT ROWID;
INSERT INTO causes SELECT source, state, CASE
	WHEN state = 'gated' THEN 'backlog' WHEN state = 'dropped' THEN 'superseded' WHEN reason LIKE 'vanished:%' THEN 'vanished'
	ELSE 'other' END AS c, count(*) FROM frames WHERE state IN ('gated','rejected','dropped') GROUP BY source, state, c;`

// countCause counts a frame that ends without being processed.
func (t *tx) countCause(ctx context.Context, source, state, cause string) error {
	if state == stateProcessed {
		return nil
	}
	if cause == "" {
		cause = CauseOther
	}
	_, err := t.exec(ctx, `INSERT INTO causes(source, state, cause, frames) VALUES(?, ?, ?, 1)
		ON CONFLICT DO UPDATE SET frames = frames + 1`, source, state, cause)
	return err
}

// Account is a source's frames by outcome, and by cause where they were not processed: the causes of an
// outcome add up to its count.
type Account struct {
	Counts
	Causes map[string]map[string]int64 // by state, then cause
}

// Accounts returns each source's account, all as of one moment.
func (s *Store) Accounts(ctx context.Context) (accounts map[string]Account, err error) {
	t, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("read counts: %w", err)
	}
	defer func() { _ = t.Rollback() }()
	rows, err := t.QueryContext(ctx, `SELECT name, received, processed, gated, rejected, dropped, in_flight FROM sources`)
	if err != nil {
		return nil, fmt.Errorf("read counts: %w", err)
	}
	accounts = map[string]Account{}
	for rows.Next() {
		var name string
		a := Account{Causes: map[string]map[string]int64{}}
		if err := rows.Scan(&name, &a.Received, &a.Processed, &a.Gated, &a.Rejected, &a.Dropped, &a.InFlight); err != nil {
			return nil, errors.Join(fmt.Errorf("read counts: %w", err), rows.Close())
		}
		accounts[name] = a
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("read counts: %w", err)
	}
	return accounts, readCauses(ctx, t, accounts)
}

func readCauses(ctx context.Context, t *sql.Tx, accounts map[string]Account) (err error) {
	rows, err := t.QueryContext(ctx, `SELECT source, state, cause, frames FROM causes`)
	if err != nil {
		return fmt.Errorf("read causes: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var source, state, cause string
		var n int64
		if err := rows.Scan(&source, &state, &cause, &n); err != nil {
			return fmt.Errorf("read causes: %w", err)
		}
		by := accounts[source].Causes
		if by == nil {
			continue
		}
		if by[state] == nil {
			by[state] = map[string]int64{}
		}
		by[state][cause] = n
	}
	return rows.Err()
}
