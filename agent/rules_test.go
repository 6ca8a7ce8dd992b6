package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/uni-aims/aimsd/configs"
	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/metrics/rules"
	"github.com/uni-aims/aimsd/reporting"
)

// processed commits a frame of a run with its result, whole seconds after the last, and ticks every second between.
func (b *alertBench) processed(run string, after time.Duration, res *reporting.Result) {
	b.t.Helper()
	for ; after > time.Second; after -= time.Second {
		b.clock = b.clock.Add(time.Second)
		b.tick(b.t.Context())
	}
	b.clock = b.clock.Add(after)
	b.n++
	rec, _, err := b.Store.Admit(b.t.Context(), reporting.FrameRecord{Source: "acq", Key: fmt.Sprint(b.n), RunID: run, Name: fmt.Sprintf("f%d.tif", b.n)})
	require.NoError(b.t, err)
	require.NoError(b.t, b.Store.OpenRun(b.t.Context(), reporting.RunRecord{ID: run, Source: "acq"}))
	rec.DoneAt, res.Time = b.clock, b.clock.Add(-100*time.Millisecond)
	_, err = b.evaluate(b.t.Context(), rec, res, func(states []reporting.AlertState, msgs []reporting.Message) error {
		return b.Store.Commit(b.t.Context(), reporting.Completion{FrameID: rec.ID, State: "processed", Result: res, Alerts: states, Messages: msgs})
	})
	require.NoError(b.t, err)
	b.tick(b.t.Context())
}

// wander is a result with random numbers, some undefined.
func wander(r *rand.Rand, level *float64) *reporting.Result {
	*level = min(max(*level+6*r.NormFloat64(), 20), 80)
	d50, nm := *level, 2.0
	res := &reporting.Result{
		Objects: r.IntN(120), AreaFraction: new(0.3), Confidence: new(0.5 + 0.5*r.Float64()), Scale: reporting.Scale{NmPerPx: &nm},
		Statistics: map[string]metrics.Stat{"ecd_nm": {N: 50, P50: &d50}}, ImageQuality: []string{},
	}
	switch r.IntN(8) {
	case 0:
		res.Statistics, res.Confidence, res.Objects, res.AreaFraction = map[string]metrics.Stat{}, nil, 0, new(math.NaN())
	case 1, 2:
		res.ImageQuality = []string{"saturated"}
	case 3:
		nm = 3
		res.Scale.Ratio = new(1.5)
		res.Scale.Checks = []reporting.Check{{Name: checkMatch, Status: checkFail, Detail: "3 nm and 2 nm; the image was binned"}}
	}
	return res
}

const trialRules = `
- {code: D50, metric: ecd_nm.p50, min: 30, max: 60, hold: 2, min_hold: 4s, cooldown: 7s}
- {code: DRIFT, expr: '100 * drift_of("ecd_nm.p50", 5)', min: -20, max: 20, unit: "%", text: "off by {value}"}
- {code: TREND, expr: 'slope_per_s("ecd_nm.p50", 6)', min: -1, max: 1, cooldown: 1s, advice: PAUSE}
- {code: UNSURE, expr: 'mean("confidence", 4) < 0.72', clear: 'confidence > 0.8', min_hold: 5s, cooldown: 3s, severity: info}
- {code: SEEN, expr: 'count("saturated", 6) >= 3 or previous("objects", 2) > 110', cooldown: 1s}
- {code: NEVER, expr: ecd_nm.p50 / area_fraction, max: 1000}
- {code: FAR, expr: 'outlier("ecd_nm.p50", 9) > 50', hold: 3}
- {code: NOBODY, metric: drift.nm, max: 5}
- {code: IMAGE_FROZEN, off: true}
`

func parseRules(t *testing.T, text string) (list []rules.Rule) {
	t.Helper()
	require.NoError(t, yaml.Unmarshal([]byte(text), &list))
	return list
}

