package reporting

import (
	"maps"
	"math"

	"github.com/uni-aims/aimsd/metrics"
)

// JSON has no NaN and no infinity: what is undefined is null, or zero where null has no place.

func finite(p *float64) *float64 {
	if p == nil || !isFinite(*p) {
		return nil
	}
	return p
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func finiteOr0(v float64) float64 {
	if !isFinite(v) {
		return 0
	}
	return v
}

func finiteStats(stats map[string]metrics.Stat) map[string]metrics.Stat {
	out := make(map[string]metrics.Stat, len(stats))
	for column, s := range stats {
		for _, p := range []**float64{&s.Min, &s.Max, &s.Mean, &s.SD, &s.P10, &s.P50, &s.P90} {
			*p = finite(*p)
		}
		out[column] = s
	}
	return out
}

// finiteMap replaces numbers that JSON cannot say by null, at any depth of maps and lists.
func finiteMap(m map[string]any) map[string]any {
	out := maps.Clone(m)
	for k, v := range out {
		out[k] = finiteAny(v)
	}
	return out
}

func finiteAny(v any) any {
	switch v := v.(type) {
	case float64:
		if !isFinite(v) {
			return nil
		}
	case float32:
		if !isFinite(float64(v)) {
			return nil
		}
	case *float64:
		if finite(v) == nil {
			return nil
		}
	case []float64:
		out := make([]any, len(v))
		for i := range v {
			out[i] = finiteAny(v[i])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = finiteAny(v[i])
		}
		return out
	case map[string]any:
		return finiteMap(v)
	}
	return v
}

func (t Timings) finite() Timings {
	for _, v := range []*float64{&t.Decode, &t.Scale, &t.Normalise, &t.Infer, &t.Stitch, &t.Dynamics, &t.Measure, &t.Write, &t.Total} {
		*v = finiteOr0(*v)
	}
	return t
}

// Finite returns the result with null for every value that is not finite and with empty lists and maps in
// place of nil ones: what can be written as JSON.
func (r Result) Finite() Result {
	if r.Schema == "" {
		r.Schema = ResultSchema
	}
	r.Scale.NmPerPx = finite(r.Scale.NmPerPx)
	if r.Scale.Bar != nil {
		b := *r.Scale.Bar
		b.Value = finite(b.Value)
		for _, v := range []*float64{&b.X0, &b.Y0, &b.X1, &b.Y1, &b.LengthPx, &b.Confidence} {
			*v = finiteOr0(*v)
		}
		r.Scale.Bar = &b
	}
	if r.Scale.Checks == nil {
		r.Scale.Checks = []Check{}
	}
	if r.ImageQuality == nil {
		r.ImageQuality = []string{}
	}
	if r.Quality != nil {
		q := *r.Quality
		for _, v := range []**float64{&q.Sharpness, &q.Noise, &q.SaturatedShare, &q.Charging, &q.Curtaining, &q.CurtainingDeg, &q.CompleteShare} {
			*v = finite(*v)
		}
		r.Quality = &q
	}
	r.Statistics = finiteStats(r.Statistics)
	r.DensityPerUm2, r.AreaFraction, r.Confidence = finite(r.DensityPerUm2), finite(r.AreaFraction), finite(r.Confidence)
	r.Acquisition = finiteMap(r.Acquisition)
	r.TimingsMs = r.TimingsMs.finite()
	if r.Milling != nil {
		m := *r.Milling
		m.Observation = m.Observation.Finite()
		if m.Decision != nil {
			d := m.Decision.Finite()
			m.Decision = &d
		}
		r.Milling = &m
	}
	return r
}
