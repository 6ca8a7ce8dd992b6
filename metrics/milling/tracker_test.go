package milling

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A run of observations: frames a second apart, 10 nm/px, a region 100 px long, the front moving by rate px a frame.
type rehearsal struct {
	t       *testing.T
	tracker *Tracker
	at      time.Time
	seq     uint64
	front   float64
	rate    float64
}

func rehearse(t *testing.T, change func(*Plan)) *rehearsal {
	t.Helper()
	plan := DefaultPlan()
	plan.ROI = Rectangle{0.25, 0.25, 0.5, 0.5}
	if change != nil {
		change(&plan)
	}
	require.NoError(t, plan.Validate())
	return &rehearsal{t: t, tracker: NewTracker(plan), at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), rate: 5}
}

// next is the observation of the next good frame.
func (r *rehearsal) next() Observation {
	r.seq++
	r.at = r.at.Add(time.Second)
	if r.seq > 1 {
		r.front += r.rate
	}
	return Observation{
		FrameID: "f", Seq: r.seq, FrameTime: r.at, DecisionTime: r.at.Add(200 * time.Millisecond), NmPerPx: ptr(10.0),
		Drift:   &Shift{Score: 0.9, Success: true, Method: "phase-correlation"},
		FrontPx: ptr(r.front), FrontSDPx: ptr(0.3), AreaPx: ptr(r.front * 200), LengthPx: 100, Intensity: ptr(0.5), Confidence: ptr(0.9),
	}
}

// play decides n good frames and returns the last decision.
func (r *rehearsal) play(n int) (d Decision) {
	for range n {
		d = r.tracker.Decide(r.next())
	}
	return d
}

func TestAGoodRunContinuesUntilItsEndPoint(t *testing.T) {
	r := rehearse(t, nil)
	first := r.next()
	first.Reference = true
	d := r.tracker.Decide(first)
	require.Equal(t, Continue, d.Advice)
	require.Equal(t, []string{ReasonReference, ReasonWarmup}, d.Reasons)
	require.False(t, d.Endpoint.WarmupComplete)
	require.Nil(t, d.Geometry.RateMPerS, "one frame has no rate")

	d = r.play(9)
	require.Equal(t, Continue, d.Advice)
	require.Empty(t, d.Reasons)
	require.True(t, d.Endpoint.WarmupComplete)
	require.InDelta(t, 0.45, *d.Endpoint.Value, 1e-9)
	require.InDelta(t, 0.45, *d.Endpoint.Estimate, 1e-9)
	require.InDelta(t, 0.35, *d.Endpoint.RollingMean, 1e-9)
	require.InDelta(t, 45*10e-9, *d.Geometry.FrontM, 1e-15)
	require.InDelta(t, 55*10e-9, *d.Geometry.RemainingM, 1e-15)
	require.InDelta(t, 5*10e-9, *d.Geometry.RateMPerS, 1e-15)
	require.InDelta(t, 11, *d.Geometry.EtaS, 1e-6)
	require.InDelta(t, 45*200*1e-16, *d.Geometry.MilledAreaM2, 1e-20)
	require.Equal(t, r.at.Add(200*time.Millisecond+2*time.Second), d.ValidUntil)
	require.Contains(t, d.Text, "progress 45.0 %, front at 450 nm, 50 nm/s, 11 s to go")

	d = r.play(10) // frame 20: 95 px
	require.Equal(t, Continue, d.Advice)
	require.Equal(t, 1, d.Endpoint.ConsecutiveCount, "the line through the window is there with the next frame")
	d = r.play(1) // frame 21: 100 px
	require.Equal(t, Pause, d.Advice)
	require.Equal(t, []string{ReasonEndpoint}, d.Reasons)
	require.True(t, d.Endpoint.Detected)
	require.Contains(t, d.Text, "pause milling: the end-point is reached, progress 100.0 %")

	r.rate = -5 // what is seen later does not undo it
	for range 20 {
		d = r.play(1)
		require.Equal(t, Pause, d.Advice)
		require.True(t, d.Endpoint.Detected)
	}
}