// What rules would have made of a run is what they did make of it.
func TestARunIsTriedAsItWasWatched(t *testing.T) {
	configured := parseRules(t, trialRules)
	b := newAlertBench(t, allRules(configured))
	r, level := rand.New(rand.NewPCG(1, 2)), 45.0
	for range 30 { // an earlier run, whose past reaches into the next
		b.processed("before", time.Duration(1+r.IntN(3))*time.Second, wander(r, &level))
	}
	for b.anyActive() { // alerts begin cleared
		b.processed("calm", 30*time.Second, calm())
	}
	b.clock = b.clock.Add(time.Hour)
	for range 200 {
		b.processed("run", time.Duration(1+r.IntN(3))*time.Second, wander(r, &level))
	}
	changes, err := b.Store.AlertChanges(t.Context(), "run")
	require.NoError(t, err)
	told := map[string][]string{}
	for _, c := range changes {
		told[c.Code] = append(told[c.Code], eventLine(c.State, c.Severity, c.FrameID, c.Value, c.Limit, c.Unit, c.Text, c.Time))
	}
	trial, err := tryRules(t.Context(), b.dir, "run", configured)
	require.NoError(t, err)
	require.Equal(t, 200, trial.Frames)
	tried, n := map[string][]string{}, 0
	for _, rule := range trial.Rules {
		require.Equal(t, 200, rule.Frames+sum(rule.Without), rule.Code)
		for _, e := range rule.Changes {
			n++
			tried[rule.Code] = append(tried[rule.Code], eventLine(e.State, e.Severity, e.FrameID, e.Value, e.Limit, e.Unit, e.Text, e.Time))
		}
	}
	require.Equal(t, told, tried)
	require.Greater(t, n, 40)
	for _, code := range []string{"D50", "DRIFT", "TREND", "UNSURE", "SEEN", "SCALE_MISMATCH"} {
		require.NotEmpty(t, tried[code], code)
	}
}

// Rules look back over restarts and reloads: only frames in a row (hold) and times that run are counted anew.
func TestRulesLookBackOverRestartsAndReloads(t *testing.T) {
	var list []rules.Rule
	for _, r := range parseRules(t, trialRules) {
		r.Hold, r.MinHold, r.Cooldown = 1, 0, 1
		list = append(list, r)
	}
	steady, hasty := newAlertBench(t, allRules(list)), newAlertBench(t, allRules(list))
	r, level := rand.New(rand.NewPCG(5, 6)), 45.0
	for i := range 60 {
		res, run := wander(r, &level), fmt.Sprint("run", i/25)
		again := *res
		steady.processed(run, time.Second, res)
		hasty.processed(run, time.Second, &again)
		if i%2 == 0 {
			hasty.start()
			continue
		}
		set, err := rules.Compile(hasty.rules)
		require.NoError(t, err)
		require.NoError(t, hasty.reconfigure(t.Context(), set, hasty.rules))
	}
	story := func(b *alertBench) (lines []string) {
		for _, run := range []string{"run0", "run1", "run2"} {
			changes, err := b.Store.AlertChanges(t.Context(), run)
			require.NoError(t, err)
			for _, c := range changes {
				lines = append(lines, eventLine(c.Code+" "+c.State, c.Severity, "", c.Value, c.Limit, c.Unit, c.Text, c.Time))
			}
		}
		return lines
	}
	require.Equal(t, story(steady), story(hasty))
	require.Greater(t, len(story(steady)), 50)
}

func eventLine(state, severity, frame string, value, limit *float64, unit, text string, at time.Time) string {
	number := func(v *float64) string {
		if v == nil {
			return "null"
		}
		return fmt.Sprint(*v)
	}
	return strings.Join([]string{at.UTC().Format("15:04:05.0"), state, severity, frame, number(value), number(limit), unit, text}, " ")
}

func sum(list []noVerdict) (n int) {
	for _, w := range list {
		n += w.Frames
	}
	return n
}

func (b *alertBench) anyActive() bool {
	active, err := b.Store.ActiveAlerts(b.t.Context())
	require.NoError(b.t, err)
	return len(active) > 0
}

// calm is a result at which nothing is raised.
func calm() *reporting.Result {
	return &reporting.Result{
		Objects: 50, AreaFraction: new(0.3), Confidence: new(0.95), Scale: reporting.Scale{NmPerPx: new(2.0), Ratio: new(1.0)},
		Statistics: map[string]metrics.Stat{"ecd_nm": {N: 50, P50: new(45.0)}}, ImageQuality: []string{},
	}
}

