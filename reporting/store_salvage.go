package reporting

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"

	"go.uber.org/zap"
	"modernc.org/sqlite"
)

// salvageChunk is how many rows are saved in one transaction.
const salvageChunk = 1000

// salvageTable is a table with an integer key of which rows are saved, by the columns of the first version.
type salvageTable struct{ name, key, columns string }

// salvageTables are those that cannot be made again, in the order of their references.
func salvageTables() []salvageTable {
	return []salvageTable{
		{"runs", "n", "n, id, source, opened_at, closed_at, last_frame, reason"},
		{"frames", "n", `n, id, run_id, source, key, path, name, seq, sha256, size, state, reason, received_at, done_at, folder, objects, summary`},
		{"results", "frame", "frame, result, sizes"},
		{"outbox", "id", "id, frame_id, key, topic, payload, qos, retained, time, class, bytes"},
	}
}

// salvage copies what can still be read of the database that was moved aside into the new one: which frames there
// were, so that none is analysed twice, those that wait, their results, and the messages that were not sent.
// What lies on damaged pages is left out. The old file is only read.
func (s *Store) salvage(ctx context.Context) error {
	c, err := sqlite.NewConnector(dsn(s.aside, "query_only(1)") + "&mode=ro")
	if err != nil {
		return err
	}
	src := sql.OpenDB(c)
	defer src.Close()
	src.SetMaxOpenConns(1)
	saved := map[string]int64{}
	whole := true
	for _, t := range salvageTables() {
		n, all, err := s.salvageRows(ctx, src, t)
		if err != nil {
			return err
		}
		saved[t.name], whole = n, whole && all
	}
	if err := s.salvageRest(ctx, src); err != nil {
		return err
	}
	s.log.Warn("what could be read of the damaged store was taken over", zap.Int64("frames", saved["frames"]),
		zap.Int64("results", saved["results"]), zap.Int64("messages", saved["outbox"]), zap.Bool("nothing_missed", whole))
	return nil
}

// salvageRows copies a table from its first row on until a damaged page, and then from its last row back.
func (s *Store) salvageRows(ctx context.Context, src *sql.DB, t salvageTable) (saved int64, whole bool, err error) {
	first, last := int64(math.MinInt64), int64(math.MaxInt64)
	for _, direction := range []string{"ASC", "DESC"} {
		query := fmt.Sprintf("SELECT %s FROM %s WHERE %s > ? AND %s < ? ORDER BY %s %s LIMIT %d",
			t.columns, t.name, t.key, t.key, t.key, direction, salvageChunk)
		for {
			n, key, broken, err := s.salvageSome(ctx, src, t, query, first, last)
			if err != nil {
				return saved, false, err
			}
			saved += n
			if n > 0 && direction == "ASC" {
				first = key
			} else if n > 0 {
				last = key
			}
			if broken && n == 0 {
				break
			}
			if !broken && n == 0 {
				return saved, direction == "ASC", nil
			}
		}
	}
	return saved, false, nil
}

// salvageSome copies the rows that a query finds until it comes upon damage. n counts the rows read, and key is that of
// the last.
func (s *Store) salvageSome(ctx context.Context, src *sql.DB, t salvageTable, query string, first, last int64) (n, key int64, broken bool, err error) {
	rows, err := src.QueryContext(ctx, query, first, last)
	if err != nil {
		return 0, 0, true, ctx.Err()
	}
	columns := strings.Count(t.columns, ",") + 1
	insert := fmt.Sprintf("INSERT OR IGNORE INTO %s(%s) VALUES(%s)", t.name, t.columns, strings.TrimSuffix(strings.Repeat("?,", columns), ","))
	err = s.within(ctx, func() error {
		values, places := make([]any, columns), make([]any, columns)
		for i := range values {
			places[i] = &values[i]
		}
		for rows.Next() {
			if err := rows.Scan(places...); err != nil {
				return nil // as damaged as a page
			}
			k, ok := values[0].(int64)
			if !ok {
				return nil
			}
			if _, err := s.conn.ExecContext(ctx, insert, values...); err != nil && DiskFault(err) {
				return err
			} // a row that does not fit was damaged
			n, key = n+1, k
		}
		return nil
	})
	broken = rows.Err() != nil
	return n, key, broken, errors.Join(err, ctx.Err(), ignoreDamage(rows.Close()))
}

func ignoreDamage(err error) error {
	if damaged(err) {
		return nil
	}
	return err
}

// within runs fn in a transaction of the writer, which nobody else uses yet.
func (s *Store) within(ctx context.Context, fn func() error) error {
	if _, err := s.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := fn(); err != nil {
		s.rollback(ctx)
		return err
	}
	_, err := s.conn.ExecContext(ctx, "COMMIT")
	return err
}

// salvageRest makes what follows from the frames, and copies the small tables as far as they can be read.
func (s *Store) salvageRest(ctx context.Context, src *sql.DB) error {
	return s.within(ctx, func() error {
		for _, query := range []string{
			fmt.Sprintf(`INSERT INTO sources(name, next_seq, received, processed, gated, rejected, dropped, in_flight)
				SELECT source, coalesce(max(CASE WHEN seq BETWEEN 0 AND %d THEN seq END), 0) + 1, count(*), sum(state = 'processed'),
					sum(state = 'gated'), sum(state = 'rejected'), sum(state = 'dropped'), sum(state = 'accepted') FROM frames GROUP BY source`, int64(maxSeq-1)),
			`INSERT INTO causes SELECT source, state, 'other', count(*) FROM frames WHERE state IN ('gated','rejected','dropped') GROUP BY source, state`,
			`UPDATE meta SET value = (SELECT coalesce(max(n), 0) FROM frames) WHERE name = 'files_listed_from'`,
		} {
			if _, err := s.conn.ExecContext(ctx, query); err != nil {
				return err
			}
		}
		for query, insert := range map[string]string{
			`SELECT name, next_seq FROM sources`: `INSERT INTO sources(name, next_seq) VALUES(?, ?)
				ON CONFLICT DO UPDATE SET next_seq = max(next_seq, excluded.next_seq)`,
			`SELECT code, key, state, id, seq, severity, raised_at, payload, acked_by, acked_at FROM alerts`: `INSERT OR IGNORE INTO
				alerts(code, key, state, id, seq, severity, raised_at, payload, acked_by, acked_at) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			`SELECT id, provenance FROM runs WHERE provenance IS NOT NULL`: `UPDATE runs SET provenance = ?2 WHERE id = ?1`,
			`SELECT id, removed_at FROM runs WHERE removed_at <> 0`:        `UPDATE runs SET removed_at = ?2 WHERE id = ?1`,
		} {
			if err := s.salvageAll(ctx, src, query, insert); err != nil {
				return err
			}
		}
		return nil
	})
}

// salvageAll copies what a query finds; a file of an older version may not have all of it.
func (s *Store) salvageAll(ctx context.Context, src *sql.DB, query, insert string) error {
	rows, err := src.QueryContext(ctx, query)
	if err != nil {
		return ctx.Err()
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return ctx.Err()
	}
	values, places := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		places[i] = &values[i]
	}
	for rows.Next() && rows.Scan(places...) == nil {
		if _, err := s.conn.ExecContext(ctx, insert, values...); err != nil && DiskFault(err) {
			return err
		}
	}
	return ctx.Err()
}
