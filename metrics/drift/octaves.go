package drift

import "math"

const (
	octaves       = 4
	octaveSigma   = 5 // how sure an octave must be of its own shift to object
	octaveSamples = 4 // neighbouring frequencies of a tapered tile are one observation
)

// octave is the group of bands a band is in: each reaches up to twice the frequency of the one before.
func octave(band uint8) int {
	switch {
	case band < tileBands/8:
		return 0
	case band < tileBands/4:
		return 1
	case band < tileBands/2:
		return 2
	}
	return octaves - 1
}

// octaveGap is how far the shift that one octave of the frequencies finds is from that of all, in px: the largest of those beyond
// chance, all tiles counting the same. Content moves in all octaves alike; a fine pattern that stands still while coarse
// content moves, or the reverse, does not. The pool of all tiles is used up.
func (f *fine) octaveGap(s *fineScratch) float64 {
	for t := range s.weight {
		s.weight[t] = 0
		if s.energy[t] > 0 {
			s.weight[t] = 1
		}
	}
	p := &s.pools[2]
	f.rotors(p.ex, p.ey, p.x, p.y)
	f.sumAll(s)
	half := len(f.fx)
	type moments struct{ n, in, gx, gy, xx, xy, yy, ffxx, ffxy, ffyy float64 }
	var sums [octaves]moments
	for i, b := range f.band {
		q := p.ref[i] * p.new[i]
		if b == skip || q <= 0 {
			continue
		}
		v := p.cross[i] * p.ex[i%half] * p.ey[i/half] * complex(1/math.Sqrt(q), 0)
		fx, fy, re, im := f.fx[i%half], f.fy[i/half], real(v), imag(v)
		m := &sums[octave(b)]
		m.n++
		m.in += re
		m.gx -= fx * im
		m.gy -= fy * im
		m.xx += fx * fx * re
		m.xy += fx * fy * re
		m.yy += fy * fy * re
		m.ffxx += fx * fx
		m.ffxy += fx * fy
		m.ffyy += fy * fy
	}
	var gap float64
	for _, m := range sums {
		det, spread := m.xx*m.yy-m.xy*m.xy, m.ffxx*m.ffyy-m.ffxy*m.ffxy
		if m.xx <= 0 || det <= 0 || spread <= 0 {
			continue
		}
		c := m.in / m.n
		variance := octaveSamples * max(1-c*c, 0.1) / (2 * p.tiles) // of the quadrature part of one frequency
		chi := (m.ffyy*m.gx*m.gx - 2*m.ffxy*m.gx*m.gy + m.ffxx*m.gy*m.gy) / spread / variance
		if chi > octaveSigma*octaveSigma {
			gap = max(gap, math.Hypot((m.yy*m.gx-m.xy*m.gy)/det, (m.xx*m.gy-m.xy*m.gx)/det))
		}
	}
	return gap
}
