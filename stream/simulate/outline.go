package simulate

import (
	"math"
	"math/rand/v2"
)

// outlineSteps is the number of directions in which an outline's radius is kept.
const outlineSteps = 128

// particle is one body on the substrate: a star-shaped outline around (x, y) and how it shines.
type particle struct {
	x, y    float64 // centre, px; the first pixel spans 0..1
	reach   float64 // largest radius, px
	radii   [outlineSteps + 1]float32
	points  [outlineSteps][2]float32 // the outline relative to the centre, px
	gain    float32                  // own brightness, about 1
	flat    float32                  // 0: domed like a sphere, 1: flat top with steep flanks
	charged bool
}

// newParticle draws an outline of area pi/4 d²: a superellipse (Lamé curve) turned at random, deformed by
// harmonics 2..7 whose amplitude falls with their number.
func newParticle(rng *rand.Rand, d float64) *particle {
	p := &particle{}
	aspect := 1 + 0.35*math.Pow(rng.Float64(), 2)
	power := 2 + 0.9*math.Pow(rng.Float64(), 2)
	turn := rng.Float64() * 2 * math.Pi
	rough := 0.012 + 0.03*math.Pow(rng.Float64(), 2)
	var amp, phase [8]float64
	for k := 2; k < len(amp); k++ {
		amp[k] = rough * rng.NormFloat64() * 2 / float64(k)
		phase[k] = rng.Float64() * 2 * math.Pi
	}
	var r [outlineSteps]float64
	var area float64
	for i := range r {
		t := 2 * math.Pi * float64(i) / outlineSteps
		c, s := math.Abs(math.Cos(t-turn)), math.Abs(math.Sin(t-turn))*aspect
		v := math.Pow(math.Pow(c, power)+math.Pow(s, power), -1/power)
		deform := 1.0
		for k := 2; k < len(amp); k++ {
			deform += amp[k] * math.Cos(float64(k)*t+phase[k])
		}
		r[i] = v * max(deform, 0.6)
		area += r[i] * r[i] * math.Pi / outlineSteps
	}
	scale := math.Sqrt(math.Pi/4*d*d) / math.Sqrt(area)
	for i := range r {
		s, c := math.Sincos(2 * math.Pi * float64(i) / outlineSteps)
		p.radii[i] = float32(r[i] * scale)
		p.points[i] = [2]float32{float32(c * r[i] * scale), float32(s * r[i] * scale)}
		p.reach = max(p.reach, r[i]*scale)
	}
	p.radii[outlineSteps] = p.radii[0]
	p.gain = float32(math.Exp(0.07 * rng.NormFloat64()))
	p.flat = float32(0.6 * rng.Float64())
	return p
}

// radius is the outline's radius toward (dx, dy), px.
func (p *particle) radius(dx, dy float64) float64 {
	t := math.Atan2(dy, dx) * (outlineSteps / (2 * math.Pi))
	if t < 0 {
		t += outlineSteps
	}
	i := min(int(t), outlineSteps-1)
	f := float32(t) - float32(i)
	return float64(p.radii[i] + (p.radii[i+1]-p.radii[i])*f)
}

// overlap is how deep the outlines of p and q penetrate each other, px: 0 when they just touch, negative when
// there is a gap of about that width.
func (p *particle) overlap(q *particle) float64 {
	far := math.Hypot(p.x-q.x, p.y-q.y) - p.reach - q.reach
	if far > 8 {
		return -far
	}
	return max(p.depth(q), q.depth(p))
}

// depth is how far the deepest outline point of q lies inside p, px.
func (p *particle) depth(q *particle) float64 {
	deepest := math.Inf(-1)
	ox, oy := q.x-p.x, q.y-p.y
	for i := range q.points {
		dx, dy := ox+float64(q.points[i][0]), oy+float64(q.points[i][1])
		rho := math.Sqrt(dx*dx + dy*dy)
		if p.reach-rho <= deepest { // cannot lie deeper
			continue
		}
		deepest = max(deepest, p.radius(dx, dy)-rho)
	}
	return deepest
}

// touch moves p along the direction angle from o until both outlines just touch.
func (p *particle) touch(o *particle, angle float64) {
	s, c := math.Sincos(angle)
	lo, hi := 0.0, o.reach+p.reach
	for range 11 {
		mid := (lo + hi) / 2
		p.x, p.y = o.x+c*mid, o.y+s*mid
		if o.overlap(p) > 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	p.x, p.y = o.x+c*hi, o.y+s*hi
}
