package reporting

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openStore(tb testing.TB, o StoreOptions) *Store {
	tb.Helper()
	if o.Dir == "" {
		o.Dir = tb.TempDir()
	}
	s, err := OpenStore(tb.Context(), o)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, s.Close()) })
	return s
}

func admit(tb testing.TB, s *Store, source, key string) FrameRecord {
	tb.Helper()
	rec, existed, err := s.Admit(tb.Context(), FrameRecord{Source: source, Key: key, RunID: "run", Path: "/in/" + key, Name: key})
	require.NoError(tb, err)
	require.False(tb, existed)
	return rec
}

func sampleResult() *Result {
	return &Result{
		Image: Image{Path: "/in/a.tif", Width: 1024, Height: 1024, Analysed: Analysed{X1: 1024, Y1: 960, AreaPx: 1024 * 960}},
		Scale: Scale{NmPerPx: new(2.5), Source: "metadata"}, Mode: "particles", Objects: 2,
		Statistics: map[string]metrics.Stat{"ecd_px": {N: 2, Min: new(3.0), SD: new(math.NaN())}},
		EdgePolicy: "exclude_touching+miles_lantuejoul", AreaFraction: new(0.25), Confidence: new(math.Inf(1)),
		TimingsMs: Timings{Decode: 1, Total: 20}, ConfigHash: "c0ffee", Version: "1.0.0", Time: time.Unix(1700000000, 0).UTC(),
	}
}

func frameMessage(s *Store, id string) Message {
	return Message{FrameID: id, Topic: "aims/v1/lab/fib/frame", Payload: []byte(`{"frame_id":"` + id + `"}`), QoS: 1}
}

func TestAdmitRecordsAFrameOnce(t *testing.T) {
	s := openStore(t, StoreOptions{})
	first := admit(t, s, "acq", "a.tif")
	require.Equal(t, uint64(1), first.Seq)
	require.Len(t, first.ID, 26)
	require.Equal(t, "accepted", first.State)

	again, existed, err := s.Admit(t.Context(), FrameRecord{Source: "acq", Key: "a.tif", RunID: "another", Seq: 77})
	require.NoError(t, err)
	require.True(t, existed)
	require.Equal(t, first.ID, again.ID)
	require.Equal(t, "run", again.RunID)

	require.Equal(t, uint64(2), admit(t, s, "acq", "b.tif").Seq)
	require.Equal(t, uint64(1), admit(t, s, "grpc", "a.tif").Seq, "every source numbers its own frames")
	own, _, err := s.Admit(t.Context(), FrameRecord{Source: "grpc", Key: "x", Seq: 40})
	require.NoError(t, err)
	require.Equal(t, uint64(40), own.Seq)
	require.Equal(t, uint64(41), admit(t, s, "grpc", "y").Seq)
	huge, _, err := s.Admit(t.Context(), FrameRecord{Source: "grpc", Key: "z", Seq: math.MaxUint64})
	require.NoError(t, err)
	read, err := s.Frame(t.Context(), huge.ID)
	require.NoError(t, err)
	require.Equal(t, uint64(math.MaxUint64), read.Seq)

	_, _, err = s.Admit(t.Context(), FrameRecord{Source: "acq"})
	require.ErrorContains(t, err, "key")
}

func TestSkipAndFirstSight(t *testing.T) {
	s := openStore(t, StoreOptions{})
	fresh, err := s.FirstSight(t.Context(), "acq")
	require.NoError(t, err)
	require.True(t, fresh)
	fresh, err = s.FirstSight(t.Context(), "acq")
	require.NoError(t, err)
	require.False(t, fresh)

	known := admit(t, s, "acq", "1")
	require.NoError(t, s.Skip(t.Context(), []FrameRecord{{Source: "acq", Key: "1"}, {Source: "acq", Key: "2"}, {Source: "acq", Key: "2"}, {Source: "acq", Key: "3"}}))
	counts, err := s.Counts(t.Context())
	require.NoError(t, err)
	require.Equal(t, Counts{Received: 3, Gated: 2, InFlight: 1}, counts["acq"])
	skipped, existed, err := s.Admit(t.Context(), FrameRecord{Source: "acq", Key: "2"})
	require.NoError(t, err)
	require.True(t, existed)
	require.Equal(t, "gated", skipped.State)
	require.Equal(t, "backlog", skipped.Reason)
	pending, err := s.Pending(t.Context(), "acq")
	require.NoError(t, err)
	require.Len(t, pending, 1)
	require.Equal(t, known.ID, pending[0].ID)
}

