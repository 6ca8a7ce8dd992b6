package rules

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics"
)

func TestFunctionsOfThePast(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		expr   string
		values []float64
		want   float64 // NaN: no verdict
	}{
		{`mean("ecd_nm.p50", 3)`, []float64{100, 1, 2, 6}, 3},
		{`mean("ecd_nm.p50", 3)`, []float64{100, 1, nan, 6}, 3.5},
		{`mean("ecd_nm.p50", 3)`, []float64{100, nan, nan, 6}, nan},
		{`mean("ecd_nm.p50", 3)`, []float64{1, 2, 3, nan}, nan},
		{`mean("ecd_nm.p50", 4)`, []float64{1, 3}, 2},
		{`mean("ecd_nm.p50", 5)`, []float64{1, 3}, nan},
		{`median("ecd_nm.p50", 3)`, []float64{7, 1, 100, 2}, 2},
		{`median("ecd_nm.p50", 4)`, []float64{7, 1, 100, 2}, 4.5},
		{`sd("ecd_nm.p50", 4)`, []float64{1, 2, 3, 4}, math.Sqrt(5.0 / 3)},
		{`min_of("ecd_nm.p50", 3)`, []float64{1, 5, 4, 6}, 4},
		{`max_of("ecd_nm.p50", 3)`, []float64{9, 5, 4, 6}, 6},
		{`slope("ecd_nm.p50", 5)`, []float64{1, 3, 5, 7, 9}, 2},
		{`slope("ecd_nm.p50", 5)`, []float64{1, 3, 900, 7, 9}, 2},
		{`slope("ecd_nm.p50", 5)`, []float64{1, nan, 5, nan, 9}, 2},
		{`slope("ecd_nm.p50", 5)`, []float64{1, nan, nan, nan, 9}, nan},
		{`slope_per_s("ecd_nm.p50", 4)`, []float64{1, 3, nan, 7}, 2}, // a frame a second
		{`previous("ecd_nm.p50", 2)`, []float64{1, 2, 3}, 1},
		{`previous("ecd_nm.p50", 1)`, []float64{1, 2, nan}, 2},
		{`previous("ecd_nm.p50", 1)`, []float64{1, nan, 3}, nan},
		{`previous("ecd_nm.p50", 3)`, []float64{1, 2, 3}, nan},
		{`baseline("ecd_nm.p50", 3)`, []float64{nan, 4, 2, nan, 9, 100}, 4},
		{`baseline("ecd_nm.p50", 3)`, []float64{4, 2}, nan},
		{`baseline("ecd_nm.p50", 3)`, []float64{4, 2, 3, nan}, 3},
		{`drift_of("ecd_nm.p50", 2)`, []float64{10, 20, 18}, 0.2},
		{`drift_of("ecd_nm.p50", 2)`, []float64{0, 0, 18}, nan},
		{`outlier("ecd_nm.p50", 5)`, []float64{1, 2, 3, 4, 5, 3 + 1.4826*4}, 4},
		{`outlier("ecd_nm.p50", 5)`, []float64{1, 2, 3, 4, 5, 3 - 1.4826*4}, 4},
		{`outlier("ecd_nm.p50", 5)`, []float64{3, 3, 3, 3, 3, 3}, 0},
		{`outlier("ecd_nm.p50", 5)`, []float64{3, 3, 3, 3, 3, 4}, nan},
		{`outlier("ecd_nm.p50", 5)`, []float64{1, 2, 3}, nan},
		{`frames_in_run()`, []float64{1, nan, 3}, 3},
		{`mean("ecd_nm.p50", 3) - previous("ecd_nm.p50", 1)`, []float64{1, 2, 6}, 1},
	} {
		f := newFrames(t, numeric(c.expr))
		got := f.value(c.values...)
		if math.IsNaN(c.want) {
			require.NotEmpty(t, f.last.Missing, "%s of %v", c.expr, c.values)
			continue
		}
		require.Empty(t, f.last.Missing, "%s of %v", c.expr, c.values)
		require.InDelta(t, c.want, got, 1e-12, "%s of %v", c.expr, c.values)
	}
}

func TestFlagsAreCounted(t *testing.T) {
	f := newFrames(t, numeric(`count("blurred", 4)`))
	var got []float64
	for i := range 10 {
		in := f.input(50)
		if i%3 == 0 {
			in.ImageQuality = []string{"blank", "blurred"}
		}
		f.feed(in)
		got = append(got, f.last.Value)
	}
	require.Equal(t, []float64{1, 1, 1, 2, 1, 1, 2, 1, 1, 2}, got)
}

