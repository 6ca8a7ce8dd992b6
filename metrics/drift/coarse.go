package drift

import (
	"math"
	"slices"
)

const (
	bands      = 64   // rings of the spectrum whose mean power is taken
	noiseShare = 0.9  // of the noise floor, taken from the power
	keptShare  = 0.05 // of a frequency's weight where there is only noise
)

// coarse finds the shift on the reduced frame.
type coarse struct {
	*layout
	wx, wy  []float64
	band    []uint8 // of each value of a spectrum
	sets    [2][]complex128
	repeats bool    // the content looks the same at another place
	radius  float64 // of the main peak: the autocorrelation of the weighted reference falls below peakFoot there
}

// coarseScratch is what one measurement of a coarse writes to.
type coarseScratch struct {
	fft       *transform
	v, a, b   []float64
	mask      []float64
	padded    []float64
	spectrum  []complex128
	product   [2][]complex128
	surface   [2][]float64
	histogram []float64
}

func (l *layout) newCoarseScratch(workers int) *coarseScratch {
	n, m, k := l.width*l.height, l.nx*l.ny, (l.nx/2+1)*l.ny
	s := &coarseScratch{
		fft: newTransform(l.nx, l.ny, workers),
		v:   make([]float64, n), a: make([]float64, n), b: make([]float64, n), mask: make([]float64, n),
		padded: make([]float64, m), spectrum: make([]complex128, k), histogram: make([]float64, 0, m),
	}
	for i := range s.product {
		s.product[i], s.surface[i] = make([]complex128, k), make([]float64, m)
	}
	return s
}

// spectrumOf leaves in s.spectrum the whitened, weighted spectrum of the reduced image in s.v. It returns false for an image
// without texture.
func (c *coarse) spectrumOf(s *coarseScratch, mask []float64) bool {
	if flatten(s.v, c.width, c.height, mask, s.a, s.b) == 0 {
		return false
	}
	c.transform(s)
	c.whiten(s.spectrum)
	return true
}

// transform leaves in s.spectrum the spectrum of the flattened image in s.v, tapered.
func (c *coarse) transform(s *coarseScratch) {
	clear(s.padded)
	for y := range c.height {
		out := s.padded[y*c.nx:]
		for x, v := range s.v[y*c.width : (y+1)*c.width] {
			out[x] = v * c.wx[x] * c.wy[y]
		}
	}
	s.fft.forward(s.spectrum, s.padded)
}

// whiten leaves of each frequency its phase, weighted by how far the mean power of its ring rises above that of the
// highest frequencies, which is noise if anything is.
func (c *coarse) whiten(spectrum []complex128) {
	var power, count [bands]float64
	for i, v := range spectrum {
		b := c.band[i]
		power[b] += real(v)*real(v) + imag(v)*imag(v)
		count[b]++
	}
	floor, n := 0.0, 0.0
	for b := range power {
		if b >= bands*6/10 && count[b] > 0 {
			floor += power[b]
			n += count[b]
		}
		power[b] /= max(count[b], 1)
	}
	floor /= n
	var weight [bands]float64
	for b, p := range power {
		if p > 0 {
			weight[b] = max(p-noiseShare*floor, keptShare*p) / p
		}
	}
	for i, v := range spectrum {
		if m := math.Hypot(real(v), imag(v)); m > 0 {
			w := weight[c.band[i]] / m
			spectrum[i] = complex(real(v)*w, imag(v)*w)
		}
	}
}

// newCoarse prepares the reference, whose reduced image is in s.v.
func newCoarse(l *layout, s *coarseScratch) *coarse {
	c := &coarse{layout: l, wx: window(l.width), wy: window(l.height)}
	half := l.nx/2 + 1
	c.band = make([]uint8, half*l.ny)
	for i := range c.band {
		x, y := float64(i%half)/float64(l.nx), float64(i/half)/float64(l.ny)
		if y > 0.5 {
			y--
		}
		c.band[i] = uint8(min(math.Hypot(x, y)/math.Sqrt(0.5)*bands, bands-1))
	}
	if !c.spectrumOf(s, l.usable) {
		return nil
	}
	white := make([]float64, l.nx*l.ny)
	s.fft.inverse(white, slices.Clone(s.spectrum))
	for set := range c.sets {
		clear(s.padded)
		for y := range l.height {
			for x := range l.width {
				if l.set(x, y) == set && (l.usable == nil || l.usable[y*l.width+x] > 0) {
					s.padded[y*l.nx+x] = white[y*l.nx+x]
				}
			}
		}
		c.sets[set] = make([]complex128, half*l.ny)
		s.fft.forward(c.sets[set], s.padded)
	}
	s.autocorrelation(white)
	c.radius = 4
	for r := 1; r < min(l.nx, l.ny)/4; r++ {
		if white[r] > peakFoot*white[0] || white[r*l.nx] > peakFoot*white[0] {
			c.radius = max(c.radius, float64(r)+1)
		}
	}
	c.transform(s)
	s.autocorrelation(white)
	c.repeats = c.repeating(white)
	return c
}

// autocorrelation fills dst from s.spectrum, which is overwritten.
func (s *coarseScratch) autocorrelation(dst []float64) {
	for i, v := range s.spectrum {
		s.spectrum[i] = complex(real(v)*real(v)+imag(v)*imag(v), 0)
	}
	s.fft.inverse(dst, s.spectrum)
}

const (
	peakFoot    = 0.3
	repeatLevel = 0.6 // of the autocorrelation, for content to count as repeating itself
	repeatReach = 20  // px of the reduced frame to which the main lobe may extend
)

