package simulate

import (
	"math"
	"math/rand/v2"
)

// front is the milling front of a run: its mean position after each beam-on frame, and its bends.
type front struct {
	length    float64 // of the pattern along the scan direction, px
	breadth   float64
	rate      float64 // nominal, px per beam-on frame
	swing     float64 // of the rate in time, as a share
	period    float64 // of that swing, frames
	rateSeed  uint64
	harder    []zone
	rough     float64 // bends, px
	bend      float64 // width of the widest bend, px
	roughSeed uint64
	corner    float64 // radius, px
}

// zone is a part of the way in which material is harder.
type zone struct {
	at, half float64 // middle and half width, px along
	factor   float64 // of the rate
}

func newFront(rng *rand.Rand, s Milling, p pattern) front {
	f := func(lo, hi float64) float64 { return lo + (hi-lo)*rng.Float64() }
	r := front{length: p.length, breadth: p.breadth, rate: s.RatePx.draw(rng), swing: s.RateSwing.draw(rng), period: f(8, 30), rateSeed: rng.Uint64()}
	zones := []zone{
		{at: f(0.1, 0.9) * p.length, half: f(0.06, 0.18) * p.length, factor: s.Hardness.draw(rng)},
		{at: f(0.1, 0.9) * p.length, half: f(0.06, 0.18) * p.length, factor: s.Hardness.draw(rng)},
	}
	r.harder = zones[:rng.IntN(3)]
	r.rough, r.bend, r.roughSeed, r.corner = s.RoughPx.draw(rng), f(18, 60), rng.Uint64(), f(2, 6)
	return r
}

// speed is the rate at which the front moves on from position, in beam-on frame number dose + 1, px per frame.
func (f front) speed(position, dose float64) float64 {
	v := f.rate * (1 + f.swing*wave(f.rateSeed, dose/f.period))
	for _, z := range f.harder {
		v *= 1 - (1-z.factor)*plateau((position-z.at)/z.half)
	}
	return v
}

// step moves the front on by the beam-on frame after dose such frames, in parts so short that a zone is not jumped.
func (f front) step(position float64, dose int) float64 {
	const parts = 4
	for i := range parts {
		position += f.speed(position, float64(dose)+float64(i)/parts) / parts
	}
	return position
}

// position is the mean position after dose beam-on frames, px from the starting edge.
func (f front) position(dose int) float64 {
	var v float64
	for i := range dose {
		v = f.step(v, i)
	}
	return v
}

// end is the least dose after which the mean front has reached the far edge, and false when that takes too long.
func (f front) end() (dose int, known bool) {
	var v float64
	for dose < farthest {
		if v = f.step(v, dose); v >= f.length {
			return dose + 1, true
		}
		dose++
	}
	return 0, false
}

// Samples of a front line: from lineMargin px outside the pattern's sides, lineStep apart.
const (
	lineStep   = 0.5
	lineMargin = 8
)

// line returns where the front stands across the pattern when its mean position is position: bends of three
// sizes that change slowly as it moves on, and corners that lag behind. Its mean over the pattern is position.
func (f front) line(position float64) []float32 {
	l := make([]float32, int(math.Ceil((f.breadth+2*lineMargin)/lineStep))+2)
	grown := 1 - math.Exp(-position/15) // a front that has just begun is straight
	var sum float64
	var n int
	for i := range l {
		u := min(max(float64(i)*lineStep-lineMargin, 0), f.breadth)
		v := f.rough * (0.62*noise(f.roughSeed, u/f.bend, position/45) + 0.34*noise(f.roughSeed+1, 2.7*u/f.bend, position/30) +
			0.2*noise(f.roughSeed+2, u/2.6, position/16))
		if side := min(u, f.breadth-u); side < f.corner {
			t := 1 - side/f.corner
			v -= f.corner * (1 - math.Sqrt(1-t*t))
		}
		l[i] = float32(v)
		if at := float64(i)*lineStep - lineMargin; at >= 0 && at <= f.breadth {
			sum, n = sum+v, n+1
		}
	}
	mean := sum / float64(max(n, 1))
	for i, v := range l {
		l[i] = float32(max(position+grown*(float64(v)-mean), 0))
	}
	return l
}

// area is what the front line encloses within the pattern, px.
func (f front) area(line []float32) float64 {
	var sum float64
	var n int
	for i, v := range line {
		if at := float64(i)*lineStep - lineMargin; at >= 0 && at <= f.breadth {
			sum, n = sum+min(max(float64(v), 0), f.length), n+1
		}
	}
	return sum / float64(max(n, 1)) * f.breadth
}

// wave is smooth noise of one variable in [-1, 1], of about one swing per unit.
func wave(seed uint64, t float64) float64 { return noise(seed, t, 0.5) }

// noise is smooth noise of two variables in [-1, 1]: value noise of cells of size 1.
func noise(seed uint64, x, y float64) float64 {
	fx, fy := math.Floor(x), math.Floor(y)
	ix, iy := int(fx), int(fy)
	tx, ty := smooth(x-fx), smooth(y-fy)
	a, b := float64(lattice(seed, ix, iy)), float64(lattice(seed, ix+1, iy))
	c, d := float64(lattice(seed, ix, iy+1)), float64(lattice(seed, ix+1, iy+1))
	a, c = a+(b-a)*tx, c+(d-c)*tx
	return a + (c-a)*ty
}

// smooth rises from 0 to 1 over 0..1, level at both ends.
func smooth[F float32 | float64](t F) F {
	t = min(max(t, 0), 1)
	return t * t * (3 - 2*t)
}

// plateau is 1 in the middle of -1..1, 0 outside, and rises within the outer 40 %.
func plateau(t float64) float64 { return smooth((1 - math.Abs(t)) / 0.4) }
