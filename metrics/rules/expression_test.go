package rules

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics"
)

// frames feeds a set of one rule with frames of one source, a second apart, and keeps the last verdict.
type frames struct {
	t    *testing.T
	set  *Set
	n    int
	run  string
	last Verdict
}

func newFrames(t *testing.T, rules ...Rule) *frames {
	t.Helper()
	set, err := Compile(rules)
	require.NoError(t, err)
	return &frames{t: t, set: set, run: "run"}
}

// numeric is a rule whose value is never beyond its limit.
func numeric(expr string) Rule { return Rule{Code: "A", Expr: expr, Max: ptr(1e300)} }

// input is a frame with the given ecd_nm.p50, undefined for NaN.
func (f *frames) input(d50 float64) Input {
	f.n++
	in := Input{
		Source: "acq", RunID: f.run, FrameID: fmt.Sprint(f.n), Time: time.Unix(int64(f.n), 0).UTC(),
		Summary: metrics.Summary{Objects: 10, AreaFraction: 0.25, Statistics: map[string]metrics.Stat{"ecd_nm": {N: 10, P50: &d50}}},
	}
	if math.IsNaN(d50) {
		in.Summary.Statistics = nil
	}
	return in
}

func (f *frames) feed(in Input) []Change {
	f.last = Verdict{}
	return f.set.Trace(in, func(v Verdict) { f.last = v })
}

// value feeds numbers and returns the last frame's value, NaN without verdict.
func (f *frames) value(d50 ...float64) float64 {
	for _, v := range d50 {
		f.feed(f.input(v))
	}
	if f.last.Missing != "" {
		return math.NaN()
	}
	return f.last.Value
}

func TestAnExpressionIsComputed(t *testing.T) {
	nm := 2.0
	in := Input{
		Source: "acq", NmPerPx: &nm, ImageQuality: []string{"blurred", "blank"},
		Values: map[string]float64{"milling.front_nm": 120, "quality.noise": 0.5},
		Summary: metrics.Summary{Objects: 7, AreaFraction: 0.5, Confidence: ptr(0.8),
			Statistics: map[string]metrics.Stat{"ecd_nm": {N: 5, NExcluded: 2, P10: ptr(10), P50: ptr(20), P90: ptr(50), Max: ptr(80)}}},
	}
	for expr, want := range map[string]any{
		"objects":                                7.0,
		"objects / area_fraction":                14.0,
		"-objects + 2 * 3 - 1":                   -2.0,
		"2 ** 3 ^ 1":                             8.0,
		"7 / 2":                                  3.5,
		"(ecd_nm.p90 - ecd_nm.p10) / ecd_nm.p50": 2.0,
		"ecd_nm.max / nm_per_px":                 40.0,
		"ecd_nm.n_excluded":                      2.0,
		"abs(-3.5) + ceil(0.2) + floor(1.8) + round(2.6) + sqrt(16) + log(1)": 12.5,
		"max(1, objects, 3) - min(1, 2)":                                      6.0,
		"milling.front_nm * quality.noise":                                    60.0,
		"objects > 5 ? ecd_nm.p10 : ecd_nm.p90":                               10.0,
		"objects > 5":                                                         true,
		"5 < objects < 7":                                                     false,
		"5 < objects <= 7 and area_fraction != 0.4":                           true,
		"objects == 7 && !(confidence < 0.5) || false":                        true,
		"not (objects > 5) == (1 > 2)":                                        true,
		`"blurred" in image_quality`:                                          true,
		`"saturated" in image_quality`:                                        false,
		`"saturated" not in image_quality and "blank" in image_quality`:       true,
		`defined("ecd_nm.p50") and not defined("density_per_um2")`:            true,
		`defined("density_per_um2") and density_per_um2 > 3`:                  false,
		"// all of them\nobjects\n  > 5":                                      true,
	} {
		t.Run(expr, func(t *testing.T) {
			var table table
			e, err := compileExpression(expr, &table)
			require.NoError(t, err)
			s := newScope(&table)
			s.look(&in)
			v, is, missing := s.run(e)
			require.Empty(t, missing)
			if e.boolean {
				require.Equal(t, want, is)
			} else {
				require.Equal(t, want, v)
			}
		})
	}
}

