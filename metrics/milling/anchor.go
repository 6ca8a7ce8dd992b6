package milling

import (
	"math"

	"github.com/uni-aims/aimsd/metrics"
)

// anchor registers frames with the mean of those before them, by least squares (Lucas & Kanade 1981): where phase
// correlation with the first frame alone drowns in noise, the mean has hardly any, and the trench's own walls, which
// are not in the first frame, hold the place best of all. What changes, around the front, is left out.
//
// The px are in two sets, squares of a chequerboard. Each has its own solution; where they disagree, none is given.
type anchor struct {
	area           metrics.Rect
	bin            int
	mean, cur      plane
	scratch, small plane
	smallMean      plane
	weight         []bool // px that are used
	frames         float64
	noise          float64 // variance of the present frame's, before smoothing
	lastX, lastY   float64 // binned px
	jumpX, jumpY   float64 // where the last frame lay, expected there or not
}

const (
	anchorPixels   = 300_000 // of the planes, about
	anchorBin      = 4       // at most
	anchorMemory   = 16      // frames that the mean goes back by
	coarsePx       = 4       // squares of the coarse search, binned px
	coarseReach    = 6       // of it, squares to each side
	chequerPx      = 24      // sides of the squares of the two sets, binned px
	iterations     = 12
	converged      = 0.005
	noiseCellsPx   = 25 // px that smoothed noise makes one independent value of
	leastCertainty = 8  // standard deviations of pure noise's correlation
	leastNCC       = 0.03
)

// registration is how a frame lies on the mean; px of the frame.
type registration struct {
	x, y, disagreement, correlation float64
	ok                              bool
	near                            bool // not certain, but about there
}

// begin makes a frame the mean.
func (a *anchor) begin(f *Frame) {
	a.area = f.area()
	w, h := a.area.X1-a.area.X0, a.area.Y1-a.area.Y0
	a.bin = min(max(int(math.Round(math.Sqrt(float64(w*h)/anchorPixels))), 1), anchorBin)
	a.mean.take(f, a.area, a.bin, &a.scratch)
	a.weight = make([]bool, a.mean.w*a.mean.h)
	a.frames, a.lastX, a.lastY = 1, 0, 0
}

// leaveOut marks what is not used: r in the frame's px, of the reference.
func (a *anchor) leaveOut(r metrics.Rect) {
	for i := range a.weight {
		a.weight[i] = true
	}
	down := func(v, from int) int { return int(math.Floor(float64(v-from) / float64(a.bin))) }
	x0, x1 := max(down(r.X0, a.area.X0), 0), min(down(r.X1-1, a.area.X0)+1, a.mean.w)
	for y := max(down(r.Y0, a.area.Y0), 0); y < min(down(r.Y1-1, a.area.Y0)+1, a.mean.h); y++ {
		for x := x0; x < x1; x++ {
			a.weight[y*a.mean.w+x] = false
		}
	}
}

// register finds a frame's shift. Hint is where it may be besides near the last one's, such as after a jump.
func (a *anchor) register(f *Frame, hintX, hintY float64, hinted bool) registration {
	a.cur.take(f, a.area, a.bin, &a.scratch)
	a.noise = a.scratch.noise()
	b := float64(a.bin)
	starts := [][2]float64{{a.lastX, a.lastY}, a.coarse(a.lastX, a.lastY)}
	if hinted {
		starts = append(starts, [2]float64{hintX / b, hintY / b})
	}
	var best registration
	for i, s := range starts {
		if i > 0 && best.ok && math.Hypot(s[0]-best.x, s[1]-best.y) < coarsePx { // it would end at the same place
			continue
		}
		if r := a.solve(s[0], s[1]); r.correlation > best.correlation {
			best = r
		}
	}
	best.x, best.y, best.disagreement = best.x*b, best.y*b, best.disagreement*b
	return best
}

// expected reports whether a frame lies where it may be expected: near the one before it or, after a jump, where another
// frame lay as well that was not expected there.
func (a *anchor) expected(r registration) bool {
	const farthest, same = 4, 1.5 // binned px
	x, y := r.x/float64(a.bin), r.y/float64(a.bin)
	again := math.Hypot(x-a.jumpX, y-a.jumpY) <= same
	a.jumpX, a.jumpY = x, y
	return again || math.Hypot(x-a.lastX, y-a.lastY) <= farthest
}

// absorb adds the frame that was registered last to the mean.
func (a *anchor) absorb(r registration) {
	x, y := r.x/float64(a.bin), r.y/float64(a.bin)
	a.lastX, a.lastY = x, y
	a.frames = min(a.frames+1, anchorMemory)
	share := float32(1 / a.frames)
	w, h := a.mean.w, a.mean.h
	ix, iy := int(math.Floor(x)), int(math.Floor(y))
	fx, fy := float32(x-float64(ix)), float32(y-float64(iy))
	for v := max(0, -iy); v < min(h, h-1-iy); v++ {
		upper, lower := a.cur.pix[(v+iy)*w:(v+iy+1)*w], a.cur.pix[(v+iy+1)*w:(v+iy+2)*w]
		row := a.mean.pix[v*w : (v+1)*w]
		for u := max(0, -ix); u < min(w, w-1-ix); u++ {
			row[u] += share * (bilinear(upper[u+ix], upper[u+ix+1], lower[u+ix], lower[u+ix+1], fx, fy) - row[u])
		}
	}
}

