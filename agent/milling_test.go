package agent

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/metrics/milling"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/simulate"
)

// fib is a source where something is milled, with a store but without network and pipeline.
type fib struct {
	t      *testing.T
	scene  *simulate.Milling
	store  *reporting.Store
	m      *millings
	config Config
	told   []reporting.FeedbackMessage
	now    time.Time
}

func newFib(t *testing.T, policy string) *fib {
	t.Helper()
	f := &fib{t: t, now: time.Now(), scene: &simulate.Milling{ // so large that the surface around the pattern tells every frame's drift
		Width: 320, Height: 320, Seed: 3, NoPanel: true, NoFaults: true, NoDrift: true, Electrons: simulate.Range{Min: 300, Max: 300},
		Pattern: simulate.Rect{Left: 0.3, Top: 0.3, Width: 0.4, Height: 0.4}, ScanDirection: simulate.TopToBottom, RatePx: simulate.Range{Min: 4, Max: 4},
	}}
	var err error
	f.store, err = reporting.OpenStore(t.Context(), reporting.StoreOptions{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.store.Close()) })
	f.config = DefaultConfig()
	s := defaultSource()
	s.Name, s.Type, s.Policy = "fib", sourceGRPC, policy
	entry := defaultMilling()
	entry.Source, entry.ROI = "fib", milling.Rectangle{Left: 0.3, Top: 0.3, Width: 0.4, Height: 0.4}
	f.config.Sources, f.config.Milling = []SourceConfig{s}, []MillingConfig{entry}
	f.restart()
	return f
}

// restart forgets all that is in memory.
func (f *fib) restart() {
	topics, err := reporting.NewTopics("s", "i")
	require.NoError(f.t, err)
	dir := f.store.Dir()
	f.m = &millings{
		Store: f.store, Builder: reporting.Builder{Topics: topics}, Feedback: &reporting.FeedbackService{}, RunDir: func(run string) string { return dir + "/runs/" + run },
		Offer: func(m *reporting.FeedbackMessage, _ time.Time) { f.told = append(f.told, *m) },
		Log:   zap.NewNop(), Now: func() time.Time { return f.now }, runs: map[string]*millingRun{}, last: map[string]uint64{},
	}
	f.m.configure(f.t.Context(), &f.config)
}

// arrive admits frame seq of a run.
func (f *fib) arrive(run string, seq uint64) stream.Arrival {
	f.t.Helper()
	f.now = f.now.Add(time.Second)
	rec, _, err := f.store.Admit(f.t.Context(), reporting.FrameRecord{RunID: run, Source: "fib", Key: run + string(rune('a'+seq)), Name: "f.tif", Seq: seq})
	require.NoError(f.t, err)
	return stream.Arrival{
		Receipt:   stream.Receipt{Source: "fib", Name: "f.tif", ModTime: f.now},
		Admission: stream.Admission{FrameID: rec.ID, RunID: run, Seq: rec.Seq},
	}
}

// frame takes frame seq, which shows the scene's frame index, through observation, decision and commit.
func (f *fib) frame(run string, seq uint64, index int, commits bool) *reporting.Result {
	f.t.Helper()
	a := f.arrive(run, seq)
	fr, err := f.scene.Frame(f.t.Context(), index)
	require.NoError(f.t, err)
	frame := &stream.Frame{Width: fr.Width, Height: fr.Height, Gray8: fr.Gray8, ReceivedAt: f.now}
	nm := fr.Truth.NmPerPx
	res := &reporting.Result{
		Image: reporting.Image{Width: fr.Width, Height: fr.Height, Analysed: reporting.Analysed{X1: fr.Width, Y1: fr.Height}},
		Scale: reporting.Scale{NmPerPx: &nm, Source: "metadata"}, Mode: ModeParticles, Time: f.now,
	}
	f.m.observe(f.t.Context(), a, frame, res)
	rec := reporting.FrameRecord{ID: a.FrameID, RunID: run, Source: "fib", Seq: a.Admission.Seq, State: "processed"}
	f.m.preview(rec, res)
	next, messages, err := f.m.decide(rec, res, nil)
	require.NoError(f.t, err)
	require.Len(f.t, messages, 1)
	if commits {
		require.NoError(f.t, f.store.Commit(f.t.Context(), reporting.Completion{FrameID: a.FrameID, State: "processed", Result: res, Messages: messages}))
		f.m.publish(next)
	}
	return res
}

