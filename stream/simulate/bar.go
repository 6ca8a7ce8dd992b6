package simulate

import (
	"math"
	"math/rand/v2"
	"strconv"
)

// Bounds of the scale bar's length, as shares of the frame's width.
const (
	barLeast = 0.15
	barMost  = 0.30
)

// roundLength is a bar's physical length: a digit 1, 2 or 5 times a power of ten.
type roundLength struct {
	nm    float64
	value float64
	unit  string // nm, um or mm, as results name it
	text  string // as printed
}

// barLength picks the round length whose bar has a share of the width within the bounds, or else lies nearest to
// them. Between 2 and 5 there is a gap of 2.5, so some pixel sizes have none within.
func barLength(nmPerPx float64, width int) (best roundLength, fits bool) {
	middle := math.Sqrt(barLeast * barMost)
	nearest := math.Inf(1)
	field := nmPerPx * float64(width)
	ten := math.Floor(math.Log10(field*barLeast)) - 1
	for k := range 4 {
		for _, digit := range []float64{1, 2, 5} {
			nm := digit * math.Pow(10, ten+float64(k))
			share := nm / field
			if off := math.Abs(math.Log(share / middle)); off < nearest {
				nearest, best.nm = off, nm
				fits = share >= barLeast && share <= barMost
			}
		}
	}
	best.value, best.unit = best.nm, "nm"
	printed := "nm"
	switch {
	case best.nm >= 1e6:
		best.value, best.unit, printed = best.nm/1e6, "mm", "mm"
	case best.nm >= 1e3:
		best.value, best.unit, printed = best.nm/1e3, "um", "µm"
	}
	best.text = short(best.value, 6) + " " + printed
	return best, fits
}

// pixelSize draws a pixel size, nm, of six digits (what the metadata holds), evenly over magnifications. It prefers one whose
// scale bar keeps its bounds.
func pixelSize(rng *rand.Rand, r Range, width int) float64 {
	var v float64
	for range 50 {
		v = sixDigits(r.Min * math.Pow(r.Max/r.Min, rng.Float64()))
		if _, fits := barLength(v, width); fits {
			break
		}
	}
	return v
}

// sixDigits rounds nm to what six significant digits of metres hold.
func sixDigits(nm float64) float64 {
	v, err := strconv.ParseFloat(strconv.FormatFloat(nm, 'g', 6, 64), 64)
	if err != nil { // cannot be: it was formatted as a number
		return nm
	}
	return v
}

// short prints v with up to n significant digits and no exponent.
func short(v float64, n int) string {
	v, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', n, 64), 64)
	if err != nil {
		return ""
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
