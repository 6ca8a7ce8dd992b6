package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// background draws frame i of 200 without anything to see: light that is even, falls off to a side or to the corners,
// at any brightness from nearly black to nearly white, with noise of many kinds and strengths, or none.
func background(i, w, h int, rng *rand.Rand) (values []float64, name string) {
	levels := []float64{128, 3, 60, 200, 252}[i%5]
	light := []string{"even", "across", "down", "slant", "vignette"}[i/5%5]
	kind := []string{"white", "coloured", "speckle", "shot", "line"}[i/25%5]
	strength := []float64{0, 0.4, 1, 3, 10, 30, 60, 2}[i/25]
	noise := make([]float64, w*h)
	for k := range noise {
		noise[k] = rng.NormFloat64()
	}
	if kind == "coloured" || kind == "speckle" {
		for range 2 {
			noise = boxed(noise, w, h, 1+i%4)
		}
		square := 0.0
		for _, v := range noise {
			square += v * v / float64(len(noise))
		}
		for k := range noise {
			noise[k] /= math.Sqrt(square)
		}
	}
	line := 0.0
	values = make([]float64, w*h)
	for k := range values {
		x, y := float64(k%w)/float64(w)-0.5, float64(k/w)/float64(h)-0.5
		v := levels
		switch light {
		case "across":
			v *= 1 + 0.6*x
		case "down":
			v *= 1 + 0.6*y
		case "slant":
			v *= 1 + 0.3*x - 0.4*y
		case "vignette":
			v *= 1 - 0.8*(x*x+y*y)
		}
		switch n := noise[k]; kind {
		case "speckle":
			v *= math.Exp(strength / 60 * n)
		case "shot":
			v += strength / 8 * math.Sqrt(max(v, 0)) * n
		case "line":
			if k%w == 0 {
				line = strength / 4 * rng.NormFloat64()
			}
			v += strength*n + line
		default:
			v += strength * n
		}
		values[k] = v
	}
	return values, fmt.Sprintf("%d: %s light of %g, %s noise of %g", i, light, levels, kind, strength)
}

// boxed averages over squares of 2r+1, around the edges.
func boxed(v []float64, w, h, r int) []float64 {
	out := make([]float64, len(v))
	for y := range h {
		for x := range w {
			for d := -r; d <= r; d++ {
				out[y*w+x] += v[y*w+(x+d+w)%w]
			}
		}
	}
	sums := make([]float64, len(v))
	for y := range h {
		for x := range w {
			for d := -r; d <= r; d++ {
				sums[y*w+x] += out[(y+d+h)%h*w+x]
			}
		}
	}
	return sums
}

// digitised rounds values of 0..255, in 8 bits or stretched to 16.
func digitised(values []float64, wide bool) (gray8 []uint8, gray16 []uint16) {
	for _, v := range values {
		if wide {
			gray16 = append(gray16, uint16(min(max(math.Round(257*v), 0), 65535)))
		} else {
			gray8 = append(gray8, uint8(min(max(math.Round(v), 0), 255)))
		}
	}
	return gray8, gray16
}

// An empty field, whatever its light and noise, may be blank or saturated; nothing else is wrong with it.
func TestLookFindsNothingInEmptyFrames(t *testing.T) {
	const w, h = 320, 280
	rng := rand.New(rand.NewPCG(21, 22))
	for i := range 200 {
		values, name := background(i, w, h, rng)
		gray8, gray16 := digitised(values, i%2 == 1)
		q := Look(gray8, gray16, w, h, Rect{})
		for _, f := range q.Flags {
			require.Contains(t, []string{FlagBlank, FlagSaturated}, f, name)
		}
		again, _ := background(i, w, h, rng)
		again8, again16 := digitised(again, i%2 == 1)
		if slices.Equal(gray8, again8) && slices.Equal(gray16, again16) {
			continue // without noise a field is the same again
		}
		require.False(t, PrintOf(gray8, gray16, w, h, Rect{}).Same(PrintOf(again8, again16, w, h, Rect{})), name)
	}
}
