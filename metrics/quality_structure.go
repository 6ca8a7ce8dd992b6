package metrics

import (
	"math"
	"runtime"
	"slices"
)

// structure is what square blocks, spread over a picture, tell of its edges and stripes; NaN where undefined.
type structure struct {
	sharpness     float64
	curtaining    float64
	curtainingDeg float64
}

// blockSide returns the blocks' side in px: a power of two.
func blockSide(w, h int) int {
	switch side := min(w, h); {
	case side >= 400:
		return 256
	case side >= 128:
		return 128
	default:
		return 64
	}
}

// structure looks at up to six by six blocks, which overlap by half in small pictures. noise is that of the pixels in
// grey levels, contrast their range.
func (p picture[T]) structure(noise, contrast float64) structure {
	blocks := p.blocks()
	s := structure{sharpness: sharpness(blocks, noise, float32(p.levels-1)), curtaining: math.NaN(), curtainingDeg: math.NaN()}
	if len(blocks) >= minBlocks {
		s.curtaining, s.curtainingDeg = curtaining(blocks, max(0.5, 0.01*contrast))
	}
	return s
}

// minBlocks is the least number of blocks whose median tells stripes from edges.
const minBlocks = 4

func (p picture[T]) blocks() []pyramid {
	w, h := p.area.X1-p.area.X0, p.area.Y1-p.area.Y0
	side := blockSide(w, h)
	along := func(n int) int { return min(max(1, 2*n/side-1), 4+min(2, n/4096*2)) }
	across, down := along(w), along(h)
	place := func(i, of, room int) int { // evenly, or in the middle
		if of == 1 {
			return room / 2
		}
		return i * room / (of - 1)
	}
	blocks := make([]pyramid, across*down)
	each(len(blocks), func(i int) {
		blocks[i] = p.pyramid(place(i%across, across, w-side), place(i/across, down, h-side), side)
	})
	return blocks
}

// each calls f(0)..f(n-1) on as many goroutines as there are processors, and waits.
func each(n int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	parallel(workers, func(b int) {
		for i := n * b / workers; i < n*(b+1)/workers; i++ {
			f(i)
		}
	})
}

// plane is a square of means of the picture over squares of px pixels a side.
type plane struct {
	side int
	px   int
	v    []float32
}

// pyramid holds a block at 2, 4 and 8 px.
type pyramid [3]plane

func (p picture[T]) pyramid(x0, y0, side int) pyramid {
	var out pyramid
	half := side / 2
	v := make([]float32, half*half)
	for y := range half {
		a, b := p.row(y0 + 2*y)[x0:x0+side], p.row(y0 + 2*y + 1)[x0:x0+side]
		to := v[y*half : (y+1)*half]
		for x := range to {
			to[x] = 0.25 * float32(uint32(a[2*x])+uint32(a[2*x+1])+uint32(b[2*x])+uint32(b[2*x+1]))
		}
	}
	out[0] = plane{half, 2, v}
	for i := 1; i < len(out); i++ {
		out[i] = out[i-1].halved()
	}
	return out
}

func (p plane) halved() plane {
	half := p.side / 2
	v := make([]float32, half*half)
	for y := range half {
		a, b := p.v[2*y*p.side:][:p.side], p.v[(2*y+1)*p.side:][:p.side]
		for x := range half {
			v[y*half+x] = 0.25 * (a[2*x] + a[2*x+1] + b[2*x] + b[2*x+1])
		}
	}
	return plane{half, 2 * p.px, v}
}

// gradient returns the slope at an inner element, in grey levels per px (Sobel).
func (p plane) gradient(x, y int) (gx, gy float32) {
	a, b, c := p.v[(y-1)*p.side+x-1:][:3], p.v[y*p.side+x-1:][:3], p.v[(y+1)*p.side+x-1:][:3]
	norm := 1 / float32(8*p.px)
	return (a[2] + 2*b[2] + c[2] - a[0] - 2*b[0] - c[0]) * norm, (c[0] + 2*c[1] + c[2] - a[0] - 2*a[1] - a[2]) * norm
}

// spreadOf is the standard deviation in px of what the slope of a plane averages across an edge: squares of px and the
// central difference over two.
func spreadOf(px int) float64 { return float64(px) * math.Sqrt(5./12) }

// sharpness compares, where the picture's edges are, the slope at a coarse scale with the steepest one at a fine
// scale: an edge blurred by sigma has slopes as 1/sqrt(sigma² + spread²), so that their ratio tells sigma whatever the
// contrast (after Zhuo and Sim, Defocus map estimation from a single image, Pattern Recognition 44 (2011) 1852).
// Edges are the local maxima of the slope at 8 px that stand out of the usual slopes; the fine scale is the finest
// whose noise does not reach theirs. Shading, without a scale of its own, is no edge.
func sharpness(blocks []pyramid, noise float64, white float32) float64 {
	sigma := edgeBlur(edgesOf(blocks, noise, white))
	if math.IsNaN(sigma) {
		return sigma
	}
	return 1 / max(1, 2.563*sigma)
}