func TestWhatIsUndefinedGivesNoVerdict(t *testing.T) {
	for expr, want := range map[string]string{
		"confidence":                      "confidence is undefined",
		"confidence > 0 ? 1 : 2":          "confidence is undefined",
		"drift.nm + objects":              "drift.nm is undefined",
		"1 / (objects - 10)":              "the result is not finite",
		"1 / (objects - 10) > 5 ? 1 : 0":  "the result is not finite",
		"0 * (1 / (objects - 10))":        "the result is not finite",
		"max(0, (objects - 10) / 0)":      "the result is not finite",
		"sqrt(-objects)":                  "the result is not finite",
		"log(0)":                          "the result is not finite",
		"1e308 * objects":                 "the result is not finite",
		`mean("confidence", 3)`:           "confidence is undefined",
		`previous("objects", 3)`:          `previous("objects", 3) has too few values`,
		`outlier("objects", 5)`:           `outlier("objects", 5) has too few values`,
		`baseline("ecd_nm.p50", 3)`:       `baseline("ecd_nm.p50", 3) has too few values`,
		`drift_of("ecd_nm.p50", 3)`:       `drift_of("ecd_nm.p50", 3) has too few values`,
		`slope("objects", 3)`:             `slope("objects", 3) has too few values`,
		`1 / (mean("objects", 1) - 10)`:   "the result is not finite",
		`drift_of("area_fraction", 1)`:    "",
		`confidence > 0 or objects > 5`:   "confidence is undefined",
		`objects > 5 or confidence > 0`:   "",
		`defined("drift.nm") ? 1 : 2`:     "",
		`count("frozen", 1000)`:           "",
		`frames_in_run() + objects * 0`:   "",
		`mean("objects", 1)`:              "",
		`sd("objects", 2)`:                `sd("objects", 2) has too few values`,
		`defined("confidence") and false`: "",
	} {
		t.Run(expr, func(t *testing.T) {
			r := Rule{Code: "A", Expr: expr}
			if _, err := Compile([]Rule{r}); err != nil {
				r.Max = ptr(1e300)
			}
			f := newFrames(t, r)
			require.Empty(t, filter(f.feed(f.input(50)), want != ""))
			require.Equal(t, want, f.last.Missing)
		})
	}
}

// filter leaves changes out where they do not matter.
func filter(c []Change, matter bool) []Change {
	if !matter {
		return nil
	}
	return c
}

func TestBadExpressionsAreRefusedInOneLine(t *testing.T) {
	for expr, want := range map[string]string{
		"":                              `no metric`,
		" ":                             `expr: is empty`,
		"objects >":                     `expr: unexpected token EOF at character 9: correct it`,
		"objects $ 3":                   `expr: unexpected token`,
		"colour > 3":                    `expr: character 1: unknown name "colour"`,
		"1 + ecd_nm.p51":                `expr: character 5: unknown name "ecd_nm.p51": did you mean ecd_nm.p50?`,
		"ecd_mn.p50":                    `did you mean ecd_nm.p50?`,
		"miling.front_nm":               `did you mean milling.front_nm?`,
		"milling.x":                     `use objects, area_fraction`,
		"ecd_nm":                        `unknown name "ecd_nm"`,
		"ecd_nm?.p50":                   `rules have numbers, names`,
		"ecd_nm.p50.x":                  `rules have numbers, names`,
		`mean("objects", 0)`:            `mean over 0 frames: use 1 to 1000`,
		`mean("objects", 1001)`:         `mean over 1001 frames: use 1 to 1000`,
		`slope("objects", 2)`:           `slope over 2 frames: use 3 to 1000`,
		`mean("objects", -1)`:           `mean takes the name of a number in quotes and a number of frames`,
		`mean("objects", 2.5)`:          `mean takes the name`,
		`mean("objects", 2 + 3)`:        `mean takes the name`,
		`mean(objects, 5)`:              `mean takes the name`,
		`mean("objects")`:               `mean takes the name`,
		`mean("objcts", 5)`:             `unknown name "objcts": did you mean objects?`,
		`median_of("objects", 5)`:       `unknown function "median_of"`,
		`mena("objects", 5)`:            `unknown function "mena": did you mean mean?`,
		`now()`:                         `unknown function "now"`,
		`filter(objects, true)`:         `unknown function "filter"`,
		`count("blured", 5)`:            `unknown flag "blured": did you mean blurred?`,
		`"sharp" in image_quality`:      `unknown flag "sharp": use blank`,
		`image_quality`:                 `is a list of flags`,
		`objects in image_quality`:      `write "blurred" in image_quality`,
		`"a" in ["a"]`:                  `write "blurred" in image_quality`,
		`"a"`:                           `text "a": it is used in`,
		`frames_in_run(1)`:              `frames_in_run takes nothing`,
		`defined(objects)`:              `defined takes the name of a number in quotes`,
		`max(1)`:                        `max takes two or more numbers`,
		`abs(1, 2)`:                     `abs takes one number`,
		`objects and true`:              `this is a number: true or false is needed here`,
		`true + 1`:                      `this is true or false: a number is needed here`,
		`true == 1`:                     `this is a number: true or false is needed here`,
		`objects > 3 ? 1 : true`:        `this is true or false: a number is needed here`,
		`objects % 3`:                   `operator %`,
		`objects ?? 3`:                  `operator ??`,
		`"a" matches "b"`:               `operator matches`,
		`[1, 2]`:                        `rules have numbers`,
		`{a: 1}`:                        `rules have numbers`,
		`let a = 1; a`:                  `rules have numbers`,
		`1; 2`:                          `rules have numbers`,
		`1..3`:                          `operator ..`,
		`nil`:                           `rules have numbers`,
		`objects.foo()`:                 `this cannot be called`,
		`$env["objects"]`:               `unknown name "$env.objects"`,
		strings.Repeat("1+", 600) + "1": `1201 characters are too many: use 1000 at most`,
		strings.Repeat("1+", 200) + "1": `exceeds maximum allowed nodes`,
		strings.Repeat("-", 900) + "1":  `exceeds maximum allowed nodes`,
	} {
		t.Run(clip(expr), func(t *testing.T) {
			_, err := Compile([]Rule{{Code: "SIZE", Expr: expr, Max: ptr(1)}})
			require.ErrorContains(t, err, want)
			require.NotContains(t, err.Error(), "\n")
			require.True(t, strings.HasPrefix(err.Error(), "rules: SIZE: "), err)
		})
	}
	// A part that is used twice at each of many levels must not double the work at each.
	deep := strings.Repeat("(0 < (", 60) + "objects" + strings.Repeat(") < 2 ? 1 : 0)", 60)
	start := time.Now()
	_, err := Compile([]Rule{{Code: "A", Expr: deep, Max: ptr(1)}})
	require.Error(t, err)
	require.Less(t, time.Since(start), time.Second)
}