// coarse is the best of a grid of shifts about (x, y), on planes reduced by coarsePx.
func (a *anchor) coarse(x, y float64) [2]float64 {
	a.small.reduced(&a.cur, coarsePx)
	a.smallMean.reduced(&a.mean, coarsePx)
	w, h := a.small.w, a.small.h
	use := make([]bool, w*h)
	for v := range h {
		for u := range w {
			use[v*w+u] = a.weight[(v*coarsePx+coarsePx/2)*a.mean.w+u*coarsePx+coarsePx/2]
		}
	}
	cx, cy := int(math.Round(x/coarsePx)), int(math.Round(y/coarsePx))
	best, at := math.Inf(-1), [2]float64{x, y}
	for dy := cy - coarseReach; dy <= cy+coarseReach; dy++ {
		for dx := cx - coarseReach; dx <= cx+coarseReach; dx++ {
			var s moments
			for v := max(0, -dy); v < min(h, h-dy); v++ {
				m, c := a.smallMean.pix[v*w:(v+1)*w], a.small.pix[(v+dy)*w:(v+dy+1)*w]
				for u := max(0, -dx); u < min(w, w-dx); u++ {
					if use[v*w+u] {
						s.add(m[u], c[u+dx])
					}
				}
			}
			if n := s.correlation(); s.n > float64(w*h)/8 && n > best {
				best, at = n, [2]float64{float64(dx * coarsePx), float64(dy * coarsePx)}
			}
		}
	}
	return at
}

// moments of pairs.
type moments struct{ n, m, c, mm, cc, mc float64 }

func (s *moments) add(m, c float32) {
	x, y := float64(m), float64(c)
	s.n++
	s.m += x
	s.c += y
	s.mm += x * x
	s.cc += y * y
	s.mc += x * y
}

// correlation is Pearson's, 0 where it is not defined.
func (s *moments) correlation() float64 {
	vm, vc := s.mm-s.m*s.m/s.n, s.cc-s.c*s.c/s.n
	if !(vm > 0 && vc > 0) {
		return 0
	}
	return (s.mc - s.m*s.c/s.n) / math.Sqrt(vm*vc)
}

// normal are the normal equations of a shift.
type normal struct{ xx, xy, yy, x, y float64 }

func (n *normal) plus(o normal) normal {
	return normal{n.xx + o.xx, n.xy + o.xy, n.yy + o.yy, n.x + o.x, n.y + o.y}
}

func (n *normal) solve() (dx, dy float64, ok bool) {
	det := n.xx*n.yy - n.xy*n.xy
	if !(det > 1e-9*(n.xx+n.yy)*(n.xx+n.yy)) {
		return 0, 0, false
	}
	return (n.yy*n.x - n.xy*n.y) / det, (n.xx*n.y - n.xy*n.x) / det, true
}

// solve follows the gradient from (x, y) to where frame and mean agree best.
func (a *anchor) solve(x, y float64) registration {
	const farthest = 8 // binned px from the start: beyond it another start is the right one
	x0, y0 := x, y
	gain, offset := a.light(x, y)
	for range iterations {
		sets, _ := a.equations(x, y, gain, offset)
		all := sets[0].plus(sets[1])
		dx, dy, ok := all.solve()
		if !ok {
			return registration{}
		}
		if step := math.Hypot(dx, dy); step > 1.5 {
			dx, dy = dx*1.5/step, dy*1.5/step
		}
		x, y = x+dx, y+dy
		if math.Hypot(x-x0, y-y0) > farthest {
			return registration{}
		}
		if math.Hypot(dx, dy) < converged {
			break
		}
		gain, offset = a.light(x, y)
	}
	sets, s := a.equations(x, y, gain, offset)
	ax, ay, okA := sets[0].solve()
	bx, by, okB := sets[1].solve()
	r := registration{x: x, y: y, correlation: s.correlation(), disagreement: math.Hypot(ax-bx, ay-by)}
	r.ok = okA && okB && s.n > float64(a.mean.w*a.mean.h)/8 &&
		r.correlation > max(leastNCC, leastCertainty/math.Sqrt(s.n/noiseCellsPx)) && a.explains(&s)
	return r
}

// explains reports whether the mean is what the frame shows. Of what the frame shows beyond its noise, the mean must explain
// a good part: any two surfaces can be laid so that they agree a little. Where noise is nearly all there is, nothing
// can be said against it.
func (a *anchor) explains(s *moments) bool {
	shown := (s.cc - s.c*s.c/s.n) / s.n
	noise := a.noise * smoothedNoise
	if shown-noise < noise {
		return true
	}
	kept := (s.mm - s.m*s.m/s.n) / s.n // by the mean, some of it noise of the few frames that it is made of
	r := s.correlation()
	return r*r*shown*kept >= leastExplained*(shown-noise)*max(kept-noise/a.frames, kept/10)
}

const (
	smoothedNoise  = 0.0386 // of the variance of noise, what smoothing leaves: the square of the sum of the kernel's squares
	leastExplained = 0.3
)
