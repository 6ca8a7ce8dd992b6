package simulate

import (
	"math"
	"math/rand/v2"
)

// streak is extra signal on some rows: behind a charged particle along the scan, or over a whole band of rows.
type streak struct {
	y, half float32 // centre row and half height, px
	x       float32 // where it starts, px; left of the frame for a band
	length  float32 // decay to 1/e, px; +Inf for a band
	amp     float32 // of full scale, negative darkens
}

// charge draws the streaks behind charged particles, and up to two bands per 1024 rows where the beam current
// or the sample's potential drifted for a few lines.
func charge(rng *rand.Rand, w, h int, l look, bodies []*particle) []streak {
	if l.NoCharge {
		return nil
	}
	var s []streak
	for _, p := range bodies {
		if !p.charged {
			continue
		}
		amp := 0.03 + 0.06*rng.Float64()
		if rng.Float64() < 0.4 {
			amp = -0.7 * amp
		}
		s = append(s, streak{
			y: float32(p.y), half: float32(0.8 * p.reach), x: float32(p.x + 0.9*p.reach),
			length: float32(p.reach * (1.5 + 3*rng.Float64())), amp: float32(amp),
		})
	}
	bands := rng.IntN(3)
	if bands > 0 {
		bands = max(bands*h/1024, 1)
	}
	for range bands {
		s = append(s, streak{
			y: float32(rng.Float64() * float64(h)), half: float32(2 + 8*rng.Float64()), x: float32(-w),
			length: float32(math.Inf(1)), amp: float32(0.015 + 0.025*rng.Float64()),
		})
	}
	return s
}

// add sums the streak's part of row y into dst. Rows fall off as a parabola towards its edges.
func (s streak) add(dst []float32, y int) {
	u := (float32(y) + 0.5 - s.y) / s.half
	if u <= -1 || u >= 1 {
		return
	}
	amp := s.amp * (1 - u*u)
	if math.IsInf(float64(s.length), 1) {
		for x := range dst {
			dst[x] += amp
		}
		return
	}
	fade := float32(math.Exp(-1 / float64(s.length)))
	rise := float32(0)
	for x := max(int(s.x), 0); x < len(dst) && float32(x)-s.x < 6*s.length; x++ {
		if rise < 1 {
			rise = min(rise+0.2, 1) // no hard edge where it starts
		}
		dst[x] += amp * rise
		amp *= fade
	}
}
