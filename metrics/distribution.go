package metrics

import (
	"cmp"
	"math"
	"slices"
)

// sample is a value, its weight and its place among the values given.
type sample struct {
	x, w float64
	at   int32
}

// samples pairs values with weights (nil: all 1), sorted by value, equal values in the order given, so that
// percentiles are the same for everyone who sorts the same rows; those that are not finite or weigh nothing
// are left out.
func samples(values, weights []float64) []sample {
	s := make([]sample, 0, len(values))
	for i, x := range values {
		w := 1.0
		if weights != nil {
			w = weights[i]
		}
		if w > 0 && !math.IsInf(w, 1) && !math.IsNaN(x) && !math.IsInf(x, 0) {
			s = append(s, sample{x, w, int32(i)})
		}
	}
	slices.SortFunc(s, func(a, b sample) int { // twice as fast as a stable sort
		switch {
		case a.x < b.x:
			return -1
		case a.x > b.x:
			return 1
		}
		return cmp.Compare(a.at, b.at)
	})
	return s
}

func total(s []sample) (w float64) {
	for i := range s {
		w += s[i].w
	}
	return w
}

// QuantileHazen returns the weighted quantile of x at p in 0..1: each value stands at the middle of its
// own weight, c_i = (sum of lighter weights + w_i/2) / sum, with linear interpolation between. Outside
// c_1..c_n it is the smallest or largest value, and extrapolated is true. Weights nil means all 1; values
// that are not finite or weigh nothing do not count; without any the result is NaN.
// It panics when the lengths differ.
func QuantileHazen(x, w []float64, p float64) (q float64, extrapolated bool) {
	mustMatch(x, w)
	s := samples(x, w)
	return hazen(s, total(s), p)
}

// hazen is QuantileHazen on sorted samples whose weights add up to sum.
func hazen(s []sample, sum, p float64) (q float64, extrapolated bool) {
	if len(s) == 0 || math.IsNaN(p) {
		return math.NaN(), false
	}
	below, previous := 0.0, 0.0
	for i := range s {
		c := (below + s[i].w/2) / sum
		if c >= p {
			if i == 0 {
				return s[0].x, c > p
			}
			t := (p - previous) / (c - previous)
			return s[i-1].x + t*(s[i].x-s[i-1].x), false
		}
		below += s[i].w
		previous = c
	}
	return s[len(s)-1].x, true
}

// Cumulative returns the distribution curve Q(x) that QuantileHazen inverts: ascending values and, for
// each, the share of weight below it with half of its own. Arguments are as in QuantileHazen.
func Cumulative(values, weights []float64) (x, q []float64) {
	mustMatch(values, weights)
	s := samples(values, weights)
	sum := total(s)
	x, q = make([]float64, len(s)), make([]float64, len(s))
	below := 0.0
	for i := range s {
		x[i], q[i] = s[i].x, (below+s[i].w/2)/sum
		below += s[i].w
	}
	return x, q
}

// Bins is a histogram. Bin i covers Edges[i] up to but without Edges[i+1]; the last one includes its end.
type Bins struct {
	Rule    string    // "geometric R10" or "Freedman-Diaconis", "single" when all values are equal
	Edges   []float64 // ascending, one more than bins; nil without values
	Weight  []float64 // per bin
	Density []float64 // share of the weight per unit of x: what to plot, since bins may differ in width
}

const (
	binsPerDecade = 10  // the R10 series of preferred numbers (ISO 3)
	mostBins      = 256 // more would show single particles
)

// Histogram bins values by weight. When they span more than a factor of 10 the bins are geometric, ten to
// a decade at 10^(k/10); else they are equally wide after Freedman and Diaconis, 2 IQR / n^(1/3), with n
// the effective number (sum w)²/(sum w²). Arguments are as in QuantileHazen.
func Histogram(values, weights []float64) Bins {
	mustMatch(values, weights)
	s := samples(values, weights)
	if len(s) == 0 {
		return Bins{Rule: "single"}
	}
	lo, hi := s[0].x, s[len(s)-1].x
	var b Bins
	switch {
	case lo == hi:
		pad := max(math.Abs(lo)/20, math.SmallestNonzeroFloat32)
		b = Bins{Rule: "single", Edges: []float64{lo - pad, lo + pad}}
	case lo > 0 && hi/lo > 10:
		b = Bins{Rule: "geometric R10", Edges: geometricEdges(lo, hi)}
	default:
		b = Bins{Rule: "Freedman-Diaconis", Edges: equalEdges(s)}
	}
	n := len(b.Edges) - 1
	b.Weight, b.Density = make([]float64, n), make([]float64, n)
	bin := 0
	for _, v := range s {
		for bin < n-1 && v.x >= b.Edges[bin+1] {
			bin++
		}
		b.Weight[bin] += v.w
	}
	sum := total(s)
	for i := range n {
		b.Density[i] = b.Weight[i] / sum / (b.Edges[i+1] - b.Edges[i])
	}
	return b
}

func geometricEdges(lo, hi float64) []float64 {
	first, last := math.Floor(math.Log10(lo)*binsPerDecade), math.Ceil(math.Log10(hi)*binsPerDecade)
	step := max(1, math.Ceil((last-first)/mostBins))
	var edges []float64
	for k := first; ; k += step {
		e := math.Pow(10, k/binsPerDecade)
		if len(edges) == 0 {
			e = min(e, lo) // Log10 may round up
		}
		edges = append(edges, e)
		if e >= hi {
			return edges
		}
	}
}

func equalEdges(s []sample) []float64 {
	lo, hi := s[0].x, s[len(s)-1].x
	sum, squares := total(s), 0.0
	for i := range s {
		squares += s[i].w * s[i].w
	}
	q1, _ := hazen(s, sum, 0.25)
	q3, _ := hazen(s, sum, 0.75)
	effective := sum * sum / squares
	bins := math.Ceil(2 * math.Cbrt(effective)) // Rice, for a sample without spread in its middle half
	if width := 2 * (q3 - q1) / math.Cbrt(effective); width > 0 {
		bins = math.Ceil((hi - lo) / width)
	}
	n := int(min(max(bins, 1), mostBins))
	edges := make([]float64, n+1)
	for i := range edges {
		edges[i] = lo + (hi-lo)*float64(i)/float64(n)
	}
	edges[n] = hi
	return slices.Compact(edges) // a span of a few ulps has fewer
}

func mustMatch(x, w []float64) {
	if w != nil && len(w) != len(x) {
		panic("metrics: values and weights differ in length")
	}
}
