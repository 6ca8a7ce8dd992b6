package reporting

import "github.com/uni-aims/aimsd/metrics"

// classes is a distribution cut into classes for drawing.
type classes struct {
	rule       string
	edges      []float64 // one more than shares
	shares     []float64 // of the total weight, per class
	cumulative [][2]float64
	geometric  bool // classes of constant ratio, for a logarithmic axis
}

const maxCurvePoints = 400

// classify cuts the sample, times factor, into the classes that metrics.Histogram chooses. It returns nil
// without a value that counts.
func classify(d sample, factor float64) *classes {
	values := make([]float64, len(d.values))
	for i, v := range d.values {
		values[i] = v * factor
	}
	bins := metrics.Histogram(values, d.weights)
	if len(bins.Edges) < 2 {
		return nil
	}
	first, last := bins.Edges[0], bins.Edges[len(bins.Edges)-1]
	c := &classes{rule: bins.Rule, edges: bins.Edges, shares: make([]float64, len(bins.Weight)), geometric: first > 0 && last/first > 10}
	total := 0.0
	for _, w := range bins.Weight {
		total += w
	}
	for i, w := range bins.Weight {
		c.shares[i] = w / total
	}
	x, q := metrics.Cumulative(values, d.weights)
	every := max(1, len(x)/maxCurvePoints)
	c.cumulative = append(c.cumulative, [2]float64{first, 0})
	for i := range x {
		if i%every == 0 || i == len(x)-1 {
			c.cumulative = append(c.cumulative, [2]float64{x[i], q[i]})
		}
	}
	c.cumulative = append(c.cumulative, [2]float64{last, 1})
	return c
}