func TestMillingGoesOnAfterARestartAndWhatWasNotCommittedNeverHappened(t *testing.T) {
	f := newFib(t, "block")
	for i := 1; i <= 8; i++ {
		f.frame("r", uint64(i), i, true)
	}
	require.Len(t, f.told, 8)
	before := f.told[7]
	require.Equal(t, milling.Continue, before.Advice, before.Text)
	require.True(t, before.Endpoint.WarmupComplete)

	lost := f.frame("r", 9, 9, false)
	require.Len(t, f.told, 8, "nothing is told of it")
	again := f.frame("r", 10, 9, true)
	require.InDelta(t, *lost.Milling.Decision.Endpoint.RollingMean, *again.Milling.Decision.Endpoint.RollingMean, 0.01, "its value is not remembered")

	f.restart()
	res := f.frame("r", 11, 10, true)
	require.False(t, res.Milling.Observation.Reference)
	require.Empty(t, res.Milling.Observation.Fault)
	require.True(t, res.Milling.Decision.Endpoint.WarmupComplete)
	require.NotNil(t, res.Milling.Decision.Geometry.RateMPerS)

	// Another threshold holds from the next frame on, over what was seen before; another region waits for the next run.
	f.config.Milling[0].Endpoint.Threshold = 0.2
	f.m.configure(t.Context(), &f.config)
	f.frame("r", 12, 11, true)
	res = f.frame("r", 13, 12, true)
	require.True(t, res.Milling.Decision.Endpoint.Detected, f.told[len(f.told)-1].Text)
	f.config.Milling[0].ROI.Left = 0.25
	f.m.configure(t.Context(), &f.config)
	require.InDelta(t, 0.3, f.frame("r", 14, 13, true).Milling.ROI.Left, 0)
	f.m.closed("r", "fib")
	res = f.frame("r2", 15, 1, true)
	require.InDelta(t, 0.25, res.Milling.ROI.Left, 0)
	require.True(t, res.Milling.Observation.Reference)

	// Without the kept reference a run cannot go on, and says so.
	f.restart()
	f.m.RunDir = func(string) string { return t.TempDir() }
	res = f.frame("r2", 16, 2, true)
	require.Equal(t, []string{milling.ReasonLost}, res.Milling.Decision.Reasons)
}

// A frame that came late was abstained from; after a restart it must not count either.
func TestMillingGoesOnAfterARestartInTheOrderInWhichFramesCame(t *testing.T) {
	f := newFib(t, "block")
	for i, seq := range []uint64{1, 2, 3, 4, 5, 7, 6} {
		f.frame("r", seq, i+1, true)
	}
	require.Equal(t, []string{milling.ReasonOrder}, f.told[len(f.told)-1].Reasons)

	a := f.arrive("r", 8)
	next := milling.Observation{FrameID: a.FrameID, Seq: 8, FrameTime: f.now.UTC(), DecisionTime: f.now.UTC(), Fault: milling.ReasonNoResult}
	was := f.m.runs["fib"].tracker.Clone().Decide(next)
	f.restart()
	run, err := f.m.of(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, was, run.tracker.Decide(next))
	require.False(t, run.lost)
}

func TestMissingFramesAreCountedWhereAllAreWanted(t *testing.T) {
	f := newFib(t, "block")
	f.frame("r", 1, 1, true)
	f.frame("r", 2, 2, true)
	res := f.frame("r", 5, 3, true)
	require.EqualValues(t, 2, res.Milling.Observation.Missing)
	require.Equal(t, []string{milling.ReasonGap}, res.Milling.Decision.Reasons)
	require.Zero(t, f.frame("r", 6, 4, true).Milling.Observation.Missing)

	// A frame that could not be analysed is told of, and is no gap.
	a := f.arrive("r", 7)
	rec := reporting.FrameRecord{ID: a.FrameID, RunID: "r", Source: "fib", Seq: 7, State: "rejected"}
	next, messages, err := f.m.unseen(t.Context(), a, rec)
	require.NoError(t, err)
	require.Len(t, messages, 1)
	f.m.publish(next)
	require.Equal(t, milling.Abstain, f.told[len(f.told)-1].Advice)
	require.Equal(t, []string{milling.ReasonNoResult}, f.told[len(f.told)-1].Reasons)
	require.Zero(t, f.frame("r", 8, 5, true).Milling.Observation.Missing)
	rec.State = "dropped"
	next, messages, err = f.m.unseen(t.Context(), a, rec)
	require.NoError(t, err)
	require.Nil(t, next)
	require.Empty(t, messages)

	latest := newFib(t, "latest")
	latest.frame("r", 1, 1, true)
	require.Zero(t, latest.frame("r", 5, 2, true).Milling.Observation.Missing, "the daemon itself leaves frames out")

	var none *millings
	none.observe(t.Context(), a, nil, nil)
	none.preview(rec, nil)
	none.publish(nil)
	none.closed("r", "fib")
}
