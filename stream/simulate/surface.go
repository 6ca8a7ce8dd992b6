package simulate

import (
	"math"
	"math/rand/v2"
)

// surface is a sample before milling: grains in channelling contrast, roughness, a few particles, and fiducials.
// It is a function of the plane, so that a drifted frame is rendered from its own points and never resampled.
type surface struct {
	level   float32 // mean signal, of full scale
	ground  []octave
	skin    []octave
	grains  grains
	bodies  []*particle
	light   look // how bodies are shaded
	crosses []cross
}

// grains is a polycrystal: cells of jittered lattice points, each as bright as its orientation lets ions in.
type grains struct {
	seed             uint64
	cell             float32 // px
	contrast, border float32 // of full scale: between grains, and how dark their boundaries are
	bend             float32 // px by which roughness bends boundaries
}

// cross is a milled fiducial: two bars across each other.
type cross struct{ x, y, arm, half, sin, cos float32 }

// newSurface draws the sample of a run. Fiducials keep clear of the pattern, particles do not.
func newSurface(rng *rand.Rand, s Milling, p pattern) surface {
	f := func(lo, hi float64) float32 { return float32(lo + (hi-lo)*rng.Float64()) }
	w, h := float64(s.Width), p.imageRows
	v := surface{level: f(0.36, 0.56)}
	v.ground = octaves(rng.Uint64(), 4, float64(f(70, 130)), float64(f(0.008, 0.022)), 0.8)
	v.skin = octaves(rng.Uint64(), 4, float64(f(6, 24)), float64(f(0.012, 0.06)), 0.75)
	v.grains = grains{seed: rng.Uint64(), cell: f(26, 80), bend: f(40, 120)}
	contrast, border := f(0.03, 0.15), f(0, 0.06)
	if rng.Float64() < 0.7 { // else amorphous
		v.grains.contrast, v.grains.border = contrast, border
	}
	sin, cos := math.Sincos(rng.Float64() * 2 * math.Pi)
	v.light = look{substrate: v.level, contrast: f(0.02, 0.16), edge: f(0.4, 0.8), side: f(0.06, 0.16), shadow: f(0.15, 0.4), lightX: float32(cos), lightY: float32(sin)}
	for range 3 + rng.IntN(7) {
		b := newParticle(rng, 5+24*math.Pow(rng.Float64(), 2))
		b.x, b.y = (1.3*rng.Float64()-0.15)*w, (1.3*rng.Float64()-0.15)*h
		v.bodies = append(v.bodies, b)
	}
	arm := f(0.022, 0.04) * float32(min(w, h))
	turn := math.Pi / 4 * float64(rng.IntN(2))
	for range 1 + rng.IntN(2) {
		for range 60 {
			sin, cos := math.Sincos(turn + 0.06*rng.NormFloat64())
			c := cross{x: float32((0.07 + 0.86*rng.Float64()) * w), y: float32((0.07 + 0.86*rng.Float64()) * h), arm: max(arm, 5), half: max(arm/7, 1.2), sin: float32(sin), cos: float32(cos)}
			clear := p.apart(float64(c.x), float64(c.y)) > float64(1.6*c.arm)+6
			for _, o := range v.crosses {
				clear = clear && math.Hypot(float64(o.x-c.x), float64(o.y-c.y)) > 4*float64(c.arm)
			}
			if clear {
				v.crosses = append(v.crosses, c)
				break
			}
		}
	}
	return v
}

// row writes the signal at the points (x, y), (x+1, y), ... into dst; bend is a buffer as long.
func (v *surface) row(dst, bend []float32, x, y float32) {
	clear(bend)
	for _, o := range v.ground {
		o.addAt(bend, x, y)
	}
	for i, b := range bend {
		dst[i] = v.level + b
	}
	for _, o := range v.skin {
		o.addAt(dst, x, y)
	}
	v.grains.add(dst, bend, x, y)
	for _, b := range v.bodies {
		v.body(dst, b, x, y)
	}
	for _, c := range v.crosses {
		c.mill(dst, v.level, x, y)
	}
}

