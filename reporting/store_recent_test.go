package reporting

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheLatestResultsOfASourceComeInTheOrderInWhichTheyWereDone(t *testing.T) {
	now := time.Unix(1700000000, 0)
	s := openStore(t, StoreOptions{Now: func() time.Time { return now }})
	var ids []string
	for i := range 12 {
		rec, _, err := s.Admit(t.Context(), FrameRecord{Source: []string{"a", "b"}[i%2], Key: fmt.Sprint(i), RunID: fmt.Sprint("run", i/8)})
		require.NoError(t, err)
		ids = append(ids, rec.ID)
	}
	order := rand.New(rand.NewPCG(1, 1)).Perm(len(ids))
	var ofA, run0 []string
	times := map[string]time.Time{}
	for _, i := range order {
		now = now.Add(time.Second)
		c := Completion{FrameID: ids[i], State: "processed", Result: sampleResult(), Sizes: Sizes{ECDPx: []float32{1}, WeightML: []float32{1}}}
		if i == 3 {
			c = Completion{FrameID: ids[i], State: "rejected"}
		} else if i < 8 {
			run0 = append(run0, ids[i])
		}
		require.NoError(t, s.Commit(t.Context(), c))
		times[ids[i]] = now
		if i%2 == 0 {
			ofA = append(ofA, ids[i])
		}
	}
	recent := func(before time.Time, n int) (out []string) {
		list, err := s.RecentResults(t.Context(), "a", before, n)
		require.NoError(t, err)
		for _, r := range list {
			require.Equal(t, 2, r.Result.Objects)
			require.Equal(t, times[r.Frame.ID].UTC(), r.Frame.DoneAt.UTC())
			require.Empty(t, r.Sizes.ECDPx)
			out = append(out, r.Frame.ID)
		}
		return out
	}
	require.Equal(t, ofA, recent(time.Time{}, 100))
	require.Equal(t, ofA[3:], recent(time.Time{}, 3))
	require.Equal(t, ofA[1:3], recent(times[ofA[3]], 2), "the time itself is not before it")
	require.Empty(t, recent(times[ofA[0]], 2))

	done := func(run, source string) (out []string) {
		for r, err := range s.DoneResults(t.Context(), run, source) {
			require.NoError(t, err)
			out = append(out, r.Frame.ID)
		}
		return out
	}
	require.Equal(t, run0, done("run0", ""))
	of0 := done("run0", "b")
	require.Len(t, of0, 3)
	require.Subset(t, run0, of0)
	require.Empty(t, done("nonsense", ""))
	n, err := s.CountResults(t.Context(), "run0", "b")
	require.NoError(t, err)
	require.Equal(t, 3, n)

	var plan string
	require.NoError(t, s.reader.QueryRowContext(t.Context(), `EXPLAIN QUERY PLAN SELECT f.n FROM frames f
		WHERE f.source = ? AND f.state = 'processed' AND f.done_at < ? ORDER BY f.done_at DESC, f.n DESC LIMIT ?`, "a", 1, 1).Scan(new(int), new(int), new(int), &plan))
	require.Contains(t, plan, "frames_recent")
}
