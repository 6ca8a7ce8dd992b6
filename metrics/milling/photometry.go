package milling

import (
	"math"
	"slices"

	"github.com/uni-aims/aimsd/metrics"
)

// photometry makes a frame's grey levels those of the reference where nothing was milled: a gain and an offset for
// the whole (the detector's settings drift) and an offset for each row (charging, line jitter), from the surround of
// the region alone. What is left there is the noise.
type photometry struct {
	gain, offset float64
	sigma        float64 // robust standard deviation of frame minus reference, in the reference's grey levels
	values       []float32
}

const (
	block      = 8         // px, side of the blocks that gain is taken from
	leastGuard = 24        // px of a row's surround for an offset of its own
	sigmaFloor = 0.5 / 255 // grey levels are whole numbers
)

// match brings cur to the levels of ref, in place. Keep is the part that may have been milled.
func (p *photometry) match(cur, ref *window, keep metrics.Rect) {
	p.linear(cur, ref, keep)
	gain, offset := float32(p.gain), float32(p.offset)
	var deviations []float32
	for y := cur.Y0; y < cur.Y1; y++ {
		c, r := cur.row(y), ref.row(y)
		for i := range c {
			c[i] = (c[i] - offset) / gain
		}
		p.values = p.values[:0]
		for i := range c {
			if x := cur.X0 + i; y < keep.Y0 || y >= keep.Y1 || x < keep.X0 || x >= keep.X1 {
				p.values = append(p.values, c[i]-r[i])
			}
		}
		if len(p.values) < leastGuard {
			continue
		}
		slices.Sort(p.values)
		m := p.values[len(p.values)/2]
		for i := range c {
			c[i] -= m
		}
		for i := 0; i < len(p.values); i += 3 { // a third of them is enough
			deviations = append(deviations, float32(math.Abs(float64(p.values[i]-m))))
		}
	}
	p.sigma = sigmaFloor
	if len(deviations) > 0 {
		slices.Sort(deviations)
		p.sigma = max(sigmaFloor, madToSD*float64(deviations[len(deviations)/2]))
	}
}

// linear fits cur = gain ref + offset over means of blocks in the surround, twice: the second time without what lies
// far off. Where the reference has hardly any contrast, the gain is 1.
func (p *photometry) linear(cur, ref *window, keep metrics.Rect) {
	type pair struct{ r, c float64 }
	var pairs []pair
	for y := cur.Y0; y+block <= cur.Y1; y += block {
		for x := cur.X0; x+block <= cur.X1; x += block {
			if intersect(metrics.Rect{X0: x, Y0: y, X1: x + block, Y1: y + block}, keep) != (metrics.Rect{}) {
				continue
			}
			var q pair
			for v := y; v < y+block; v++ {
				c, r := cur.row(v)[x-cur.X0:], ref.row(v)[x-cur.X0:]
				for i := range block {
					q.c += float64(c[i])
					q.r += float64(r[i])
				}
			}
			pairs = append(pairs, pair{q.r / (block * block), q.c / (block * block)})
		}
	}
	p.gain, p.offset = 1, 0
	for range 2 {
		var n, sr, sc, rr, rc float64
		for _, q := range pairs {
			n, sr, sc, rr, rc = n+1, sr+q.r, sc+q.c, rr+q.r*q.r, rc+q.r*q.c
		}
		if n < 8 {
			break
		}
		mr, mc := sr/n, sc/n
		const leastVariance = 4e-5 // (0.6 % of full scale)²
		if v := rr/n - mr*mr; v > leastVariance {
			p.gain = min(max((rc/n-mr*mc)/v, 0.4), 2.5)
		}
		p.offset = mc - p.gain*mr
		off := make([]float64, len(pairs))
		for i, q := range pairs {
			off[i] = math.Abs(q.c - p.gain*q.r - p.offset)
		}
		limit := 3 * madToSD * median(slices.Clone(off))
		kept := pairs[:0]
		for i, q := range pairs {
			if off[i] <= limit {
				kept = append(kept, q)
			}
		}
		pairs = kept
	}
}
