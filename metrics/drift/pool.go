package drift

import "math"

// pool is what tiles have in common: their cross spectrum and powers, each tile scaled to energy one.
type pool struct {
	cross    []complex128
	ref, new []float64
	scale    []float64    // one over the root of the powers
	coherent []complex128 // cross spectrum over the root of the powers: complex coherence
	weight   [tileBands]float64
	tiles    float64 // effective number
	x, y     float64 // px
	score    float64

	fft      *transform
	spectrum []complex128
	surface  []float64
	ex, ey   []complex128
}

// estimate finds from the spectra in s the shifts of the two sets and of all, in px from where the tiles were cut.
func (f *fine) estimate(s *fineScratch, search, rounds int) {
	for k := range s.pools {
		s.pools[k].x, s.pools[k].y = 0, 0
	}
	for t := range s.weight {
		s.weight[t] = 0
		if s.energy[t] > 0 {
			s.weight[t] = 1
		}
	}
	for round := range rounds {
		f.sumAll(s)
		parallel(len(s.tiles), 3, func(_, k int) { f.solve(&s.pools[k], search, round == 0) })
		if round < rounds-1 {
			f.vote(s, false)
			for t, v := range s.votes {
				s.weight[t] = v.weight
			}
		}
	}
	f.vote(s, true)
}

// sumAll adds up the tiles of each set, and of all.
func (f *fine) sumAll(s *fineScratch) {
	parallel(len(s.tiles), 2, func(_, set int) { f.sum(s, set) })
	all, a, b := &s.pools[2], &s.pools[0], &s.pools[1]
	for i := range all.cross {
		all.cross[i], all.ref[i], all.new[i] = a.cross[i]+b.cross[i], a.ref[i]+b.ref[i], a.new[i]+b.new[i]
	}
	all.tiles = a.tiles + b.tiles
}

// sum adds up the tiles of one set.
func (f *fine) sum(s *fineScratch, set int) {
	p := &s.pools[set]
	clear(p.cross)
	clear(p.ref)
	clear(p.new)
	var one, two float64
	for t, weight := range s.weight {
		_, _, in := f.corner(t)
		if weight == 0 || in != set {
			continue
		}
		one += weight
		two += weight * weight
		var scale, ref, next [tileBands]float64
		for b := range scale {
			if r, n := f.power[t][b], s.power[t][b]; r > 0 && n > 0 {
				ref[b], next[b], scale[b] = weight/r, weight/n, weight/math.Sqrt(r*n)
			}
		}
		new := s.spectra[t]
		for i, v := range f.refs[t] {
			b := f.band[i]
			if b == skip {
				continue
			}
			n, c, r, g := new[i], scale[b], ref[b], next[b]
			p.cross[i] += complex((real(v)*real(n)+imag(v)*imag(n))*c, (real(v)*imag(n)-imag(v)*real(n))*c)
			p.ref[i] += (real(v)*real(v) + imag(v)*imag(v)) * r
			p.new[i] += (real(n)*real(n) + imag(n)*imag(n)) * g
		}
	}
	p.tiles = 0
	if two > 0 {
		p.tiles = one * one / two
	}
}

// solve finds a pool's shift: the highest place of the weighted coherence, first on the grid of pixels, then by Newton's
// method on the continuous function. The weights are those of maximum likelihood (Knapp and Carter 1976).
func (f *fine) solve(p *pool, search int, first bool) {
	if p.tiles == 0 {
		p.x, p.y, p.score = 0, 0, 0
		return
	}
	var sum, count [tileBands]float64
	ex, ey := p.ex, p.ey
	f.rotors(ex, ey, p.x, p.y)
	half := len(f.fx)
	for i, b := range f.band {
		p.coherent[i], p.scale[i] = 0, 0
		if q := p.ref[i] * p.new[i]; b != skip && q > 0 {
			p.scale[i] = 1 / math.Sqrt(q)
			v := p.cross[i] * complex(p.scale[i], 0)
			p.coherent[i] = v
			count[b]++
			if first {
				sum[b] += real(v)*real(v) + imag(v)*imag(v)
			} else {
				sum[b] += real(v * ex[i%half] * ey[i/half])
			}
		}
	}
	for b := range sum {
		c := 0.0
		if count[b] > 0 {
			c = sum[b] / count[b]
		}
		if first && p.tiles > 1 { // squares of noise alone are 1/tiles
			c = math.Sqrt(max(0, c-1/p.tiles) / (1 - 1/p.tiles))
		}
		c = min(max(c, floorCoherence), capCoherence)
		p.weight[b] = c / (1 - c*c)
	}
	spectrum := p.spectrum
	for i, b := range f.band {
		spectrum[i] = 0
		if b != skip {
			spectrum[i] = p.coherent[i] * complex(p.weight[b], 0)
			p.coherent[i] = spectrum[i]
		}
	}
	p.fft.inverse(p.surface, spectrum)
	n, best := f.tile, math.Inf(-1)
	bx, by := 0, 0
	for y := -search; y <= search; y++ {
		for x := -search; x <= search; x++ {
			if v := p.surface[(y+n)%n*n+(x+n)%n]; v > best {
				best, bx, by = v, x, y
			}
		}
	}
	at := func(x, y int) float64 { return p.surface[(y+n)%n*n+(x+n)%n] }
	p.x = float64(bx) + vertex(at(bx-1, by), best, at(bx+1, by))
	p.y = float64(by) + vertex(at(bx, by-1), best, at(bx, by+1))
	f.newton(p)
}

// newton moves p.x, p.y to the top of the continuous function, and sets the score: 1 where the frames are alike.
func (f *fine) newton(p *pool) {
	half := len(f.fx)
	x0, y0 := p.x, p.y
	for range 4 {
		f.rotors(p.ex, p.ey, p.x, p.y)
		var value, total, gx, gy, xx, xy, yy float64
		for i, b := range f.band {
			if b == skip {
				continue
			}
			v := p.coherent[i] * p.ex[i%half] * p.ey[i/half]
			fx, fy := f.fx[i%half], f.fy[i/half]
			value += real(v)
			total += p.weight[b]
			gx -= fx * imag(v)
			gy -= fy * imag(v)
			xx += fx * fx * real(v)
			xy += fx * fy * real(v)
			yy += fy * fy * real(v)
		}
		p.score = value / total
		det := xx*yy - xy*xy
		if xx <= 0 || det <= 0 {
			return
		}
		dx, dy := (yy*gx-xy*gy)/det, (xx*gy-xy*gx)/det
		if math.Abs(p.x+dx-x0) > 1 || math.Abs(p.y+dy-y0) > 1 {
			return
		}
		p.x, p.y = p.x+dx, p.y+dy
		if math.Abs(dx)+math.Abs(dy) < 1e-4 {
			return
		}
	}
}

// rotors are the factors that undo a shift of x, y px, for each column and each row of a spectrum.
func (f *fine) rotors(ex, ey []complex128, x, y float64) {
	for i, w := range f.fx {
		sin, cos := math.Sincos(w * x)
		ex[i] = complex(cos, sin)
	}
	for i, w := range f.fy {
		sin, cos := math.Sincos(w * y)
		ey[i] = complex(cos, sin)
	}
}
