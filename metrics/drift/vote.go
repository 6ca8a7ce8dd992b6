package drift

import (
	"cmp"
	"math"
	"slices"
)

// vote is what a single tile says about the shift that was found from many.
type vote struct {
	coherence float64 // -1..1 at that shift
	noise     float64 // the same a quarter of a turn away, where only chance is
	x, y      float64 // px from that shift to the tile's own; NaN: it has none
	weight    float64 // in the next round
}

const (
	leastSpreadPx = 0.15 // tiles closer than that to their median agree
	undecided     = 0.3  // weight of a tile without a shift of its own
	maxStepPx     = 1
	rimShare      = 0.9
)

// vote asks each tile about the shift of its set, or of all, and weighs it: changed content and noise lose their weight for want
// of coherence, overlays that stand still for disagreeing with the majority, however clear they are.
func (f *fine) vote(s *fineScratch, all bool) {
	parallel(len(s.tiles), len(s.votes), func(_, t int) {
		s.votes[t] = vote{}
		if s.energy[t] > 0 {
			_, _, k := f.corner(t)
			if all {
				k = 2
			}
			s.votes[t] = f.ask(&s.pools[k], s, t)
		}
	})
	if all {
		return
	}
	for set := range 2 {
		f.agree(s, set)
	}
}

// ask compares a tile with a pool.
func (f *fine) ask(p *pool, s *fineScratch, t int) vote {
	var both, inRef, inNew [tileBands]float64
	for b, w := range p.weight {
		if r, n := f.power[t][b], s.power[t][b]; r > 0 && n > 0 {
			both[b], inRef[b], inNew[b] = w/math.Sqrt(r*n), w/r, w/n
		}
	}
	half := len(f.fx)
	var in, out, r, n, gx, gy, xx, xy, yy float64
	for y, fy := range f.fy {
		for x, fx := range f.fx {
			i := y*half + x
			b := f.band[i]
			if b == skip || p.scale[i] == 0 {
				continue
			}
			v, u, k := f.refs[t][i], s.spectra[t][i], p.scale[i]
			c := complex(real(v)*real(u)+imag(v)*imag(u), real(v)*imag(u)-imag(v)*real(u)) * p.ex[x] * p.ey[y]
			re, im := real(c)*k*both[b], imag(c)*k*both[b]
			in += re
			out += im
			r += (real(v)*real(v) + imag(v)*imag(v)) * k * inRef[b]
			n += (real(u)*real(u) + imag(u)*imag(u)) * k * inNew[b]
			gx -= fx * im
			gy -= fy * im
			xx += fx * fx * re
			xy += fx * fy * re
			yy += fy * fy * re
		}
	}
	if r <= 0 || n <= 0 {
		return vote{}
	}
	scale := 1 / math.Sqrt(r*n)
	o := vote{coherence: in * scale, noise: out * scale, x: math.NaN(), y: math.NaN()}
	if det := xx*yy - xy*xy; xx > 0 && det > 0 {
		dx, dy := (yy*gx-xy*gy)/det, (xx*gy-xy*gx)/det
		if math.Abs(dx) < maxStepPx && math.Abs(dy) < maxStepPx {
			o.x, o.y = dx, dy
		}
	}
	c := min(max(o.coherence, 0), capCoherence)
	o.weight = c / (1 - c*c)
	return o
}

// agree lowers the weights of a set's tiles that are far from the median of all, in which no tile counts much more than
// another.
func (f *fine) agree(s *fineScratch, set int) {
	each := func(do func(v *vote)) {
		for t := range s.votes {
			if _, _, in := f.corner(t); in == set && s.votes[t].weight > 0 {
				do(&s.votes[t])
			}
		}
	}
	s.sorted = s.sorted[:0]
	each(func(v *vote) { s.sorted = append(s.sorted, v.weight) })
	if len(s.sorted) < 3 {
		return
	}
	slices.Sort(s.sorted)
	top := s.sorted[len(s.sorted)/2]
	median := func(of func(v *vote) float64) float64 {
		s.order = s.order[:0]
		var sum float64
		each(func(v *vote) {
			if x := of(v); !math.IsNaN(x) {
				s.order = append(s.order, weighted{x, min(v.weight, top)})
				sum += min(v.weight, top)
			}
		})
		slices.SortFunc(s.order, func(a, b weighted) int { return cmp.Compare(a.value, b.value) })
		for _, o := range s.order {
			if sum -= 2 * o.weight; sum <= 0 { // half of the weight is below
				return o.value
			}
		}
		return 0
	}
	x, y := median(func(v *vote) float64 { return v.x }), median(func(v *vote) float64 { return v.y })
	far := func(v *vote) float64 { return math.Hypot(v.x-x, v.y-y) }
	spread := max(leastSpreadPx, 1.5*median(far))
	each(func(v *vote) {
		if r := far(v) / spread; math.IsNaN(r) {
			v.weight *= undecided
		} else {
			v.weight /= 1 + r*r
		}
	})
}

type weighted struct{ value, weight float64 }

// support is the effective number of tiles that agree with the shift that was found from all.
func (s *fineScratch) support() float64 {
	var one, two float64
	for _, v := range s.votes {
		c := max(v.coherence, 0)
		one += c
		two += c * c
	}
	if two == 0 {
		return 0
	}
	return one * one / two
}

// inRim tells whether nearly all that agrees is in the outermost row or column of tiles on one side, as a data bar is.
func (f *fine) inRim(s *fineScratch) bool {
	var sum float64
	var rims [4]float64
	for t, v := range s.votes {
		c := max(v.coherence, 0)
		c *= c
		sum += c
		for k, in := range [...]bool{t/f.columns == 0, t/f.columns == f.rows-1, t%f.columns == 0, t%f.columns == f.columns-1} {
			if in {
				rims[k] += c
			}
		}
	}
	return slices.Max(rims[:]) > rimShare*sum
}