func TestARunHasItsOwnBeginning(t *testing.T) {
	f := newFrames(t, numeric(`baseline("ecd_nm.p50", 2) * 1000 + frames_in_run()`))
	require.InDelta(t, 2003, f.value(1, 3, 9), 0)
	f.run = "next"
	require.True(t, math.IsNaN(f.value(50)))
	f.run = "run"
	require.InDelta(t, 2004, f.value(10), 0, "runs can take turns")
	f.run = "next"
	require.InDelta(t, 60002, f.value(70), 0)
	for i := range maxRuns {
		f.run = fmt.Sprint(i)
		f.value(1)
	}
	f.run = "run"
	require.True(t, math.IsNaN(f.value(50)), "not many")
	f = newFrames(t, numeric(`mean("ecd_nm.p50", 4)`))
	require.InDelta(t, 2, f.value(1, 3), 0)
	f.run = "next"
	require.InDelta(t, 4, f.value(8), 0, "windows reach over runs")
}

func TestSourcesHaveTheirOwnPast(t *testing.T) {
	f := newFrames(t, numeric(`mean("ecd_nm.p50", 2)`))
	for i := range 10 {
		in := f.input(float64(i))
		in.Source = fmt.Sprint("s", i%2)
		f.feed(in)
	}
	require.InDelta(t, 8, f.last.Value, 0)
	for i := range 1000 { // a source a frame
		in := f.input(1)
		in.Source = fmt.Sprint("t", i)
		f.feed(in)
	}
	require.LessOrEqual(t, len(f.set.histories), maxSources)
	require.Contains(t, f.set.histories, "t999")
	require.NotContains(t, f.set.histories, "s1")
}

// mixed is a rule that uses every kind of past.
func mixed() Rule {
	return numeric(`mean("ecd_nm.p50", 3) + 10 * baseline("ecd_nm.p50", 2) + 100 * frames_in_run() + 1000 * previous("objects", 4) + count("blurred", 5)`)
}

func random(f *frames, r *rand.Rand) Input {
	in := f.input(math.Round(100 * r.Float64()))
	if r.IntN(8) == 0 {
		in = f.input(math.NaN())
	}
	in.Summary.Objects = r.IntN(50)
	if r.IntN(3) == 0 {
		in.ImageQuality = []string{"blurred"}
	}
	if r.IntN(9) == 0 {
		f.run = fmt.Sprint("run", f.n/40+r.IntN(3))
		in.RunID = f.run
	}
	return in
}

// A frame whose commit fails did not happen, whenever.
func TestAFrameCanBeTakenBack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	hasty, steady := newFrames(t, mixed()), newFrames(t, mixed())
	for range 500 {
		in := random(hasty, r)
		for range r.IntN(3) {
			mark, wrong := hasty.set.Mark(), random(hasty, r)
			hasty.feed(wrong)
			hasty.set.Rollback(mark, in.Time)
			hasty.set.Rollback(mark, in.Time)
		}
		hasty.feed(in)
		steady.feed(in)
		require.Equal(t, steady.last, hasty.last)
	}
}

// pastOf is what a store would know of frames of one source.
func pastOf(all []Input, window int) Past {
	p := Past{Source: "acq", Recent: all[max(0, len(all)-window):]}
	runs := map[string][]Input{}
	for _, in := range all {
		runs[in.RunID] = append(runs[in.RunID], in)
		p.Runs = slices.DeleteFunc(p.Runs, func(r PastRun) bool { return r.ID == in.RunID })
		p.Runs = append(p.Runs, PastRun{ID: in.RunID, Frames: len(runs[in.RunID]), First: slices.Values(runs[in.RunID])})
	}
	return p
}

func TestThePastIsTakenUpAfterARestart(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	f := newFrames(t, mixed())
	var all []Input
	for range 200 {
		in := random(f, r)
		again := newFrames(t, mixed())
		again.set.Recall(pastOf(all, again.set.Window()))
		f.feed(in)
		again.feed(in)
		require.Equal(t, f.last, again.last)
		all = append(all, in)
	}
}

