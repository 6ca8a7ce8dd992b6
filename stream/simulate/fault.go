package simulate

import "math/rand/v2"

// Faults, as Truth.Milling.Faults names them.
const (
	FaultInterrupted = "interrupted" // the scan stopped: the last rows are black or constant
	FaultBlurred     = "blurred"     // out of focus
	FaultBlank       = "blank"       // the beam was blanked
	FaultFrozen      = "frozen"      // the pixels of the frame before once more
	FaultCharging    = "charging"    // bright or dark bands and streaks
)

// fault is what went wrong in one frame.
type fault struct {
	interruptedAt float64 // share of the rows scanned; 1: all
	rest          float64 // signal of the rows that were not, of full scale
	blur          float64 // standard deviation of the defocused spot, px; 0: in focus
	blank, frozen bool
	charging      bool
}

// faults draws the faults of frames.
type faults struct {
	none                                         bool
	interrupted, blurred, blank, frozen, charged float64 // chance per frame
	seed                                         uint64
}

func newFaults(rng *rand.Rand, s Milling) faults {
	return faults{
		none: s.NoFaults, interrupted: s.Interrupted.draw(rng), blurred: s.Blurred.draw(rng), blank: s.Blank.draw(rng),
		frozen: s.Frozen.draw(rng), charged: s.Charged.draw(rng), seed: rng.Uint64(),
	}
}

// freezes tells whether frame index is frozen. Of frames that are drawn in a row every second one is, so that the frame
// before has pixels of its own to repeat.
func (f faults) freezes(index int) bool {
	drawn := 0
	for i := index; i > 1 && chance(f.seed, i, 0) < f.frozen; i-- {
		drawn++
	}
	return drawn%2 == 1
}

// of returns the faults of frame index. Frame 1, in which the pattern is placed, has none.
func (f faults) of(index int) fault {
	v := fault{interruptedAt: 1}
	if f.none || index <= 1 {
		return v
	}
	draw := func(kind int) float64 { return chance(f.seed, index, kind) }
	v.charging = draw(1) < f.charged
	switch {
	case f.freezes(index):
		v.frozen, v.charging = true, false
	case draw(2) < f.blank:
		v.blank, v.charging = true, false
	case draw(3) < f.interrupted:
		v.interruptedAt = 0.05 + 0.9*draw(4)
		if draw(5) < 0.4 {
			v.rest = 0.1 + 0.5*draw(6)
		}
	case draw(7) < f.blurred:
		v.blur = 2.5 + 3.5*draw(8)
	}
	return v
}

// names lists the faults, never nil.
func (f fault) names() []string {
	list := []string{}
	for _, v := range []struct {
		name string
		has  bool
	}{
		{FaultInterrupted, f.interruptedAt < 1}, {FaultBlurred, f.blur > 0}, {FaultBlank, f.blank},
		{FaultFrozen, f.frozen}, {FaultCharging, f.charging},
	} {
		if v.has {
			list = append(list, v.name)
		}
	}
	return list
}