func TestAnAlertOfAConditionHasNoValue(t *testing.T) {
	b := newAlertBench(t, allRules(nil))
	for range 2 {
		b.processed("r", time.Second, &reporting.Result{ImageQuality: []string{"frozen"}})
	}
	require.Empty(t, b.said())
	b.processed("r", time.Second, &reporting.Result{ImageQuality: []string{"frozen", "incomplete"}})
	require.Equal(t, []string{"alert:raised", "alert:raised"}, b.said())
	active, err := b.Store.ActiveAlerts(t.Context())
	require.NoError(t, err)
	for _, a := range active {
		var m map[string]any
		require.NoError(t, json.Unmarshal(a.Payload, &m))
		require.Contains(t, m, "value")
		require.Nil(t, m["value"])
		require.Nil(t, m["limit"])
	}
	require.Equal(t, "IMAGE_FROZEN", active[0].Code)
	b.start()
	require.Empty(t, b.said(), "it goes on")
	for range 3 {
		b.processed("r", time.Second, &reporting.Result{ImageQuality: []string{}})
	}
	require.Equal(t, []string{"event:cleared", "alert:empty", "event:cleared", "alert:empty"}, b.said())

	b.processed("r", time.Minute, &reporting.Result{ImageQuality: []string{"incomplete"}})
	b.rules = allRules([]rules.Rule{{Code: "IMAGE_INCOMPLETE", Off: true}})
	b.start()
	require.Equal(t, []string{"alert:raised", "event:cleared", "alert:empty"}, b.said(), "a rule that is switched off ends its alert")
}

func TestEmptyFramesRaiseNothing(t *testing.T) {
	b := newAlertBench(t, allRules(nil))
	const side = 64
	for i := range 200 {
		sum := metrics.Summarise(nil, metrics.Options{NmPerPx: 2}, side, side)
		b.processed("r", time.Second, &reporting.Result{
			Statistics: sum.Statistics, EdgePolicy: sum.EdgePolicy, AreaFraction: &sum.AreaFraction, DensityPerUm2: sum.DensityPerUm2,
			Confidence: sum.Confidence, ImageQuality: [][]string{{}, {"blank"}, {"blurred"}}[i%3],
			Scale: reporting.Scale{NmPerPx: new(2.0), Ratio: new(1.001)},
		})
	}
	require.Empty(t, b.said())
}

func TestTheExamplesOfTheSampleAreSound(t *testing.T) {
	c, err := ParseConfig(configs.Sample, nil)
	require.NoError(t, err)
	var on []rules.Rule
	for _, r := range c.Rules {
		require.True(t, r.Off, "%s: who copies the sample has no rules", r.Code)
		r.Off = false
		on = append(on, r)
	}
	set, err := rules.Compile(allRules(on))
	require.NoError(t, err)
	require.Equal(t, 31, set.Window())
}

// ruleSite is a configuration with rules over a store with one run.
func ruleSite(t *testing.T, text string) (config string, b *alertBench) {
	t.Helper()
	b = newAlertBench(t, nil)
	for i := range 20 {
		res := calm()
		*res.Statistics["ecd_nm"].P50 = 40 + float64(i)
		if i == 7 {
			res = &reporting.Result{ImageQuality: []string{"blank"}}
		}
		b.processed("run-1", time.Second, res)
	}
	config = filepath.Join(t.TempDir(), "aimsd.yaml")
	require.NoError(t, os.WriteFile(config, []byte("data_dir: "+b.dir+"\nrules:"+text), 0o600))
	return config, b
}