func TestFaultsAbstainAndLeaveTheEndPointAsItIs(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(o *Observation)
		reason string
	}{
		"no scale":       {func(o *Observation) { o.NmPerPx = nil }, ReasonNoScale},
		"scale mismatch": {func(o *Observation) { o.ScaleMismatch = true }, ReasonMismatch},
		"stale":          {func(o *Observation) { o.FrameTime = o.FrameTime.Add(-time.Minute) }, ReasonStale},
		"of the future":  {func(o *Observation) { o.FrameTime = o.DecisionTime.Add(time.Minute) }, ReasonClock},
		"clock set back": {func(o *Observation) {
			o.FrameTime, o.DecisionTime = o.FrameTime.Add(-time.Hour), o.DecisionTime.Add(-time.Hour)
		}, ReasonOrder},
		"duplicated":       {func(o *Observation) { o.Seq = 10 }, ReasonOrder},
		"reordered":        {func(o *Observation) { o.Seq, o.FrameTime = 7, o.FrameTime.Add(-3*time.Second) }, ReasonOrder},
		"gap":              {func(o *Observation) { o.Missing = 4 }, ReasonGap},
		"frozen":           {func(o *Observation) { o.Quality = []string{"frozen"} }, "IMAGE_FROZEN"},
		"blank":            {func(o *Observation) { o.Quality = []string{"blank"}; o.Drift, o.FrontPx = nil, nil }, "IMAGE_BLANK"},
		"incomplete":       {func(o *Observation) { o.Quality = []string{"charging", "incomplete"} }, "IMAGE_INCOMPLETE"},
		"drift unknown":    {func(o *Observation) { o.Drift.Success = false; o.FrontPx = nil }, ReasonNoDrift},
		"no drift":         {func(o *Observation) { o.Drift = nil }, ReasonNoDrift},
		"low confidence":   {func(o *Observation) { o.Confidence = ptr(0.1) }, ReasonUnsure},
		"front not finite": {func(o *Observation) { o.FrontPx = ptr(math.NaN()) }, ReasonUndefined},
		"area infinite":    {func(o *Observation) { o.AreaPx = ptr(math.Inf(1)) }, ReasonUndefined},
		"confidence NaN":   {func(o *Observation) { o.Confidence = ptr(math.NaN()) }, ReasonUnsure},
		"other field":      {func(o *Observation) { o.Fault = ReasonField }, ReasonField},
		"outside":          {func(o *Observation) { o.Fault = ReasonOutside }, ReasonOutside},
		"not analysed": {func(o *Observation) {
			*o = Observation{Seq: o.Seq, FrameTime: o.FrameTime, DecisionTime: o.DecisionTime, Fault: ReasonNoResult}
		}, ReasonNoResult},
	} {
		t.Run(name, func(t *testing.T) {
			r := rehearse(t, nil)
			r.play(10)
			o := r.next()
			c.spoil(&o)
			d := r.tracker.Decide(o)
			require.Equal(t, Abstain, d.Advice)
			require.Contains(t, d.Reasons, c.reason)
			require.Zero(t, d.Endpoint.ConsecutiveCount)
			require.NotContains(t, d.Text, c.reason, "it is said in words")
			_, err := json.Marshal(d)
			require.NoError(t, err, "no NaN")
			if name == "of the future" { // its time was taken for true
				require.Equal(t, []string{ReasonOrder}, r.play(1).Reasons)
			}
			require.Equal(t, Continue, r.play(1).Advice, "the next good frame counts again")

			// Never from PAUSE to CONTINUE over a bad frame, and no end-point from bad frames alone.
			r = rehearse(t, nil)
			require.Equal(t, Pause, r.play(21).Advice)
			o = r.next()
			c.spoil(&o)
			d = r.tracker.Decide(o)
			require.Equal(t, Abstain, d.Advice)
			require.True(t, d.Endpoint.Detected)
			require.Equal(t, Pause, r.play(2).Advice)
			if name == "clock set back" { // once, then it is the time
				return
			}

			r = rehearse(t, nil)
			r.play(18) // 85 px: the next are at the end
			for range 6 {
				o = r.next()
				c.spoil(&o)
				d = r.tracker.Decide(o)
				require.Equal(t, Abstain, d.Advice)
				require.False(t, d.Endpoint.Detected)
			}
		})
	}
}

