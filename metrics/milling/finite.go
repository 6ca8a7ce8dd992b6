package milling

import (
	"math"
)

// Finite is the observation without what is not a number: it is then unknown, and the frame abstains because of it.
func (o Observation) Finite() Observation {
	clear := func(p **float64) {
		if *p != nil && !isFinite(**p) {
			*p = nil
			o.Fault = ReasonUndefined
		}
	}
	for _, p := range []**float64{&o.NmPerPx, &o.FrontPx, &o.FrontSDPx, &o.AreaPx, &o.Intensity, &o.Confidence} {
		clear(p)
	}
	if d := o.Drift; d != nil && !(isFinite(d.XPx) && isFinite(d.YPx) && isFinite(d.Score) && isFinite(d.MaxDisagreementPx)) {
		o.Drift, o.Fault = nil, ReasonUndefined
	}
	if !isFinite(o.LengthPx) {
		o.LengthPx, o.Fault = 0, ReasonUndefined
	}
	return o
}

// Finite is the decision without what is not a number.
func (d Decision) Finite() Decision {
	known := func(p *float64) *float64 {
		if p != nil && !isFinite(*p) {
			return nil
		}
		return p
	}
	d.Uncertainty = known(d.Uncertainty)
	e := &d.Endpoint
	for _, p := range []**float64{&e.Value, &e.RollingMean, &e.PeakRollingMean, &e.ThresholdValue, &e.DropFraction, &e.Estimate} {
		*p = known(*p)
	}
	if d.Geometry != nil {
		g := *d.Geometry
		for _, p := range []**float64{&g.MilledAreaPx, &g.MilledAreaM2, &g.FrontPx, &g.FrontM, &g.Progress, &g.RemainingM, &g.RateMPerS, &g.EtaS} {
			*p = known(*p)
		}
		d.Geometry = &g
	}
	return d
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
