package rules

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/uni-aims/aimsd/metrics"
)

func ptr(v float64) *float64 { return &v }

// bench feeds one rule with values of ecd_nm.p50; NaN leaves it undefined.
type bench struct {
	set   *Set
	clock time.Time
}

func newBench(t *testing.T, r Rule) *bench {
	t.Helper()
	r.Metric = "ecd_nm.p50"
	if r.Cooldown == 0 {
		r.Cooldown = time.Nanosecond
	}
	set, err := Compile([]Rule{r})
	require.NoError(t, err)
	return &bench{set: set, clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func (b *bench) frame(source string, value float64) []Change {
	b.clock = b.clock.Add(time.Second)
	st := metrics.Stat{N: 10, P50: &value}
	if math.IsNaN(value) {
		st.P50 = nil
	}
	return b.set.Evaluate(Input{Source: source, FrameID: b.clock.Format("150405"), Time: b.clock,
		Summary: metrics.Summary{Objects: 10, Statistics: map[string]metrics.Stat{"ecd_nm": st}}})
}

// states feeds values and returns what each brought: r, u, c or - for nothing.
func (b *bench) states(values ...float64) string {
	var out strings.Builder
	for _, v := range values {
		s := "-"
		if c := b.frame("acq", v); len(c) > 0 {
			s = c[0].State[:1]
		}
		out.WriteString(s)
	}
	return out.String()
}

func TestRaisesUpdatesAndClears(t *testing.T) {
	b := newBench(t, Rule{Code: "SIZE", Min: ptr(50), Max: ptr(100), Severity: Critical})
	require.Empty(t, b.frame("acq", 80))

	c := b.frame("acq", 110)
	require.Len(t, c, 1)
	raisedAt := b.clock
	require.Equal(t, Change{Code: "SIZE", Key: "acq", State: Raised, Seq: 1, Severity: Critical, Metric: "ecd_nm.p50",
		Value: 110, Limit: 100, Unit: "nm", Text: "ecd_nm.p50 is 110 nm, above its maximum of 100 nm",
		FrameID: raisedAt.Format("150405"), RaisedAt: raisedAt, Time: raisedAt}, c[0])

	require.Empty(t, b.frame("acq", 111), "little worse")
	require.Empty(t, b.frame("acq", 105), "better")
	require.Empty(t, b.frame("acq", 99), "inside, but not by the hysteresis")
	c = b.frame("acq", 120)
	require.Len(t, c, 1)
	require.Equal(t, Updated, c[0].State)
	require.Equal(t, raisedAt, c[0].RaisedAt)
	c = b.frame("acq", 40)
	require.Equal(t, Updated, c[0].State)
	require.Equal(t, "ecd_nm.p50 is 40 nm, below its minimum of 50 nm", c[0].Text)
	c = b.frame("acq", 75)
	require.Equal(t, Cleared, c[0].State)
	require.Equal(t, "ecd_nm.p50 is 75 nm, back within its limit of 50 nm", c[0].Text)
	require.EqualValues(t, 4, c[0].Seq)
	require.Equal(t, raisedAt, c[0].RaisedAt)
	require.Empty(t, b.frame("acq", 100), "the limit itself is inside")
	c = b.frame("acq", 101)
	require.EqualValues(t, 5, c[0].Seq)
	require.Equal(t, b.clock, c[0].RaisedAt, "a new occurrence")
}

func TestTremblingValueRaisesOnce(t *testing.T) {
	for _, hold := range []int{0, 3} {
		b := newBench(t, Rule{Code: "SIZE", Max: ptr(100), Hold: hold})
		counts := map[string]int{}
		for i := range 600 {
			for _, c := range b.frame("acq", 100*(1+0.01*math.Sin(float64(i)/5))) {
				counts[c.State]++
			}
		}
		require.Equal(t, 1, counts[Raised])
		require.LessOrEqual(t, counts[Cleared], 1)
		require.Zero(t, counts[Updated])
	}
}

func TestHoldCountsFramesInARow(t *testing.T) {
	nan := math.NaN()
	b := newBench(t, Rule{Code: "SIZE", Max: ptr(100), Hold: 3})
	require.Equal(t, "-----r", b.states(110, 110, 90, 110, 110, 110))
	require.Equal(t, "-----c", b.states(90, 90, 99, 90, 90, 90))
	require.Equal(t, "-----r", b.states(110, nan, 110, nan, nan, 110), "an undefined frame neither counts nor interrupts")
	require.Equal(t, "-----", b.states(nan, nan, nan, nan, 90))
	require.Equal(t, "-c", b.states(90, 90))
}

func TestEverySourceHasItsOwnAlert(t *testing.T) {
	b := newBench(t, Rule{Code: "SIZE", Max: ptr(100)})
	require.Len(t, b.frame("a", 110), 1)
	require.Len(t, b.frame("b", 110), 1)
	require.Empty(t, b.frame("a", 110))
	c := b.frame("b", 50)
	require.Equal(t, "b", c[0].Key)
	require.Empty(t, b.frame("a", 110))

	only := newBench(t, Rule{Code: "SIZE", Max: ptr(100), Source: "a"})
	require.Empty(t, only.frame("b", 110))
	require.Len(t, only.frame("a", 110), 1)
	require.Len(t, only.set.State(), 1)
}

func TestAlertsSurviveARestart(t *testing.T) {
	r := Rule{Code: "SIZE", Max: ptr(100), Hold: 2}
	b := newBench(t, r)
	require.Equal(t, "-r-", b.states(110, 110, 90))
	b.frame("quiet", 50)
	data, err := json.Marshal(b.set.State())
	require.NoError(t, err)
	var saved []State
	require.NoError(t, json.Unmarshal(data, &saved))
	require.Len(t, saved, 1, "only alerts are remembered")
	raisedAt := saved[0].RaisedAt

	again := newBench(t, r)
	require.Empty(t, again.set.Restore(saved, again.clock))
	require.Equal(t, saved, again.set.State())
	c := again.frame("acq", 90)
	require.Len(t, c, 1, "the frame before the restart counts")
	require.Equal(t, Cleared, c[0].State)
	require.True(t, raisedAt.Equal(c[0].RaisedAt))
	require.EqualValues(t, 2, c[0].Seq)

	for name, changed := range map[string]Rule{
		"gone":           {Code: "OTHER", Max: ptr(100)},
		"another source": {Code: "SIZE", Max: ptr(100), Source: "elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, changed)
			c := b.set.Restore(saved, b.clock)
			require.Len(t, c, 1)
			require.Equal(t, Cleared, c[0].State)
			require.Equal(t, "ecd_nm.p50 is no longer watched by this rule", c[0].Text)
			require.Empty(t, b.set.State())
		})
	}
	changed := newBench(t, Rule{Code: "SIZE", Max: ptr(105), Severity: Critical})
	require.Empty(t, changed.set.Restore(saved, changed.clock))
	require.Equal(t, "u-c", changed.states(110, 110, 90), "the new limit and severity are reported")
}

func TestFrameMetrics(t *testing.T) {
	nan := math.NaN()
	full := metrics.Summary{Objects: 7, AreaFraction: 0.5, DensityPerUm2: ptr(3), Confidence: ptr(0.8),
		Statistics: map[string]metrics.Stat{"area_px": {N: 4, NExcluded: 3, Min: ptr(1), Max: ptr(9), Mean: ptr(5), SD: ptr(2), P10: ptr(1.5), P50: ptr(4.5), P90: ptr(8)}}}
	for name, want := range map[string]float64{
		"objects": 7, "area_fraction": 0.5, "density_per_um2": 3, "confidence": 0.8, "area_px.n": 4, "area_px.n_excluded": 3,
		"area_px.min": 1, "area_px.max": 9, "area_px.mean": 5, "area_px.sd": 2, "area_px.p10": 1.5, "area_px.p50": 4.5, "area_px.p90": 8,
	} {
		read, _, err := metric(name)
		require.NoError(t, err)
		v, ok := read(&full)
		require.True(t, ok, name)
		require.Equal(t, want, v, name)
		empty := metrics.Summary{AreaFraction: nan}
		if _, ok = read(&empty); ok {
			require.Equal(t, "objects", name, "only the count is defined without anything")
		}
	}
	_, unit, err := metric("area_px.p50")
	require.NoError(t, err)
	require.Equal(t, "px^2", unit)
	_, unit, err = metric("area_px.n")
	require.NoError(t, err)
	require.Empty(t, unit)
}

func TestBadRulesAreRefusedInOneLine(t *testing.T) {
	for text, want := range map[string]string{
		`{code: SIZE, max: 1}`:                                      `rules: SIZE: no metric`,
		`{code: SIZE, metric: ecd_nm.p51, max: 1}`:                  `rules: SIZE: unknown metric "ecd_nm.p51"`,
		`{code: SIZE, metric: ecd_nm, max: 1}`:                      `rules: SIZE: unknown metric "ecd_nm"`,
		`{code: SIZE, metric: edge.mean, max: 1}`:                   `rules: SIZE: unknown metric "edge.mean"`,
		`{code: SIZE, metric: objects}`:                             `rules: SIZE: no limit`,
		`{code: SIZE, metric: objects, min: .nan}`:                  `rules: SIZE: limit NaN`,
		`{code: SIZE, metric: objects, min: 5, max: 4}`:             `rules: SIZE: min 5 is above max 4`,
		`{code: SIZE, metric: objects, min: 99, max: 100}`:          `could never clear`,
		`{code: SIZE, metric: objects, min: 5, severity: bad}`:      `rules: SIZE: severity "bad"`,
		`{code: SIZE, metric: objects, min: 5, hysteresis: 1.5}`:    `rules: SIZE: hysteresis 1.5`,
		`{code: SIZE, metric: objects, min: 5, hysteresis: .nan}`:   `rules: SIZE: hysteresis NaN`,
		`{code: SIZE, metric: objects, min: 5, hold: -1}`:           `rules: SIZE: hold -1`,
		`{code: size, metric: objects, min: 5}`:                     `rules: rule 1: code "size"`,
		`{metric: objects, min: 5}`:                                 `rules: rule 1: code ""`,
		`{code: "A/B", metric: objects, min: 5}`:                    `rules: rule 1: code "A/B"`,
		"{code: A, metric: \"a\\nb\", min: 5}":                      `unknown metric "a\nb"`,
		"{code: A, metric: objects, min: 5}, {code: A, metric: no}": `rules: A: rule 2 has the code of an earlier one`,
	} {
		t.Run(want, func(t *testing.T) {
			var list []Rule
			require.NoError(t, yaml.Unmarshal([]byte("["+text+"]"), &list))
			_, err := Compile(list)
			require.ErrorContains(t, err, want)
			require.NotContains(t, err.Error(), "\n")
			require.Contains(t, err.Error(), ": ")
		})
	}
	set, err := Compile(nil)
	require.NoError(t, err)
	require.Empty(t, set.Evaluate(Input{}))
}

func TestDefaults(t *testing.T) {
	set, err := Compile([]Rule{{Code: "A", Metric: "objects", Min: ptr(1)}})
	require.NoError(t, err)
	c := set.Evaluate(Input{Source: "acq"})
	require.Len(t, c, 1)
	require.Equal(t, Warning, c[0].Severity)
	require.Equal(t, "objects is 0, below its minimum of 1", c[0].Text)
}