// A wrong value or two must not end a run, nor hide its end.
func TestOutliersNeitherEndARunNorHideItsEnd(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	early, late, frames := 0, 0, 0
	const runs = 1000
	for range runs {
		r := rehearse(t, nil)
		r.rate = 1.2 + 4*rng.Float64()
		end := 0
		for i := 1; ; i++ {
			o := r.next()
			if end == 0 && r.front >= 100 {
				end = i
			}
			*o.FrontPx += 0.7 * rng.NormFloat64()
			if rng.Float64() < 0.04 {
				*o.FrontPx = 100 * rng.Float64() * 1.2
			}
			d := r.tracker.Decide(o)
			if d.Endpoint.Detected {
				if r.front < 100-2.5*r.rate {
					early++
				}
				if end > 0 && i > end+2 {
					late++
				}
				break
			}
			frames++
			require.Less(t, i, 400)
		}
	}
	require.LessOrEqual(t, early, frames/10000, "runs ended early, of %d frames", frames)
	require.LessOrEqual(t, late, runs/50, "runs ended late")
}

func TestOtherMetricsOfTheEndPoint(t *testing.T) {
	r := rehearse(t, func(p *Plan) { p.Endpoint.Metric, p.Endpoint.Threshold = MetricFront, 500 })
	require.Equal(t, Continue, r.play(10).Advice)
	d := r.play(1)
	require.Equal(t, Pause, d.Advice)
	require.InDelta(t, 500, *d.Endpoint.Value, 1e-9)
	require.InDelta(t, 0, *d.Geometry.RemainingM, 1e-18)

	r = rehearse(t, func(p *Plan) { p.Endpoint.Metric, p.Endpoint.Threshold, p.Endpoint.Advice = MetricArea, 1, Stop })
	require.Equal(t, Continue, r.play(10).Advice) // 45 px x 200 px x 100 nm² = 0.9 um²
	d = r.play(1)
	require.Equal(t, Stop, d.Advice)
	require.InDelta(t, 1, *d.Endpoint.Value, 1e-9)

	r = rehearse(t, func(p *Plan) { p.Endpoint.Metric, p.Endpoint.Threshold = MetricIntensity, 0.4 })
	r.play(10)
	for i := range 10 {
		o := r.next()
		o.Intensity = ptr(0.25)
		d = r.tracker.Decide(o)
		require.Equal(t, i >= 5, d.Endpoint.Detected, "frame %d: mean %.2f of a peak of %.2f", i, *d.Endpoint.RollingMean, *d.Endpoint.PeakRollingMean)
	}
	require.InDelta(t, 0.5, *d.Endpoint.PeakRollingMean, 1e-9)
	require.InDelta(t, 0.3, *d.Endpoint.ThresholdValue, 1e-9)
	require.InDelta(t, 0.5, *d.Endpoint.DropFraction, 1e-9)
}

func TestDriftIsToBeCorrectedUntilItIs(t *testing.T) {
	r := rehearse(t, nil)
	r.rate = 1
	r.play(5)
	at := func(px float64) string {
		o := r.next()
		o.Drift.XPx, o.Drift.YPx = 0.6*px, -0.8*px
		return r.tracker.Decide(o).Advice
	}
	require.Equal(t, Continue, at(9))
	require.Equal(t, Continue, at(11), "once")
	require.Equal(t, Realign, at(12), "twice in a row")
	require.Equal(t, Realign, at(8), "not yet back")
	require.Equal(t, Continue, at(4))
	require.Equal(t, Continue, at(8))
}

func TestRulesAdvise(t *testing.T) {
	r := rehearse(t, nil)
	r.rate = 1
	r.play(6)
	with := func(advice ...string) Decision {
		o := r.next()
		for _, a := range advice {
			o.Rules = append(o.Rules, RuleAdvice{"R_" + a, a})
		}
		return r.tracker.Decide(o)
	}
	require.Equal(t, Realign, with(Realign).Advice)
	require.Equal(t, Continue, with().Advice)
	d := with(Realign, Pause)
	require.Equal(t, Pause, d.Advice)
	require.Equal(t, []string{"RULE:R_REALIGN", "RULE:R_PAUSE"}, d.Reasons)
	require.Equal(t, Continue, with().Advice, "a rule that has cleared asks for nothing more")
	require.Equal(t, Stop, with(Stop).Advice)
	require.Equal(t, Stop, with().Advice, "what was to be stopped stays so")
}