func runMain(args ...string) (status int, out, said string) {
	var stdout, stderr bytes.Buffer
	status = Main(args, &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

func TestRulesAreTriedFromTheCommandLine(t *testing.T) {
	config, _ := ruleSite(t, `
  - {code: D50_HIGH, metric: ecd_nm.p50, max: 50, hold: 2}
  - {code: D50_LOW, metric: ecd_nm.p50, min: 39, max: 200}
  - {code: SPIKE, expr: ecd_nm.p50 > 57, hold: 5}
  - {code: MOVED, metric: drift.nm, max: 5}
  - {code: IMAGE_FROZEN, off: true}
`)
	status, out, said := runMain("rules", "test", "-c", config, "--run", "run-1")
	require.Zero(t, status, said)
	require.Equal(t, `run run-1: 20 frames with results, 7 rules

D50_HIGH (warning, hold 2): ecd_nm.p50 above 50
  raised   frame 13  f13.tif  52 nm, limit 50 nm  ecd_nm.p50 is 52 nm, above its maximum of 50 nm
`, out[:strings.Index(out, "  updated")])
	for _, want := range []string{
		"\nD50_LOW (warning, hold 1): ecd_nm.p50 below 39 or above 200\n  never raised; nearest 40 nm in frame 1 (f1.tif), limit 39 nm\n" +
			"  19 frames with a verdict, 1 without: ecd_nm.p50 is undefined (1)\n",
		"\nSPIKE (warning, hold 5): ecd_nm.p50 > 57\n  never raised; true in 2 frames, 2 in a row of 5\n",
		"\nMOVED (warning, hold 1): drift.nm above 5\n  never raised\n  0 frames with a verdict, 20 without: drift.nm is undefined (20)\n",
		"\nSCALE_MISMATCH (critical, hold 1, built-in): scale_mismatch above 0.02\n  never raised; nearest 0 in frame 1 (f1.tif), limit 0.02\n",
		"\nIMAGE_INCOMPLETE (warning, hold 1, built-in): \"incomplete\" in image_quality\n  never raised; true in no frame\n",
	} {
		require.Contains(t, out, want)
	}
	require.NotContains(t, out, "IMAGE_FROZEN")

	status, out, said = runMain("rules", "test", "-c", config, "--run", "run-1", "--json")
	require.Zero(t, status, said)
	var trial rulesTrial
	require.NoError(t, json.Unmarshal([]byte(out), &trial))
	require.Equal(t, "D50_HIGH", trial.Rules[0].Code)
	require.InDelta(t, 52, *trial.Rules[0].Changes[0].Value, 0)
	require.Equal(t, uint64(13), trial.Rules[0].Changes[0].Frame)
	require.Equal(t, []noVerdict{{Why: "ecd_nm.p50 is undefined", Frames: 1}}, trial.Rules[1].Without)

	status, _, said = runMain("rules", "test", "-c", config, "--run", "nonsense")
	require.Equal(t, exitUsage, status)
	require.Contains(t, said, `there is no run "nonsense"`)
	require.Contains(t, said, "the latest are run-1")
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	require.NoError(t, os.WriteFile(bad, []byte("data_dir: d\nrules:\n  - {code: A, expr: objcts > 3}\n"), 0o600))
	for _, args := range [][]string{
		{"rules", "test", "-c", bad, "--run", "run-1"}, {"rules", "list", "-c", bad}, {"rules", "test", "-c", config}, {"rules", "tests"},
		{"rules", "list", "-c", config, "more"}, {"rules", "test", "--nonsense"},
	} {
		status, out, said = runMain(args...)
		require.Equal(t, exitUsage, status, args)
		require.Empty(t, out)
		require.Equal(t, 1, strings.Count(said, "\n"), said)
	}
	_, _, said = runMain("rules", "list", "-c", bad)
	require.Contains(t, said, `rules: A: expr: character 1: unknown name "objcts": did you mean objects?`)
}

func TestRulesAreListed(t *testing.T) {
	config, _ := ruleSite(t, `
  - {code: D50_HIGH, metric: ecd_nm.p50, max: 250, hold: 3, source: acq}
  - {code: UNSURE, expr: confidence < 0.5, clear: confidence > 0.6, severity: info}
  - {code: IMAGE_FROZEN, off: true}
  - {code: SCALE_MISMATCH, metric: scale_mismatch, max: 0.1}
`)
	status, out, said := runMain("rules", "list", "-c", config)
	require.Zero(t, status, said)
	require.Equal(t, strings.TrimPrefix(`
CODE              SEVERITY  HOLD  SOURCE  FROM           RAISES WHEN
D50_HIGH          warning   3     acq     configuration  ecd_nm.p50 above 250
UNSURE            info      1     all     configuration  confidence < 0.5, until confidence > 0.6
SCALE_MISMATCH    warning   1     all     configuration  scale_mismatch above 0.1
IMAGE_INCOMPLETE  warning   1     all     built-in       "incomplete" in image_quality
IMAGE_SATURATED   warning   5     all     built-in       "saturated" in image_quality
off: IMAGE_FROZEN
`, "\n"), out)
}