// edgeBlur returns the sigma in px of edges: the quarter nearest to a step is left out, and of four directions the
// worst counts, as astigmatism and vibration blur one only.
func edgeBlur(edges []edge) float64 {
	var by [4][]float64
	for _, e := range edges {
		by[e.direction] = append(by[e.direction], e.sigma)
	}
	worst := math.NaN()
	for _, sigmas := range by {
		if len(sigmas) >= minEdges {
			slices.Sort(sigmas)
			if s := sigmas[len(sigmas)/4]; !(s <= worst) {
				worst = s
			}
		}
	}
	return worst
}

// edge is a place where the grey values rise.
type edge struct {
	sigma     float64 // px
	direction int     // across it, in steps of 45° from the x axis, 0..3
}

func edgesOf(blocks []pyramid, noise float64, white float32) []edge {
	const coarse = 2 // 8 px
	least := max(edgeSlope*usualSlope(blocks, coarse, white), edgeNoise*slopeNoise(noise, blocks[0][coarse].px))
	found := make([][]edge, len(blocks))
	each(len(blocks), func(i int) {
		b := &blocks[i]
		c := &b[coarse]
		for y := 3; y < c.side-3; y++ {
			for x := 3; x < c.side-3; x++ {
				gx, gy := c.gradient(x, y)
				g := hypot(gx, gy)
				if g < least || g == 0 || !c.peak(x, y, gx, gy, g) {
					continue
				}
				fine := 0
				for fine < coarse && g < quietSlope*slopeNoise(noise, b[fine].px) {
					fine++
				}
				if fine == coarse {
					continue
				}
				ratio := float64(b[fine].steepest(x, y, c.px, gx/float32(g), gy/float32(g))) / g
				if s := blur(ratio, spreadOf(b[fine].px), spreadOf(c.px)); s < shading {
					direction := int(math.Round(math.Atan2(float64(gy), float64(gx))/(math.Pi/4))) + 4
					found[i] = append(found[i], edge{s, direction % 4})
				}
			}
		}
	})
	return slices.Concat(found...)
}

// slopeNoise is the standard deviation of one component of the slope that white noise makes at a scale.
func slopeNoise(noise float64, px int) float64 { return 0.433 * noise / float64(px*px) }

const (
	edgeSlope  = 5  // times the usual slope at the coarse scale, an edge's
	edgeNoise  = 6  // times the noise there
	quietSlope = 10 // times the noise at the fine scale, an edge's slope, to be measured there
	shading    = 16 // px of sigma from which a slope is no edge
	minEdges   = 30
)

func hypot(x, y float32) float64 { return math.Sqrt(float64(x*x + y*y)) }

// peak tells whether the slope g at x, y is the largest along its direction, and less two elements away to both sides.
func (p *plane) peak(x, y int, gx, gy float32, g float64) bool {
	dx, dy := 1, 0
	if gy*gy > gx*gx {
		dx, dy = 0, 1
	}
	along := func(k int) float64 {
		ux, uy := p.gradient(x+k*dx, y+k*dy)
		return float64(ux*gx+uy*gy) / g
	}
	return along(-1) <= g && along(1) < g && along(-2) < 0.8*g && along(2) < 0.8*g
}

// steepest returns the largest slope in direction ux, uy around element x, y of a coarser plane with squares of px.
func (p *plane) steepest(x, y, px int, ux, uy float32) float32 {
	k := px / p.px
	most := float32(0)
	for v := max(1, y*k-k/2); v < min(p.side-1, (y+1)*k+k/2); v++ {
		for u := max(1, x*k-k/2); u < min(p.side-1, (x+1)*k+k/2); u++ {
			gx, gy := p.gradient(u, v)
			most = max(most, gx*ux+gy*uy)
		}
	}
	return most
}

// blur returns the sigma of an edge whose slopes at two scales have this ratio; infinite for none.
func blur(ratio, fine, coarse float64) float64 {
	r := ratio * ratio
	if r <= 1 {
		return math.Inf(1)
	}
	return math.Sqrt(max(0, (coarse*coarse-r*fine*fine)/(r-1)))
}

// usualSlope returns the standard deviation of one component of the slope where there is no structure: as the lower
// quartile of all magnitudes has it (Rayleigh). What is black or white tells nothing.
func usualSlope(blocks []pyramid, scale int, white float32) float64 {
	var all []float64
	for i := range blocks {
		p := &blocks[i][scale]
		for y := 1; y < p.side-1; y++ {
			for x := 1 + y%3; x < p.side-1; x += 3 {
				if v := p.v[y*p.side+x]; v > 0 && v < white {
					all = append(all, hypot(p.gradient(x, y)))
				}
			}
		}
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/4] / 0.75853
}
