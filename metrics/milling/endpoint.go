package milling

import (
	"math"
)

// endpoint brings the end-point's statistics up to a frame. A frame whose region was not seen changes nothing; one
// that abstains for another reason is remembered, but does not count toward the end-point.
func (t *Tracker) endpoint(o *Observation, d *Decision, isSeen, counts bool) {
	e, s := &t.plan.Endpoint, &d.Endpoint
	if isSeen {
		if v := t.value(o); v != nil {
			counts = counts && !t.unlikely(float64(o.Seq), *v)
			t.good++
			t.values = remember(t.values, sample{float64(o.Seq), *v}, e.Window)
			s.Value = v
		}
	}
	s.WarmupComplete = t.good >= e.WarmupFrames
	if len(t.values) > 0 {
		t.judge(o, d, isSeen && counts && s.Value != nil)
	}
	s.ConsecutiveCount, s.Detected = t.consecutive, t.detected
}

// unlikely reports whether a value lies far off the line through those before it: a frame read wrongly. It is remembered,
// so that a change that lasts is followed, but it neither counts toward the end-point nor against it.
func (t *Tracker) unlikely(x, v float64) bool {
	if len(t.values) < 3 || t.plan.Endpoint.Metric == MetricIntensity { // its mean is judged, and may drop at once
		return false
	}
	l := fit(t.values)
	since := x - t.values[len(t.values)-1].x
	limit := max(5*l.scatter(t.values), 3*math.Abs(l.slope)*since, leastSurprise*t.plan.Endpoint.Threshold)
	return math.Abs(v-l.at(x)) > limit
}

// rounding is what sums of equal steps may fall short of their end by.
const rounding = 1e-9

// leastSurprise is the share of the threshold by which a value may always be off.
const leastSurprise = 0.03

// value is the end-point's metric of a frame, nil where it needs a pixel size and there is none.
func (t *Tracker) value(o *Observation) *float64 {
	switch t.plan.Endpoint.Metric {
	case MetricProgress:
		return ptr(*o.FrontPx / o.LengthPx)
	case MetricIntensity:
		return o.Intensity
	}
	if o.NmPerPx == nil {
		return nil
	}
	nm := *o.NmPerPx
	if t.plan.Endpoint.Metric == MetricFront {
		return ptr(*o.FrontPx * nm)
	}
	return ptr(*o.AreaPx * nm * nm * um2PerNm2)
}

const um2PerNm2 = 1e-6

// judge compares the last values with the threshold.
//
// What grows is judged by a robust line through the window, not by its mean, which lags half a window behind; and
// since it takes Consecutive frames to be sure, the line is followed as far ahead: the end-point is told when it is
// there, not when it is past. The frame's own value must agree. What drops (intensity) is judged by its rolling mean
// and peak.
func (t *Tracker) judge(o *Observation, d *Decision, counts bool) {
	e, s := &t.plan.Endpoint, &d.Endpoint
	mean := 0.0
	for _, v := range t.values {
		mean += v.y / float64(len(t.values))
	}
	if s.WarmupComplete && (t.peak < mean || t.good == e.WarmupFrames) {
		t.peak = mean
	}
	s.RollingMean = ptr(mean)
	l := fit(t.values)
	now := float64(o.Seq)
	s.Estimate = ptr(l.at(now))
	if len(t.values) >= 3 {
		sd := l.scatter(t.values) * math.Sqrt(1.5/float64(len(t.values))) // of the line's end, about, where it is used
		if o.FrontSDPx != nil && e.Metric == MetricProgress {
			sd = math.Hypot(sd, *o.FrontSDPx/o.LengthPx)
		}
		d.Uncertainty = ptr(sd)
	}
	var beyond bool
	if e.Metric == MetricIntensity {
		s.ThresholdValue = ptr((1 - e.Threshold) * t.peak)
		beyond = mean < *s.ThresholdValue
	} else {
		s.ThresholdValue = ptr(e.Threshold)
		ahead := max(l.slope, 0) * float64(e.Consecutive-1)
		last := t.values[len(t.values)-1].y
		threshold := e.Threshold * (1 - rounding)
		beyond = l.at(now)+ahead >= threshold && last+ahead+max(l.slope, 0) >= threshold
	}
	if s.WarmupComplete {
		s.PeakRollingMean = ptr(t.peak)
		if t.peak > 0 {
			s.DropFraction = ptr(mean / t.peak)
		}
	}
	switch {
	case !counts || !s.WarmupComplete: // it neither counts nor interrupts
	case beyond:
		t.consecutive++
		t.detected = t.detected || t.consecutive >= e.Consecutive
	default:
		t.consecutive = 0
	}
}

// geometry is where the region stands after a frame.
func (t *Tracker) geometry(o *Observation) *Geometry {
	g := &Geometry{MilledAreaPx: o.AreaPx, FrontPx: o.FrontPx, Progress: ptr(*o.FrontPx / o.LengthPx)}
	if o.NmPerPx == nil {
		return g
	}
	m := *o.NmPerPx * metresPerNm
	g.MilledAreaM2, g.FrontM = ptr(*o.AreaPx*m*m), ptr(*o.FrontPx*m)
	target := o.LengthPx * m
	switch e := t.plan.Endpoint; e.Metric {
	case MetricProgress:
		target *= e.Threshold
	case MetricFront:
		target = e.Threshold * metresPerNm
	}
	g.RemainingM = ptr(max(target-*g.FrontM, 0))
	if len(t.fronts) < 3 || t.fronts[0].x == t.fronts[len(t.fronts)-1].x {
		return g
	}
	rate := fit(t.fronts).slope * m
	g.RateMPerS = ptr(rate)
	if rate > 0 {
		if eta := *g.RemainingM / rate; eta < longestEtaS {
			g.EtaS = ptr(eta)
		}
	}
	return g
}

const (
	metresPerNm = 1e-9
	longestEtaS = 30 * 86400 // beyond it nothing moves
)

func ptr(v float64) *float64 { return &v }