// repeating tells from the autocorrelation whether the content looks the same at another place: a grating, a lattice, or lines that
// slide along themselves.
func (c *coarse) repeating(auto []float64) bool {
	limit := c.maxPx/float64(c.scale) + 0.5
	reachX, reachY := min(int(limit), c.nx/2-1), min(int(limit), c.ny/2-1)
	at := func(x, y int) float64 {
		return auto[(y+c.ny)%c.ny*c.nx+(x+c.nx)%c.nx] / c.overlap(float64(x), float64(y))
	}
	level := repeatLevel * max(at(0, 1), at(1, 0), at(0, 0)/4) // noise, which only adds to the middle, does not count
	w := 2*reachX + 1
	main := make([]bool, w*(2*reachY+1)) // what is connected with the middle
	main[reachY*w+reachX] = true
	for todo := [][2]int{{0, 0}}; len(todo) > 0; {
		x, y := todo[len(todo)-1][0], todo[len(todo)-1][1]
		todo = todo[:len(todo)-1]
		if math.Hypot(float64(x), float64(y)) > repeatReach {
			return true
		}
		for _, d := range [...][2]int{{1, 0}, {-1, 0}, {0, 1}, {0, -1}} {
			x, y := x+d[0], y+d[1]
			if x < -reachX || x > reachX || y < -reachY || y > reachY || main[(y+reachY)*w+x+reachX] || at(x, y) < level {
				continue
			}
			main[(y+reachY)*w+x+reachX] = true
			todo = append(todo, [2]int{x, y})
		}
	}
	for y := -reachY; y <= reachY; y++ {
		for x := -reachX; x <= reachX; x++ {
			if !main[(y+reachY)*w+x+reachX] && at(x, y) >= level {
				return true
			}
		}
	}
	return false
}

// overlap is the share of the reduced frame that two frames have in common at a shift.
func (c *coarse) overlap(x, y float64) float64 {
	return (1 - math.Abs(x)/float64(c.width)) * (1 - math.Abs(y)/float64(c.height))
}

// peak is a place on a correlation surface, in px of the reduced frame.
type peak struct{ x, y, value float64 }

// coarseResult is what the reduced frame tells.
type coarseResult struct {
	all    peak
	second peak    // the highest place away from it
	mirror float64 // value on the other side of it
	sets   [2]peak
	// values of the surfaces are in units of their standard deviation
}

// find correlates the reduced image in s.v with the reference; false: no texture.
func (c *coarse) find(s *coarseScratch, mask []float64) (coarseResult, bool) {
	if !c.spectrumOf(s, mask) {
		return coarseResult{}, false
	}
	for set, ref := range c.sets {
		out := s.product[set]
		for i, r := range ref {
			g := s.spectrum[i]
			out[i] = complex(real(r)*real(g)+imag(r)*imag(g), real(r)*imag(g)-imag(r)*real(g))
		}
		s.fft.inverse(s.surface[set], out)
	}
	var r coarseResult
	for set, surface := range s.surface {
		sigma := deviation(surface, s.histogram)
		if sigma == 0 {
			return r, false
		}
		for i := range surface {
			surface[i] /= sigma
		}
		r.sets[set] = c.highest(surface, nil, 0)
	}
	joint := s.surface[0]
	for i, v := range s.surface[1] {
		joint[i] = (joint[i] + v) * math.Sqrt2 / 2
	}
	r.all = c.highest(joint, nil, 0)
	r.second = c.highest(joint, &r.all, c.radius)
	mx, my := int(math.Round(2*r.all.x-r.second.x)), int(math.Round(2*r.all.y-r.second.y))
	r.mirror = joint[(my+2*c.ny)%c.ny*c.nx+(mx+2*c.nx)%c.nx]
	return r, true
}

// deviation is a surface's standard deviation, from the median of its magnitudes: peaks do not count.
func deviation(surface, scratch []float64) float64 {
	scratch = scratch[:0]
	step := max(1, len(surface)/20000) | 1
	for i := 0; i < len(surface); i += step {
		scratch = append(scratch, math.Abs(surface[i]))
	}
	slices.Sort(scratch)
	return scratch[len(scratch)/2] / 0.6745
}

// highest is the highest place within the largest shift, refined by parabolas; with away set, at least radius from it.
func (c *coarse) highest(surface []float64, away *peak, radius float64) peak {
	limit := c.maxPx/float64(c.scale) + 0.5
	reachX, reachY := min(int(limit), c.nx/2-1), min(int(limit), c.ny/2-1)
	best := peak{value: math.Inf(-1)}
	bx, by := 0, 0
	for y := -reachY; y <= reachY; y++ {
		line := surface[(y+c.ny)%c.ny*c.nx:]
		for x := -reachX; x <= reachX; x++ {
			v := line[(x+c.nx)%c.nx]
			if v <= best.value || float64(x*x+y*y) > limit*limit {
				continue
			}
			if away != nil && math.Hypot(float64(x)-away.x, float64(y)-away.y) < radius {
				continue
			}
			best.value, bx, by = v, x, y
		}
	}
	at := func(x, y int) float64 { return surface[(y+c.ny)%c.ny*c.nx+(x+c.nx)%c.nx] }
	best.x = float64(bx) + vertex(at(bx-1, by), best.value, at(bx+1, by))
	best.y = float64(by) + vertex(at(bx, by-1), best.value, at(bx, by+1))
	return best
}

// vertex is where a parabola through three values at -1, 0, 1 is highest, at most half a step away.
func vertex(a, b, c float64) float64 {
	d := a - 2*b + c
	if d >= 0 {
		return 0
	}
	return max(-0.5, min(0.5, (a-c)/(2*d)))
}