// add sums the grains along a row into dst.
func (g grains) add(dst, bend []float32, x, y float32) {
	if g.contrast == 0 {
		return
	}
	type site struct{ x, y, shade float32 }
	var sites [9]site
	inv := 1 / g.cell
	atX, atY := math.MinInt, math.MinInt
	for i, b := range bend {
		px, py := (x+float32(i)+g.bend*b)*inv, (y-g.bend*b)*inv
		ix, iy := floorInt(px), floorInt(py)
		if ix != atX || iy != atY {
			atX, atY = ix, iy
			for k := range sites {
				cx, cy := ix+k%3-1, iy+k/3-1
				sites[k] = site{
					float32(cx) + 0.5 + 0.42*lattice(g.seed, cx, cy), float32(cy) + 0.5 + 0.42*lattice(g.seed+1, cx, cy),
					lattice(g.seed+2, cx, cy),
				}
			}
		}
		first, second := float32(math.MaxFloat32), float32(math.MaxFloat32)
		var shade, other float32
		for _, s := range sites {
			dx, dy := s.x-px, s.y-py
			switch d := dx*dx + dy*dy; {
			case d < first:
				second, other = first, shade
				first, shade = d, s.shade
			case d < second:
				second, other = d, s.shade
			}
		}
		gap := (sqrt(second) - sqrt(first)) * g.cell // twice the distance to the boundary, px
		if gap < 4 {
			t := smooth(0.5 + gap/8)
			shade = other + (shade-other)*t
			dst[i] -= g.border * (1 - gap/4)
		}
		dst[i] += g.contrast * shade
	}
}

// body draws the part of particle b, and the darker ground beside it, that the row shows.
func (v *surface) body(dst []float32, b *particle, x, y float32) {
	reach := b.shadowPx()
	far := float32(b.reach + reach)
	dy := float64(y) - b.y
	if math.Abs(dy) > float64(far) {
		return
	}
	from, to := max(int(float32(b.x)-far-x), 0), min(int(float32(b.x)+far-x)+1, len(dst))
	for i := from; i < to; i++ {
		dx := float64(x+float32(i)) - b.x
		rho := math.Sqrt(dx*dx + dy*dy)
		d := rho - b.radius(dx, dy)
		if d > reach {
			continue
		}
		ground := dst[i]
		if d > 0 {
			u := float32(1 - d/reach)
			ground *= 1 - v.light.shadow*u*u
		}
		if d < 0.5 {
			s := b.gain * v.light.surface(b, float32(dx), float32(dy), float32(rho), float32(rho-d))
			c := min(float32(0.5-d), 1)
			ground += c * (s - ground)
		}
		dst[i] = ground
	}
}

// mill draws the part of the cross that the row shows: dark, with bright edges.
func (c cross) mill(dst []float32, level, x, y float32) {
	dy := y - c.y
	far := 1.5*c.arm + 8
	if dy < -far || dy > far {
		return
	}
	for i := max(int(c.x-far-x), 0); i < min(int(c.x+far-x)+1, len(dst)); i++ {
		dx := x + float32(i) - c.x
		p, q := abs(dx*c.cos+dy*c.sin), abs(dy*c.cos-dx*c.sin)
		d := max(min(c.arm-p, c.half-q), min(c.arm-q, c.half-p)) // inside positive
		if d < -6 {
			continue
		}
		floor := level * (0.45 - 0.1*min(max(d, 0)/c.half, 1))
		dst[i] += (floor-dst[i])*smooth(d+0.5) + 0.22*level*fade(d*d/2.5)
	}
}

func floorInt(v float32) int {
	i := int(v)
	if float32(i) > v {
		i--
	}
	return i
}

func sqrt(v float32) float32 { return float32(math.Sqrt(float64(v))) }

func abs(v float32) float32 { return max(v, -v) }

// fade is close to exp(-t) for t >= 0, and quicker.
func fade(t float32) float32 { return 1 / (1 + t*(1+t*(0.48+0.235*t))) }
