package metrics

import (
	"maps"
	"math"
	"runtime"
	"sync/atomic"
)

// EdgePolicy names what Summarise does about objects cut off by the border: they are left out, and the
// others weigh in as much as objects of their extent are lost that way.
const EdgePolicy = "exclude_touching+miles_lantuejoul"

// Summarise returns the statistics of every CSV column but the plain ones, and the frame's totals.
//
// Objects at the edge and undefined values are excluded, so n + n_excluded is the number of objects. Mean,
// standard deviation and percentiles (Hazen) are weighted by WeightML; min and max are not. The standard
// deviation is sqrt(sum w (x-mean)² / sum w * n/(n-1)), nil for fewer than two values. The density is the
// sum of weights over the analysed area, as a reader of the CSV can check; it is low by the border pixels'
// share, 2/width + 2/height. Opt must be the one that the objects were measured with.
func Summarise(objects []Object, opt Options, width, height int) Summary {
	s := Summary{Objects: len(objects), EdgePolicy: EdgePolicy, Statistics: statistics(objects, opt.NmPerPx)}

	var area, weight, confidence float64
	n := 0
	for i := range objects {
		o := &objects[i]
		area += o.Area - o.AreaOutside
		if !o.Edge {
			weight += o.WeightML
		}
		if !math.IsNaN(o.Confidence) {
			confidence += o.Confidence
			n++
		}
	}
	if px := float64(opt.AnalysedArea(width, height)); px > 0 {
		s.AreaFraction = area / px
		if nm := scale(opt.NmPerPx); !math.IsNaN(nm) {
			s.DensityPerUm2 = finite(weight / (px * nm * nm / 1e6))
		}
	}
	if n > 0 {
		s.Confidence = finite(confidence / float64(n))
	}
	return s
}

// statistics works on px columns in parallel; nm columns are multiples of them.
func statistics(objects []Object, nmPerPx float64) map[string]Stat {
	columns := Columns()
	stats := make([]Stat, len(columns))
	var next atomic.Int64
	workers := 1
	if len(objects) > 1000 {
		workers = min(runtime.GOMAXPROCS(0), len(columns))
	}
	parallel(workers, func(int) {
		for {
			i := int(next.Add(1) - 1)
			if i >= len(columns) {
				return
			}
			if c := &columns[i]; !c.Plain && c.of == "" {
				stats[i] = columnStat(objects, func(o *Object) float64 { return c.Get(o, 0) })
			}
		}
	})
	byName := make(map[string]Stat, len(columns))
	for i := range columns {
		if !columns[i].Plain && columns[i].of == "" {
			byName[columns[i].Name] = stats[i]
		}
	}
	scaled := make(map[string]Stat)
	for i := range columns {
		if c := &columns[i]; c.of != "" {
			scaled[c.Name] = byName[c.of].times(math.Pow(scale(nmPerPx), float64(c.power)))
		}
	}
	maps.Copy(byName, scaled)
	return byName
}

func columnStat(objects []Object, get func(o *Object) float64) Stat {
	values, weights := make([]float64, 0, len(objects)), make([]float64, 0, len(objects))
	for i := range objects {
		if o := &objects[i]; !o.Edge {
			values, weights = append(values, get(o)), append(weights, o.WeightML)
		}
	}
	return stat(samples(values, weights), len(objects))
}

// Describe summarises values with weights (nil: all 1) as Summarise does a column of one frame: values that
// are not finite or weigh nothing are excluded, the standard deviation has n-1 in its denominator, and
// percentiles are weighted Hazen.
func Describe(values, weights []float64) Stat { return stat(samples(values, weights), len(values)) }

// stat summarises sorted samples, a selection out of all.
func stat(s []sample, all int) Stat {
	st := Stat{N: len(s), NExcluded: all - len(s)}
	if len(s) == 0 {
		return st
	}
	sum, mean := total(s), 0.0
	for i := range s {
		mean += s[i].w * s[i].x
	}
	low, high := s[0].x, s[len(s)-1].x
	mean = min(max(mean/sum, low), high) // rounding must not take it beyond the values
	st.Min, st.Max, st.Mean = finite(low), finite(high), finite(mean)
	if n := float64(len(s)); n > 1 {
		square := 0.0
		for i := range s {
			d := s[i].x - mean
			square += s[i].w * d * d
		}
		st.SD = finite(math.Sqrt(square / sum * n / (n - 1)))
	}
	percentile := func(p float64) *float64 {
		q, _ := hazen(s, sum, p)
		return finite(q)
	}
	st.P10, st.P50, st.P90 = percentile(0.1), percentile(0.5), percentile(0.9)
	return st
}

// times converts the statistics to a unit factor times as small; without one nothing is defined.
func (s Stat) times(factor float64) Stat {
	if math.IsNaN(factor) {
		return Stat{NExcluded: s.N + s.NExcluded}
	}
	for _, v := range []**float64{&s.Min, &s.Max, &s.Mean, &s.SD, &s.P10, &s.P50, &s.P90} {
		if *v != nil {
			*v = finite(**v * factor)
		}
	}
	return s
}

// finite returns nil for what JSON cannot hold.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