func TestCommitIsAllOrNothing(t *testing.T) {
	s := openStore(t, StoreOptions{})
	f := admit(t, s, "acq", "a.tif")
	c := Completion{
		FrameID: f.ID, State: "processed", SHA256: "ab", Folder: "a.tif", Summary: []byte(`{"objects":2}`), Result: sampleResult(),
		Sizes:    Sizes{ECDPx: []float32{3, 5}, WeightML: []float32{1, 0}},
		Messages: []Message{frameMessage(s, f.ID), {Topic: ""}},
		Alerts:   []AlertState{{Code: "X", Key: "acq", State: "raised", ID: "1", Seq: 1, Severity: "warning", Payload: []byte("{}")}},
	}
	require.Error(t, s.Commit(t.Context(), c), "a message without topic")
	pending, err := s.Pending(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, pending, 1)
	alerts, err := s.ActiveAlerts(t.Context())
	require.NoError(t, err)
	require.Empty(t, alerts)
	n, bytes, _, err := s.OutboxStats(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)
	require.Zero(t, bytes)

	c.Messages = c.Messages[:1]
	require.NoError(t, s.Commit(t.Context(), c))
	<-s.Notify()
	require.ErrorIs(t, s.Commit(t.Context(), c), ErrAlreadyFinal)
	require.ErrorIs(t, s.Commit(t.Context(), Completion{FrameID: "none", State: "dropped"}), ErrNotFound)
	require.ErrorContains(t, s.Commit(t.Context(), Completion{FrameID: f.ID, State: "accepted"}), "not final")
	require.ErrorContains(t, s.Commit(t.Context(), Completion{FrameID: f.ID, State: "processed"}), "result")

	msgs, err := s.NextMessages(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Len(t, msgs, 1)
	require.Equal(t, f.ID, msgs[0].FrameID)
	alerts, err = s.ActiveAlerts(t.Context())
	require.NoError(t, err)
	require.Len(t, alerts, 1)

	var seen int
	for r, err := range s.Results(t.Context(), "run") {
		require.NoError(t, err)
		seen++
		require.Equal(t, "processed", r.Frame.State)
		require.Equal(t, "a.tif", r.Frame.Folder)
		require.Equal(t, 2, r.Frame.Objects)
		require.JSONEq(t, `{"objects":2}`, string(r.Frame.Summary))
		require.Equal(t, c.Sizes, r.Sizes)
		require.Nil(t, r.Result.Statistics["ecd_px"].SD, "NaN is null")
		require.Nil(t, r.Result.Confidence)
		require.Equal(t, 2.5, *r.Result.Scale.NmPerPx)
	}
	require.Equal(t, 1, seen)
	require.Error(t, s.Commit(t.Context(), Completion{FrameID: admit(t, s, "acq", "b").ID, State: "processed", Result: sampleResult(), Sizes: Sizes{ECDPx: []float32{1}}}))
}

func TestResultsComeInOrderAndStopEarly(t *testing.T) {
	s := openStore(t, StoreOptions{})
	for _, seq := range []uint64{3, 1, 2} {
		f, _, err := s.Admit(t.Context(), FrameRecord{Source: "grpc", Key: fmt.Sprint(seq), RunID: "r", Seq: seq})
		require.NoError(t, err)
		require.NoError(t, s.Commit(t.Context(), Completion{FrameID: f.ID, State: "processed", Result: sampleResult()}))
	}
	var order []uint64
	for r, err := range s.Results(t.Context(), "r") {
		require.NoError(t, err)
		if order = append(order, r.Frame.Seq); len(order) == 2 {
			break
		}
		// Other reads and writes go on meanwhile.
		_, err := s.Frames(t.Context(), "r")
		require.NoError(t, err)
		require.NoError(t, s.Enqueue(t.Context(), Message{Topic: "aims/v1/a/b/event"}))
	}
	require.Equal(t, []uint64{1, 2}, order)
}

func TestRunsOpenCloseAndReopen(t *testing.T) {
	s := openStore(t, StoreOptions{})
	opened := time.Unix(1000, 0).UTC()
	require.NoError(t, s.OpenRun(t.Context(), RunRecord{ID: "r1", Source: "acq", OpenedAt: opened}, Message{Topic: "aims/v1/a/b/run", QoS: 1}))
	require.NoError(t, s.OpenRun(t.Context(), RunRecord{ID: "r1", Source: "acq"}, Message{Topic: "aims/v1/a/b/run", QoS: 1}))
	n, _, _, err := s.OutboxStats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, n, "an open run is not announced twice")
	require.NoError(t, s.TouchRun(t.Context(), "r1", opened.Add(time.Minute)))
	require.ErrorIs(t, s.TouchRun(t.Context(), "none", opened), ErrNotFound)
	_, _, err = s.Admit(t.Context(), FrameRecord{Source: "acq", Key: "a", RunID: "r1", ReceivedAt: opened.Add(time.Hour)})
	require.NoError(t, err)
	r, err := s.Run(t.Context(), "r1")
	require.NoError(t, err)
	require.Equal(t, opened, r.OpenedAt)
	require.Equal(t, opened.Add(time.Hour), r.LastFrame)
	require.True(t, r.ClosedAt.IsZero())

	require.NoError(t, s.CloseRun(t.Context(), "r1", opened.Add(2*time.Hour), "idle_timeout", []Message{{Topic: "aims/v1/a/b/run", QoS: 1}}))
	require.ErrorIs(t, s.CloseRun(t.Context(), "r1", opened, "stop", nil), ErrRunClosed)
	require.ErrorIs(t, s.CloseRun(t.Context(), "none", opened, "stop", nil), ErrNotFound)
	open, err := s.OpenRuns(t.Context())
	require.NoError(t, err)
	require.Empty(t, open)
	require.NoError(t, s.OpenRun(t.Context(), RunRecord{ID: "r1", Source: "acq"}))
	require.NoError(t, s.OpenRun(t.Context(), RunRecord{ID: "r2", Source: "acq"}))
	open, err = s.OpenRuns(t.Context())
	require.NoError(t, err)
	require.Len(t, open, 2)
	require.Equal(t, opened, open[0].OpenedAt)
	latest, err := s.Runs(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, "r2", latest[0].ID)
	_, err = s.Run(t.Context(), "r3")
	require.ErrorIs(t, err, ErrNotFound)
	totals, err := s.RunTotals(t.Context(), "r1")
	require.NoError(t, err)
	require.Equal(t, Counts{Received: 1, InFlight: 1}, totals.Frames)
}