func TestWhatDoesNotGoTogetherIsRefused(t *testing.T) {
	for want, r := range map[string]Rule{
		"metric and expr: use one of them":                                                         {Metric: "objects", Expr: "objects", Max: ptr(1)},
		"no limit: set min, max or both":                                                           {Expr: "objects"},
		"min and max with an expr that is true or false":                                           {Expr: "objects > 1", Max: ptr(1)},
		"hysteresis and unit with an expr that is true or false":                                   {Expr: "objects > 1", Hysteresis: 0.1},
		"clear belongs to an expr that is true or false: use hysteresis with one that is a number": {Expr: "objects", Clear: "objects < 1", Max: ptr(1)},
		"clear belongs to an expr that is true or false: use hysteresis with a metric":             {Metric: "objects", Clear: "objects < 1", Max: ptr(1)},
		"clear is a number":                       {Expr: "objects > 1", Clear: "objects"},
		"clear: character 1: unknown name":        {Expr: "objects > 1", Clear: "objcts < 1"},
		"unit and text belong to an expr":         {Metric: "objects", Max: ptr(1), Text: "too many"},
		"text: unknown {valeu}":                   {Expr: "objects", Max: ptr(1), Text: "{valeu} objects"},
		"true or false has no {value}":            {Expr: "objects > 1", Text: "{value} objects"},
		`text "a\nb": use 100 characters at most`: {Expr: "objects > 1", Text: "a\nb"},
		`unit "12345678901234567": use 16`:        {Expr: "objects", Max: ptr(1), Unit: "12345678901234567"},
		`advice "GO": use PAUSE, STOP, REALIGN`:   {Metric: "objects", Max: ptr(1), Advice: "GO"},
		`severity "bad"`:                          {Expr: "objects > 1", Severity: "bad"},
		"hold -1":                                 {Expr: "objects > 1", Hold: -1},
	} {
		r.Code = "A"
		_, err := Compile([]Rule{r})
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestARuleThatIsOffIsCheckedAndNotEvaluated(t *testing.T) {
	set, err := Compile([]Rule{{Code: "A", Off: true}, {Code: "B", Off: true, Expr: `mean("objects", 500) > 1`}})
	require.NoError(t, err)
	require.Zero(t, set.Window())
	require.Empty(t, set.Evaluate(Input{Summary: metrics.Summary{Objects: 100}}))
	_, err = Compile([]Rule{{Code: "B", Off: true, Expr: "objcts > 1"}})
	require.ErrorContains(t, err, "did you mean objects?")
	_, err = Compile([]Rule{{Code: "B", Off: true}, {Code: "B", Metric: "objects", Max: ptr(1)}})
	require.ErrorContains(t, err, "has the code of an earlier one")
}

// An expression that is a name alone is that metric.
func TestAMetricAndItsNameAsExpressionGiveTheSameChanges(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 1))
		r := Rule{Code: "SIZE", Hold: random.IntN(4), MinHold: time.Duration(random.IntN(4)) * time.Second,
			Cooldown: time.Duration(1 + random.IntN(4e9)), Hysteresis: 0.2 * random.Float64()}
		if random.IntN(3) > 0 {
			r.Max = ptr(60)
		}
		if r.Max == nil || random.IntN(3) > 0 {
			r.Min = ptr(30)
		}
		metric, expr := r, r
		metric.Metric, expr.Expr = "ecd_nm.p50", "ecd_nm.p50"
		a, b := newFrames(t, metric), newFrames(t, expr)
		level, n := 45.0, 0
		for range 300 {
			level += random.NormFloat64() * 8
			level = min(max(level, 0), 100)
			v := level
			if random.IntN(10) == 0 {
				v = math.NaN()
			}
			in := a.input(v)
			want := a.feed(in)
			require.Equal(t, want, b.feed(in))
			require.Equal(t, a.last.Missing, b.last.Missing)
			n += len(want)
			now := in.Time.Add(time.Second / 2)
			dueA, okA := a.set.Due()
			dueB, okB := b.set.Due()
			require.Equal(t, []any{dueA, okA}, []any{dueB, okB})
			require.Equal(t, a.set.Tick(now), b.set.Tick(now))
			require.Equal(t, a.set.State(), b.set.State())
		}
		require.Positive(t, n, "seed %d", seed)
	}
}
