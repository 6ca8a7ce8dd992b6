package simulate

import "math/rand/v2"

// trench is how the milled part of a run looks. Lengths are px, signals shares of the surface's mean.
type trench struct {
	contrast         float32 // floor below surface
	deeper           float32 // further darkening of what was milled first
	face             float32 // extra signal of the cut face, a strip faceWide wide at the front
	faceWide         float32
	wall             float32 // width of the sloping side walls
	lumps            float32 // granular contrast of the floor
	edge, edgeWide   float32 // the bright line at the rim
	frontEdge        float32 // the same at the front, relative to the rim's
	shadow, shadowPx float32 // of the walls on the floor
	rim              float32 // how far the beam's tails widen the trench
	curtain          float32 // stripes along the milling direction
	curtainWide      float32
	curtainSeed      uint64
	redeposit        float32 // share covered in the end
	redepositGain    float32 // its signal, relative to the surface
	granules         []octave
	halo, haloPx     float32
	lit              [4]float32 // edges toward left, right, start and front: their brightness by the detector's side
	rimSeed          uint64
}

func newTrench(rng *rand.Rand, s Milling, p pattern, light look) trench {
	f := func(lo, hi float64) float32 { return float32(lo + (hi-lo)*rng.Float64()) }
	draw := func(r Range) float32 { return float32(r.draw(rng)) }
	t := trench{
		contrast: draw(s.Contrast), deeper: f(0.05, 0.3), face: f(0.05, 0.35), faceWide: f(3, 16), wall: f(2.5, 12), lumps: f(0.02, 0.1),
		edge: f(0.15, 0.7), edgeWide: f(1, 2), frontEdge: f(0.7, 1.5), shadow: f(0.1, 0.45), shadowPx: f(6, 16), rim: f(0.4, 1.5),
		curtain: draw(s.Curtain), curtainWide: f(2.2, 5), curtainSeed: rng.Uint64(),
		redeposit: draw(s.Redeposit), redepositGain: f(0.8, 1.2), granules: octaves(rng.Uint64(), 3, float64(f(5, 9)), 0.5, 0.7),
		halo: draw(s.Halo), haloPx: f(8, 24), rimSeed: rng.Uint64(),
	}
	across := float32(p.acrossX)*light.lightX + float32(p.acrossY)*light.lightY
	along := float32(p.alongX)*light.lightX + float32(p.alongY)*light.lightY
	for i, facing := range []float32{across, -across, along, -along} { // a wall faces the trench
		t.lit[i] = 1 + 0.4*facing
	}
	return t
}

// outline is where the trench ends in one frame.
type outline struct {
	pattern
	position float64
	line     []float32 // front.line
	widened  []float32 // how far the rim lies outside the pattern, 1 px apart along its way: left, right, start in turn
}

// outline returns the outline when the front stands at position.
func (t *trench) outline(p pattern, position float64, line []float32) *outline {
	o := &outline{pattern: p, position: position, line: line}
	n := int(max(position, p.breadth)) + 2*lineMargin
	o.widened = make([]float32, 3*n)
	for i := range n {
		at := float64(i - lineMargin)
		behind := max(float32(position-at), 0)
		for side := range 2 {
			o.widened[3*i+side] = t.rim * float32(0.6+0.4*noise(t.rimSeed+uint64(side), at/9, 0.5)) * (1 - fade(behind/10))
		}
		o.widened[3*i+2] = t.rim * float32(0.6+0.4*noise(t.rimSeed+2, at/9, 0.5)) * (1 - fade(float32(position)/10))
	}
	return o
}

// walls are a point's distances from the four sides of the trench, px, positive within.
type walls struct{ left, right, start, front float32 }

// at returns the distances of the point (along, across).
func (o *outline) at(along, across float32) walls {
	side, start := o.widen(along), o.widen(across)
	return walls{
		left: across + o.widened[side], right: float32(o.breadth) - across + o.widened[side+1],
		start: along + o.widened[start+2], front: o.frontAt(across) - along,
	}
}

