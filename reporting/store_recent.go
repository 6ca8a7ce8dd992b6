package reporting

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"
)

// recentV5 finds the newest results of a source without a look at all others.
const recentV5 = `CREATE INDEX frames_recent ON frames(source, done_at) WHERE state = 'processed';`

// withoutSizes are the columns of a result whose per-object sizes are not wanted.
const withoutSizes = frameColumns + `, r.result, NULL`

// RecentResults returns the newest n results of a source that were done before a time, the zero one for all, in the
// order in which they were done. They are without Sizes.
func (s *Store) RecentResults(ctx context.Context, source string, before time.Time, n int) ([]FrameResult, error) {
	end := int64(1<<63 - 1)
	if !before.IsZero() {
		end = before.UnixNano()
	}
	var list []FrameResult
	for r, err := range s.results(ctx, "read the latest results of source "+source, `SELECT `+withoutSizes+`
		FROM frames f JOIN results r ON r.frame = f.n
		WHERE f.source = ? AND f.state = 'processed' AND f.done_at < ? ORDER BY f.done_at DESC, f.n DESC LIMIT ?`, source, end, n) {
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	slices.Reverse(list)
	return list, nil
}

// DoneResults streams a run's results in the order in which they were done, of one source, or of all for "". They
// are without Sizes. After an error the sequence ends.
func (s *Store) DoneResults(ctx context.Context, runID, source string) iter.Seq2[FrameResult, error] {
	return s.results(ctx, "read results of run "+runID, `SELECT `+withoutSizes+`
		FROM frames f JOIN results r ON r.frame = f.n
		WHERE f.run_id = ? AND (? = '' OR f.source = ?) ORDER BY f.done_at, f.n`, runID, source, source)
}

// CountResults is how many results a run has of a source.
func (s *Store) CountResults(ctx context.Context, runID, source string) (n int, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT count(*) FROM frames f JOIN results r ON r.frame = f.n
		WHERE f.run_id = ? AND f.source = ?`, runID, source).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count results of run %s: %w", runID, err)
	}
	return n, nil
}
