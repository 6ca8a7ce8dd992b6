package simulate

import (
	"math"
	"math/rand/v2"
)

// drift is how the content of a run's frames moves relative to frame 1.
type drift struct {
	still  bool
	x, y   float64 // linear, px per frame
	walk   float64 // standard deviation of a random step, px per frame and axis
	jumps  float64 // chance per frame
	seed   uint64
	settle float64 // frames over which the walk's direction persists
}

func newDrift(rng *rand.Rand, s Milling) drift {
	d := drift{still: s.NoDrift}
	sin, cos := math.Sincos(rng.Float64() * 2 * math.Pi)
	v := s.DriftPx.draw(rng)
	d.x, d.y = v*cos, v*sin
	d.walk, d.jumps, d.seed, d.settle = s.WalkPx.draw(rng), s.Jumps.draw(rng), rng.Uint64(), 1+4*rng.Float64()
	return d
}

// at is the displacement of the content in frame index, px: +x right, +y down.
func (d drift) at(index int) (x, y float64) {
	if d.still {
		return 0, 0
	}
	keep := 1 - 1/d.settle
	var vx, vy float64
	for i := 2; i <= index; i++ {
		vx, vy = keep*vx+(1-keep)*float64(gauss(d.seed, i, 0)), keep*vy+(1-keep)*float64(gauss(d.seed, i, 1))
		x, y = x+d.x+d.walk*vx, y+d.y+d.walk*vy
		if chance(d.seed, i, 2) < d.jumps {
			sin, cos := math.Sincos(2 * math.Pi * chance(d.seed, i, 3))
			far := 2 + 10*chance(d.seed, i, 4)
			x, y = x+far*cos, y+far*sin
		}
	}
	return x, y
}

// chance is a uniform value in [0, 1) for frame index; kind tells apart what is drawn.
func chance(seed uint64, index, kind int) float64 {
	return float64(mix(seed^mix(uint64(uint32(index))|uint64(uint32(kind))<<32))>>11) / (1 << 53)
}