func (o *outline) widen(at float32) int {
	return 3 * min(max(int(at)+lineMargin, 0), len(o.widened)/3-1)
}

// frontAt is the front's position beside across.
func (o *outline) frontAt(across float32) float32 {
	t := min(max((across+lineMargin)/lineStep, 0), float32(len(o.line)-2))
	i := int(t)
	return o.line[i] + (o.line[i+1]-o.line[i])*(t-float32(i))
}

// cornerPx is the radius of the trench's corners at its start.
const cornerPx = 3

// inside is the distance to the trench's outline, px, positive within, and the side that is nearest.
func (w walls) inside() (d float32, side int) {
	d = w.left
	for i, v := range [3]float32{w.right, w.start, w.front} {
		if v < d {
			d, side = v, i+1
		}
	}
	if beside := min(w.left, w.right); beside < cornerPx && w.start < cornerPx {
		x, y := max(cornerPx-beside, 0), max(cornerPx-w.start, 0)
		d = min(d, cornerPx-sqrt(x*x+y*y))
	}
	return d, side
}

// outside is the distance from the trench of a point beside it, px.
func (w walls) outside() float32 {
	x, y := max(-w.left, -w.right, 0), max(-w.start, -w.front, 0)
	return sqrt(x*x + y*y)
}

// beside is the signal of the surface near the trench: the beam's tails brighten it and wash out its texture.
func (t *trench) beside(v, level, apart, grown float32) float32 {
	h := grown * fade(apart/t.haloPx)
	return level + (v-level)*(1-0.5*h) + t.halo*level*h
}

// floor is the signal in the trench at (along, across). granule is noise of about -1..1.
func (t *trench) floor(o *outline, w walls, d, along, across, level, granule float32) float32 {
	age := max(w.front, 0)
	share := min(age/float32(o.length), 1)
	beside := max(min(w.left, w.right), 0)
	depth := (1 - fade(age/t.faceWide)) * smooth(0.15+beside/t.wall) * smooth(0.15+max(w.start, 0)/t.wall)
	v := 1 - t.contrast*(0.3+0.7*depth) - t.contrast*t.deeper*share
	c, a := across/t.curtainWide, along
	stripe := float32(0.6*noise(t.curtainSeed, float64(c), float64(a/110)) + 0.5*noise(t.curtainSeed+1, float64(c/3.3), float64(a/170)))
	stripe *= t.curtain * (0.45 + 0.55*(1-fade(age/25)))
	v *= 1 + stripe + t.lumps*granule
	if x := age/t.faceWide - 0.5; x < 1 && x > -1 {
		u := 1 - x*x
		v += t.face * u * u * (1 + 2*stripe)
	}
	lit := t.lit[0]
	if w.right < w.left {
		lit = t.lit[1]
	}
	v *= 1 - t.shadow*(fade(beside/t.shadowPx)*(1.4-0.4*lit)*0.7+0.6*fade(age/t.shadowPx))*(1-fade(d/1.5))
	// Redeposited material: first on the walls, later where milling began, in grains that grow together.
	late := 1 - fade(2.5*share)
	g := t.redeposit * (0.85*fade(beside/(2*t.wall+4))*late + 1.15*late*fade(2.2*max(along, 0)/float32(o.length)))
	if m := smooth((0.5*granule + 0.5 + 1.7*g - 1.05) / 0.45); m > 0 {
		v += m * (t.redepositGain*(0.72+0.36*granule) - v)
	}
	return v * level
}

// line is the extra signal of the bright line along the outline, at distance d from it.
func (t *trench) line(d float32, side int, w walls) float32 {
	wide, gain := t.edgeWide, t.edge*t.lit[side]
	if d > 0 {
		wide *= 1.7
	}
	switch side {
	case 3:
		gain *= t.frontEdge
	default:
		gain *= 0.55 + 0.45*fade(max(w.front, 0)/60) // rims are worn with time
	}
	return gain * fade(d*d/(wide*wide))
}
