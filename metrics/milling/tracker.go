package milling

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Bounds of what a tracker makes of values.
const (
	rateWindow     = 9               // good frames that the rate is taken from, at least the end-point's window
	clockTolerance = 2 * time.Second // a frame may be so far ahead of the clock: file systems and instruments round
	realignHold    = 2               // frames in a row beyond realign_px before it is advised
	realignClear   = 0.5             // share of realign_px below which it is not advised any more
)

// unusable are the words of image_quality that make a frame say nothing.
func unusable() []string { return []string{"blank", "incomplete", "frozen", "blurred"} }

// Tracker turns a run's observations into decisions, in the order they come. It is a function of them: the same
// observations give the same decisions. It is not safe for concurrent use.
type Tracker struct {
	plan Plan

	begun             bool
	lastSeq           uint64
	lastTime, decided time.Time
	good              int      // frames that a value was taken from
	values            []sample // of the end-point's metric, by frame number; the newest last
	fronts            []sample // front in px, by time in s
	start             time.Time
	peak              float64 // of the rolling mean
	consecutive       int
	detected          bool
	stop              bool // a rule asked for it once
	driftedFor        int
	realign           bool
}

// NewTracker begins a run. The plan must be valid.
func NewTracker(plan Plan) *Tracker { return &Tracker{plan: plan} }

// Clone is a tracker that knows the same and goes its own way.
func (t *Tracker) Clone() *Tracker {
	c := *t
	c.values, c.fronts = slices.Clone(t.values), slices.Clone(t.fronts)
	return &c
}

// Decide takes the next frame's observation. Only good frames move what is remembered; others abstain, and leave an
// end-point that was reached as it is.
func (t *Tracker) Decide(o Observation) Decision {
	d := Decision{ValidUntil: o.DecisionTime.Add(t.plan.ValidFor), Endpoint: EndpointState{Metric: t.plan.Endpoint.Metric}}
	faults := t.faults(&o)
	ordered := !slices.Contains(faults, ReasonOrder)
	if !t.begun || o.Seq > t.lastSeq {
		if !ordered || slices.Contains(faults, ReasonClock) {
			t.fronts = nil // a clock was set: rates begin anew
		}
		t.begun, t.lastSeq, t.lastTime, t.decided = true, o.Seq, o.FrameTime, o.DecisionTime
	}
	if ordered && seen(&o) {
		t.learn(&o)
		d.Geometry = t.geometry(&o)
	}
	t.endpoint(&o, &d, ordered && seen(&o), len(faults) == 0)
	d.Advice, d.Reasons = t.advise(&o, faults)
	d.Text = t.text(&o, &d)
	return d
}

// faults are the reasons why a frame says nothing.
func (t *Tracker) faults(o *Observation) (reasons []string) {
	add := func(when bool, reason string) {
		if when && !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	add(t.begun && (o.Seq <= t.lastSeq || o.FrameTime.Before(t.lastTime)), ReasonOrder)
	add(o.Missing > 0, ReasonGap)
	add(o.DecisionTime.Sub(o.FrameTime) > t.plan.StaleAfter, ReasonStale)
	add(o.FrameTime.Sub(o.DecisionTime) > clockTolerance, ReasonClock)
	add(t.begun && o.DecisionTime.Before(t.decided.Add(-clockTolerance)), ReasonClock)
	add(o.NmPerPx == nil && o.Fault != ReasonNoResult, ReasonNoScale)
	add(o.ScaleMismatch, ReasonMismatch)
	for _, flag := range o.Quality {
		add(slices.Contains(unusable(), flag), ReasonQuality+strings.ToUpper(flag))
	}
	add(o.Fault != "", o.Fault)
	if o.Fault == "" && len(badQuality(o)) == 0 {
		add(o.Drift == nil || !o.Drift.Success, ReasonNoDrift)
		add(o.Drift != nil && o.Drift.Success && (o.Confidence == nil || !(*o.Confidence >= t.plan.MinConfidence)), ReasonUnsure)
		add(!finite(o.FrontPx) || !finite(o.AreaPx) || !finite(o.Intensity) || !finite(o.NmPerPx), ReasonUndefined)
	}
	return reasons
}

func badQuality(o *Observation) []string {
	return slices.DeleteFunc(slices.Clone(o.Quality), func(flag string) bool { return !slices.Contains(unusable(), flag) })
}

// finite reports whether a value is a number; one that is not known is none that is wrong.
func finite(v *float64) bool { return v == nil || isFinite(*v) }

// seen reports whether a frame shows where the milled region stands.
func seen(o *Observation) bool {
	return o.Fault == "" && len(badQuality(o)) == 0 && o.Drift != nil && o.Drift.Success &&
		o.FrontPx != nil && o.AreaPx != nil && o.Intensity != nil && o.Confidence != nil &&
		finite(o.FrontPx) && finite(o.AreaPx) && finite(o.Intensity) && finite(o.Confidence) && finite(o.NmPerPx)
}

// learn remembers a frame's values.
func (t *Tracker) learn(o *Observation) {
	if len(t.fronts) == 0 {
		t.start = o.FrameTime
	}
	t.fronts = remember(t.fronts, sample{o.FrameTime.Sub(t.start).Seconds(), *o.FrontPx}, max(rateWindow, t.plan.Endpoint.Window))
	drift := math.Hypot(o.Drift.XPx, o.Drift.YPx)
	switch {
	case drift > t.plan.RealignPx:
		t.driftedFor++
		t.realign = t.realign || t.driftedFor >= realignHold
	case drift < realignClear*t.plan.RealignPx:
		t.driftedFor, t.realign = 0, false
	default:
		t.driftedFor = 0
	}
}

func remember(list []sample, s sample, most int) []sample {
	list = append(list, s)
	if len(list) > most {
		list = slices.Delete(list, 0, len(list)-most)
	}
	return list
}

// advise chooses an advice and says why.
func (t *Tracker) advise(o *Observation, faults []string) (advice string, reasons []string) {
	advice, reasons = Continue, []string{}
	raise := func(to, reason string) {
		reasons = append(reasons, reason)
		if urgency(to) > urgency(advice) {
			advice = to
		}
	}
	for _, r := range o.Rules {
		t.stop = t.stop || r.Advice == Stop
		raise(r.Advice, ReasonRule+":"+r.Code)
	}
	if t.stop {
		advice = Stop
	}
	if t.detected {
		raise(t.plan.Endpoint.Advice, ReasonEndpoint)
	}
	if t.realign {
		raise(Realign, ReasonDrift)
	}
	if len(faults) > 0 {
		return Abstain, faults
	}
	if o.Reference {
		reasons = append(reasons, ReasonReference)
	}
	if t.good < t.plan.Endpoint.WarmupFrames {
		reasons = append(reasons, ReasonWarmup)
	}
	return advice, reasons
}

func urgency(advice string) int {
	return slices.Index([]string{Continue, Realign, Pause, Stop}, advice)
}
