package simulate

import "fmt"

// checkSize refuses frames out of range, and sets the default of bits.
func checkSize(width, height int, bits *int) error {
	if width < MinSide || height < MinSide || width > MaxSide || height > MaxSide {
		return fmt.Errorf("size %dx%d: out of range; give a width and height from %d to %d px", width, height, MinSide, MaxSide)
	}
	if *bits == 0 {
		*bits = 8
	}
	if *bits != 8 && *bits != 16 {
		return fmt.Errorf("bits %d: not supported; use 8 or 16", *bits)
	}
	return nil
}

// ranged is one field of a scene: its range, what it is when left zero, and what it may be.
type ranged struct {
	name            string
	v               *Range
	def             Range
	lowest, highest float64
}

// checkRanges sets defaults and refuses what is out of range.
func checkRanges(fields []ranged) error {
	for _, f := range fields {
		if *f.v == (Range{}) {
			*f.v = f.def
		}
		if !(f.v.Min >= f.lowest && f.v.Min <= f.v.Max && f.v.Max <= f.highest) {
			return fmt.Errorf("%s %g..%g: out of range; give a rising interval within %g..%g", f.name, f.v.Min, f.v.Max, f.lowest, f.highest)
		}
	}
	return nil
}