// A recorded run gives the same decisions, whatever is done in between.
func TestARecordedRunIsReplayedWithEqualResults(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	r := rehearse(t, nil)
	var recorded []byte
	var decisions []Decision
	var lines [][]byte
	for range 40 {
		o := r.next()
		*o.FrontPx += rng.NormFloat64()
		if rng.Float64() < 0.2 {
			o.Quality = []string{"frozen"}
		}
		clone := r.tracker.Clone()
		clone.Decide(o)
		clone.Decide(o)
		decisions = append(decisions, r.tracker.Decide(o))
		recorded, _ = json.Marshal(o)
		lines = append(lines, recorded)
	}
	again := NewTracker(r.tracker.plan)
	for i, line := range lines {
		var o Observation
		require.NoError(t, json.Unmarshal(line, &o))
		require.Equal(t, decisions[i], again.Decide(o), "frame %d", i+1)
	}
}

func TestBadPlansAreRefusedInOneLine(t *testing.T) {
	for want, change := range map[string]func(*Plan){
		"milling.roi is missing":               func(p *Plan) { p.ROI = Rectangle{} },
		"is not inside the image":              func(p *Plan) { p.ROI = Rectangle{0.8, 0, 0.5, 0.5} },
		"use finite numbers":                   func(p *Plan) { p.ROI.Left = math.NaN() },
		`milling.beam is "PHOTON"`:             func(p *Plan) { p.Beam = "PHOTON" },
		`milling.scan_direction is "Up"`:       func(p *Plan) { p.ScanDirection = "Up" },
		`milling.endpoint.metric is "depth"`:   func(p *Plan) { p.Endpoint.Metric = "depth" },
		`milling.endpoint.advice is "REALIGN"`: func(p *Plan) { p.Endpoint.Advice = Realign },
		"milling.endpoint.threshold is 0":      func(p *Plan) { p.Endpoint.Threshold = 0 },
		"progress is followed to 1.2":          func(p *Plan) { p.Endpoint.Threshold = 2 },
		"below 1":                              func(p *Plan) { p.Endpoint.Metric, p.Endpoint.Threshold = MetricIntensity, 1 },
		"consecutive 0":                        func(p *Plan) { p.Endpoint.Consecutive = 0 },
		"window 1000":                          func(p *Plan) { p.Endpoint.Window = 1000 },
		"milling.realign_px is 0":              func(p *Plan) { p.RealignPx = 0 },
		"milling.min_confidence is 1":          func(p *Plan) { p.MinConfidence = 1 },
		"valid_for 0s":                         func(p *Plan) { p.ValidFor = 0 },
	} {
		plan := DefaultPlan()
		plan.ROI = Rectangle{0.25, 0.25, 0.5, 0.5}
		require.NoError(t, plan.Validate())
		change(&plan)
		err := plan.Validate()
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "\n")
	}
}

func BenchmarkDecide(b *testing.B) {
	plan := DefaultPlan()
	plan.ROI = Rectangle{0.25, 0.25, 0.5, 0.5}
	plan.Endpoint.Window = 20
	tracker := NewTracker(plan)
	o := Observation{NmPerPx: ptr(10.0), Drift: &Shift{Success: true}, FrontPx: ptr(1.0), FrontSDPx: ptr(0.3), AreaPx: ptr(1.0), LengthPx: 1e6, Intensity: ptr(0.5), Confidence: ptr(1.0)}
	at := time.Now()
	b.ReportAllocs()
	for i := range b.N {
		o.Seq, o.FrameTime, o.DecisionTime = uint64(i+1), at.Add(time.Duration(i)*time.Second), at.Add(time.Duration(i)*time.Second)
		tracker.Decide(o)
	}
}
