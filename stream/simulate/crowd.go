package simulate

import (
	"fmt"
	"math"
)

// What the default particles need: so many per 2^20 px, each with its share of the gap to its neighbours, find room.
const (
	roomyPerMpx = 135
	leastCrowd  = 8 // px; a smaller median is no object any more
	leastSize   = 6 // px; the smallest diameter of a crowd
)

// crowd chooses the diameters that were left zero so that Count particles find room: those of the defaults while there
// are no more than by default, then smaller with the root of the number.
func (p *Particles) crowd(rows int) error {
	if p.Count == 0 {
		return nil
	}
	mpx := float64(p.Width) * float64(rows) / (1 << 20)
	room := func(median float64) float64 { // particles that find it
		times := (medianPx + clusterGapPx) / (median + clusterGapPx)
		return mpx * roomyPerMpx * times * times
	}
	if most := int(room(leastCrowd)); p.Count < 0 || p.Count > most {
		return fmt.Errorf("%d particles on %dx%d px: out of range; give 1 to %d, or 0 for as many as usual", p.Count, p.Width, p.Height, most)
	}
	median := (medianPx+clusterGapPx)*math.Sqrt(room(medianPx)/float64(p.Count)) - clusterGapPx
	shrink := min(median/medianPx, 1)
	for _, f := range []struct {
		v     *float64
		px    float64
		least float64
	}{{&p.MedianPx, medianPx, leastCrowd}, {&p.MinPx, minPx, leastSize}, {&p.MaxPx, maxPx, 2 * leastCrowd}} {
		if *f.v == 0 {
			*f.v = max(f.px*shrink, f.least)
		}
	}
	return nil
}
