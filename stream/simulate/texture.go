package simulate

import "math"

// mix is the finaliser of splitmix64 (Steele, Lea & Flood 2014): a bijection that scatters every input bit.
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// lattice returns a uniform value in [-1, 1) for a lattice point. Being a hash, it needs no state, which is
// what keeps bands that are rendered in any order equal.
func lattice(seed uint64, ix, iy int) float32 {
	h := mix(seed ^ mix(uint64(uint32(ix))|uint64(uint32(iy))<<32))
	return float32(int32(h>>32)) / (1 << 31)
}

// gauss returns a value of mean 0 and variance 1 for pixel (x, y): the sum of four uniforms (Irwin-Hall), whose
// tails end at 3.5, as a detector's do.
func gauss(seed uint64, x, y int) float32 {
	h := mix(seed + uint64(uint32(x)) + uint64(uint32(y))<<32)
	s := int32(h&0xffff) + int32(h>>16&0xffff) + int32(h>>32&0xffff) + int32(h>>48) - 2*0xffff
	return float32(s) * (1.7320508 / 65535)
}

// octave is one layer of value noise.
type octave struct {
	seed uint64
	cell float32 // px between lattice points
	amp  float32 // peak
	lean float32 // px along x per row; without it the lattice shows as upright stripes
}

// octaves makes n layers, each finer by 2.1 (not 2, so that lattices never line up) and weaker by fall.
func octaves(seed uint64, n int, cell, amp, fall float64) []octave {
	o := make([]octave, n)
	for i := range o {
		o[i] = octave{seed: mix(seed + uint64(i)), cell: float32(cell), amp: float32(amp), lean: [4]float32{0.7, -0.4, 1.1, -0.9}[i%4]}
		cell, amp = math.Max(cell/2.1, 1.1), amp*fall
	}
	return o
}

// add sums the layer's row y into dst. Interpolation is smoothstep in both directions.
func (o octave) add(dst []float32, y int) { o.addAt(dst, 0, float32(y)) }

// addAt sums the layer along the row at y into dst, which begins at x and goes on in steps of 1 px. Neither need be whole.
func (o octave) addAt(dst []float32, x, y float32) {
	gy := y/o.cell + 0.37
	top := float32(math.Floor(float64(gy)))
	iy := int(top)
	fy := gy - top
	fy = fy * fy * (3 - 2*fy)
	inv, cell := 1/o.cell, -2 // no cell yet, nor the one before the first
	start := x*inv + o.lean*y*inv + 0.61
	floor := float32(math.Floor(float64(start)))
	start -= floor
	var a, b float32
	for x := range dst {
		gx := float32(x)*inv + start
		ix := int(gx)
		if ix != cell {
			at := ix + int(floor)
			if a = b; ix != cell+1 {
				a = o.column(at, iy, fy)
			}
			b = o.column(at+1, iy, fy)
			cell = ix
		}
		fx := gx - float32(ix)
		fx = fx * fx * (3 - 2*fx)
		dst[x] += o.amp * (a + (b-a)*fx)
	}
}

func (o octave) column(ix, iy int, fy float32) float32 {
	a, b := lattice(o.seed, ix, iy), lattice(o.seed, ix, iy+1)
	return a + (b-a)*fy
}

// kernel returns the right half of a normalised Gaussian of sigma px, centre first.
func kernel(sigma float64) []float32 {
	r := int(math.Ceil(3 * sigma))
	k := make([]float32, r+1)
	var sum float64
	for i := range k {
		w := math.Exp(-float64(i*i) / (2 * sigma * sigma))
		k[i] = float32(w)
		sum += w
		if i > 0 {
			sum += w
		}
	}
	for i := range k {
		k[i] /= float32(sum)
	}
	return k
}

// blurRow convolves src with the symmetric kernel k, clamping at the ends.
func blurRow(dst, src, k []float32) {
	n, r := len(src), len(k)-1
	for x := range src {
		s := k[0] * src[x]
		if x >= r && x < n-r {
			for i := 1; i <= r; i++ {
				s += k[i] * (src[x-i] + src[x+i])
			}
		} else {
			for i := 1; i <= r; i++ {
				s += k[i] * (src[max(x-i, 0)] + src[min(x+i, n-1)])
			}
		}
		dst[x] = s
	}
}
