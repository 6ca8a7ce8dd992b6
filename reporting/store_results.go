package reporting

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
)

// Results streams a run's processed frames by number, one in memory at a time. After an error the sequence
// ends.
func (s *Store) Results(ctx context.Context, runID string) iter.Seq2[FrameResult, error] {
	return s.results(ctx, "read results of run "+runID, `SELECT `+frameColumns+`, r.result, r.sizes
		FROM frames f JOIN results r ON r.frame = f.n WHERE f.run_id = ? ORDER BY f.seq, f.n`, runID)
}

// results streams the frames of a query, one in memory at a time; what is what an error says was done.
func (s *Store) results(ctx context.Context, what, query string, args ...any) iter.Seq2[FrameResult, error] {
	return func(yield func(FrameResult, error) bool) {
		rows, err := s.reader.QueryContext(ctx, query, args...)
		if err != nil {
			yield(FrameResult{}, fmt.Errorf("%s: %w", what, err))
			return
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var result, sizes []byte
			var r FrameResult
			r.Frame, err = scanFrame(rows, &result, &sizes)
			if err == nil {
				err = json.Unmarshal(result, &r.Result)
			}
			if err == nil && sizes != nil { // else not asked for
				r.Sizes, err = decodeSizes(sizes)
			}
			if err != nil {
				yield(FrameResult{}, fmt.Errorf("%s: %w", what, err))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(FrameResult{}, fmt.Errorf("%s: %w", what, err))
		}
	}
}
