package drift

import "math"

const (
	octaves       = 4
	octaveSigma   = 6 // how sure an octave must be of its own shift to object
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
	return 3
}

// octaveGap is how far the shift that one octave of the frequencies finds is from a pool's, in px; the largest of those that are
// beyond chance. Content moves in all octaves alike; a fine pattern that stands still while coarse content moves, or the
// reverse, does not.
func (f *fine) octaveGap(p *pool) float64 {
	half := len(f.fx)
	f.rotors(p.ex, p.ey, p.x, p.y)
	type moments struct{ gx, gy, xx, xy, yy, vxx, vxy, vyy float64 }
	var sums [octaves]moments
	for i, b := range f.band {
		if b == skip {
			continue
		}
		v := p.coherent[i] * p.ex[i%half] * p.ey[i/half]
		fx, fy, re, im := f.fx[i%half], f.fy[i/half], real(v), imag(v)
		m := &sums[octave(b)]
		m.gx -= fx * im
		m.gy -= fy * im
		m.xx += fx * fx * re
		m.xy += fx * fy * re
		m.yy += fy * fy * re
		m.vxx += fx * fx * im * im
		m.vxy += fx * fy * im * im
		m.vyy += fy * fy * im * im
	}
	var gap float64
	for _, m := range sums {
		det, var2 := m.xx*m.yy-m.xy*m.xy, m.vxx*m.vyy-m.vxy*m.vxy
		if m.xx <= 0 || det <= 0 || var2 <= 0 {
			continue
		}
		chi := (m.vyy*m.gx*m.gx - 2*m.vxy*m.gx*m.gy + m.vxx*m.gy*m.gy) / var2 / octaveSamples
		if chi > octaveSigma*octaveSigma {
			gap = max(gap, math.Hypot((m.yy*m.gx-m.xy*m.gy)/det, (m.xx*m.gy-m.xy*m.gx)/det))
		}
	}
	return gap
}