// The identity received = processed + gated + rejected + dropped + in_flight, under concurrent writers, at
// every look, and equal to a count of the rows.
func TestCountsAddUpUnderRandomWriters(t *testing.T) {
	s := openStore(t, StoreOptions{})
	sources := []string{"a", "b", "c"}
	outcomes := []string{"processed", "gated", "rejected", "dropped"}
	check := func() {
		counts, err := s.Counts(t.Context())
		require.NoError(t, err)
		for _, c := range counts {
			require.Equal(t, c.Received, c.Processed+c.Gated+c.Rejected+c.Dropped+c.InFlight)
		}
	}
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(w)))
			for range 60 {
				source, key := sources[r.IntN(3)], fmt.Sprint(r.IntN(80))
				switch r.IntN(5) {
				case 0:
					_ = s.Skip(t.Context(), []FrameRecord{{Source: source, Key: key}, {Source: source, Key: key + "x"}})
				case 1:
					_, _ = s.FirstSight(t.Context(), source)
				default:
					f, _, err := s.Admit(t.Context(), FrameRecord{Source: source, Key: key})
					if err != nil || r.IntN(4) == 0 {
						continue
					}
					c := Completion{FrameID: f.ID, State: outcomes[r.IntN(4)], Messages: []Message{frameMessage(s, f.ID)}}
					if c.State == "processed" {
						c.Result = &Result{}
					}
					if r.IntN(8) == 0 {
						c.Messages = []Message{{Topic: ""}} // fails and leaves nothing
					}
					_ = s.Commit(t.Context(), c)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for looking := true; looking; {
		select {
		case <-done:
			looking = false
		default:
			check()
		}
	}
	kept, err := s.Counts(t.Context())
	require.NoError(t, err)
	rows, err := s.reader.QueryContext(t.Context(), `SELECT source, state, count(*) FROM frames GROUP BY 1, 2`)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	counted := map[string]Counts{}
	for rows.Next() {
		var source, state string
		var n int64
		require.NoError(t, rows.Scan(&source, &state, &n))
		c := counted[source]
		c.Received += n
		*map[string]*int64{"accepted": &c.InFlight, "processed": &c.Processed, "gated": &c.Gated, "rejected": &c.Rejected, "dropped": &c.Dropped}[state] += n
		counted[source] = c
	}
	require.Equal(t, counted, kept)
}

// A power cut: the file and its log are copied while a writer works, and the copy is opened.
func TestACopyTakenInTheMiddleOpensConsistent(t *testing.T) {
	s := openStore(t, StoreOptions{})
	var acknowledged []string
	for i := range 20 {
		f := admit(t, s, "acq", fmt.Sprint(i))
		acknowledged = append(acknowledged, f.ID)
		if i%2 == 0 {
			require.NoError(t, s.Commit(t.Context(), Completion{FrameID: f.ID, State: "processed", Result: sampleResult(), Messages: []Message{frameMessage(s, f.ID)}}))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if f, _, err := s.Admit(ctx, FrameRecord{Source: "more", Key: fmt.Sprint(i)}); err == nil {
				_ = s.Commit(ctx, Completion{FrameID: f.ID, State: "processed", Result: sampleResult(), Messages: []Message{frameMessage(s, f.ID)}})
			}
		}
	})
	copied := t.TempDir()
	for _, name := range []string{StoreFile, StoreFile + "-wal"} {
		b, err := os.ReadFile(filepath.Join(s.Dir(), name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(copied, name), b, 0o600))
	}
	cancel()
	writer.Wait()

	c := openStore(t, StoreOptions{Dir: copied})
	require.Empty(t, c.MovedAside())
	for _, id := range acknowledged {
		_, err := c.Frame(t.Context(), id)
		require.NoError(t, err, "what was acknowledged is there")
	}
	pending, err := c.Pending(t.Context(), "acq")
	require.NoError(t, err)
	require.Len(t, pending, 10, "what was not committed is taken up again")
	// A frame is processed exactly when its result and its message are there.
	var frames, results, messages int64
	require.NoError(t, c.reader.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM frames WHERE state='processed'),
		(SELECT count(*) FROM results), (SELECT count(*) FROM outbox)`).Scan(&frames, &results, &messages))
	require.Equal(t, frames, results)
	require.Equal(t, frames, messages)
}

func TestAClosedStoreRefusesAndAReopenedOneRemembers(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, StoreOptions{Dir: dir})
	f := admit(t, s, "acq", "a")
	instance, err := s.InstanceID(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.Error(t, s.Commit(t.Context(), Completion{FrameID: f.ID, State: "dropped"}))
	_, err = s.Frame(t.Context(), f.ID)
	require.Error(t, err)

	again := openStore(t, StoreOptions{Dir: dir})
	same, err := again.InstanceID(t.Context())
	require.NoError(t, err)
	require.Equal(t, instance, same)
	pending, err := again.Pending(t.Context(), "acq")
	require.NoError(t, err)
	require.Len(t, pending, 1)
}

func TestAWriteBeginsOnlyWhileItsContextLives(t *testing.T) {
	s := openStore(t, StoreOptions{Log: zap.NewNop()})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := s.Admit(ctx, FrameRecord{Source: "a", Key: "b"})
	require.ErrorIs(t, err, context.Canceled)
}

func BenchmarkCommit(b *testing.B) {
	sizes := Sizes{ECDPx: make([]float32, 500), WeightML: make([]float32, 500)}
	result := sampleResult()
	for i := range 25 {
		result.Statistics[fmt.Sprintf("column_%d", i)] = metrics.Stat{N: 500, Min: new(1.5), Max: new(2.5), Mean: new(2.0), SD: new(0.1), P10: new(1.6), P50: new(2.0), P90: new(2.4)}
	}
	s := openStore(b, StoreOptions{})
	n := 0
	b.Run("admit", func(b *testing.B) {
		for b.Loop() {
			n++
			_, _, err := s.Admit(b.Context(), FrameRecord{Source: "acq", Key: fmt.Sprint(n), RunID: "run"})
			require.NoError(b, err)
		}
	})
	b.Run("commit", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			n++
			f := admit(b, s, "acq", fmt.Sprint(n))
			b.StartTimer()
			require.NoError(b, s.Commit(b.Context(), Completion{FrameID: f.ID, State: "processed", Summary: make([]byte, 6000), Result: result, Sizes: sizes,
				Messages: []Message{{FrameID: f.ID, Topic: "aims/v1/lab/fib/frame", Payload: make([]byte, 6000), QoS: 1}}}))
		}
	})
	b.Run("ack", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, s.AckMessage(b.Context(), 1))
		}
	})
}