func TestThePastOutlivesAChangeOfRules(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	before := []Rule{
		{Code: "X", Expr: `median("milling.front_nm", 8) + mean("objects", 2) + baseline("milling.front_nm", 3) + count("saturated", 2)`, Max: ptr(1e300)},
	}
	after := []Rule{
		{Code: "Y", Expr: `median("milling.front_nm", 6) + 1000 * mean("objects", 9) + baseline("milling.front_nm", 2) + baseline("objects", 2) + count("blurred", 4) + count("saturated", 2)`, Max: ptr(1e300)},
	}
	old, whole := newFrames(t, before...), newFrames(t, after...)
	var all []Input
	for range 30 {
		in := random(old, r)
		in.RunID = "run"
		in.Values = map[string]float64{"milling.front_nm": 100 * r.Float64()}
		old.feed(in)
		whole.feed(in)
		in.Values = nil // the store does not have it
		all = append(all, in)
	}
	fresh := newFrames(t, after...)
	fresh.set.Adopt(old.set)
	fresh.set.Adopt(fresh.set)
	fresh.set.Recall(pastOf(all, fresh.set.Window()))
	in := random(old, r)
	in.RunID, in.Values = "run", map[string]float64{"milling.front_nm": 50}
	whole.feed(in)
	fresh.feed(in)
	require.Empty(t, whole.last.Missing)
	require.Equal(t, "Y", fresh.last.Code)
	require.Equal(t, whole.last, fresh.last)

	// A beginning that was kept shorter cannot be made longer by later frames.
	longer := newFrames(t, numeric(`baseline("milling.front_nm", 5)`))
	longer.set.Adopt(old.set)
	longer.feed(in)
	require.Equal(t, `baseline("milling.front_nm", 5) has too few values`, longer.last.Missing)
	none := newFrames(t, Rule{Code: "A", Metric: "objects", Max: ptr(1)})
	none.set.Adopt(old.set)
	none.set.Recall(pastOf(all, 5))
	require.Empty(t, none.set.histories)
}

func TestMedianAndSlopeAreThoseOfTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		n := 1 + r.IntN(60)
		values := make([]float64, n)
		for i := range values {
			values[i] = math.Round(r.NormFloat64() * 10)
		}
		sorted := slices.Clone(values)
		sort.Float64s(sorted)
		want := (sorted[(n-1)/2] + sorted[n/2]) / 2
		require.InDelta(t, want, median(slices.Clone(values)), 1e-12)
		k := r.IntN(n)
		moved := slices.Clone(values)
		require.Equal(t, sorted[k], pick(moved, k))
		require.LessOrEqual(t, slices.Max(moved[:k+1]), sorted[k])
	}
	// Of many points not all pairs are taken; the slope is as good, and outliers do not move it.
	n := 1000
	x, y := make([]float64, n), make([]float64, n)
	worst := 0.0
	for range 20 {
		for i := range x {
			x[i], y[i] = float64(i-n), 0.3*float64(i)+r.NormFloat64()*5
			if r.IntN(5) == 0 {
				y[i] += 1000
			}
		}
		got, _ := slope(x, y, nil)
		worst = max(worst, math.Abs(got-0.3))
	}
	require.Less(t, worst, 0.003)
}

func BenchmarkFiftyRules(b *testing.B) {
	var rules []Rule
	for i := range 10 {
		for j, expr := range []string{
			"ecd_nm.p50 / objects", fmt.Sprintf(`slope("ecd_nm.p50", %d)`, 10+i), fmt.Sprintf(`abs(drift_of("ecd_nm.p50", %d))`, 5+i),
			fmt.Sprintf(`outlier("ecd_nm.p50", %d)`, 30+i), fmt.Sprintf(`"blurred" in image_quality and objects > 0 and mean("objects", %d) < 3`, 5+i),
		} {
			r := Rule{Code: fmt.Sprint("R", i, "_", j), Expr: expr}
			if j < 4 {
				r.Max = ptr(1e300)
			}
			rules = append(rules, r)
		}
	}
	set, err := Compile(rules)
	require.NoError(b, err)
	benchmark(b, set)
}

func BenchmarkLongestSlope(b *testing.B) {
	set, err := Compile([]Rule{numeric(`slope("ecd_nm.p50", 1000)`)})
	require.NoError(b, err)
	benchmark(b, set)
}

func benchmark(b *testing.B, set *Set) {
	r, d50 := rand.New(rand.NewPCG(9, 1)), 0.0
	in := Input{Source: "acq", ImageQuality: []string{"blurred"},
		Summary: metrics.Summary{Objects: 10, Statistics: map[string]metrics.Stat{"ecd_nm": {N: 10, P50: &d50}}}}
	feed := func() {
		d50 = 100 + r.NormFloat64()
		in.Time = in.Time.Add(time.Second)
		set.Trace(in, func(v Verdict) { _ = v })
	}
	for range 1100 {
		feed()
	}
	b.ReportAllocs()
	for b.Loop() {
		feed()
	}
}
