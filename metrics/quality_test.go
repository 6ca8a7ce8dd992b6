package metrics

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLookNamesBlankAndSaturatedFrames(t *testing.T) {
	const w, h = 100, 80
	paint := func(share float64, value, other uint8) []uint8 {
		g := make([]uint8, w*h)
		for i := range g {
			g[i] = other + uint8(i%7)
			if float64(i%w) < share*w {
				g[i] = value
			}
		}
		return g
	}
	sixteen := func(g []uint8, scale uint16) []uint16 {
		out := make([]uint16, len(g))
		for i := range g {
			out[i] = uint16(g[i]) * scale
		}
		return out
	}
	flags := func(gray8 []uint8, gray16 []uint16, w, h int, area Rect) []string {
		q := Look(gray8, gray16, w, h, area)
		require.Equal(t, slices.Contains(q.Flags, FlagBlank), Blank(gray8, gray16, w, h, area))
		return slices.DeleteFunc(q.Flags, func(f string) bool { return f != FlagBlank && f != FlagSaturated })
	}
	require.Equal(t, []string{"blank"}, flags(make([]uint8, w*h), nil, w, h, Rect{}))
	require.Equal(t, []string{"blank"}, flags(nil, make([]uint16, w*h), w, h, Rect{}))
	require.Equal(t, []string{"blank"}, flags(paint(1, 255, 0), nil, w, h, Rect{}))
	require.Equal(t, []string{}, flags(paint(0, 0, 100), nil, w, h, Rect{}))
	require.Equal(t, []string{}, flags(paint(0.19, 255, 100), nil, w, h, Rect{}))
	require.Equal(t, []string{"saturated"}, flags(paint(0.21, 255, 100), nil, w, h, Rect{}))
	require.Equal(t, []string{"saturated"}, flags(paint(0.21, 0, 100), nil, w, h, Rect{}))
	require.Equal(t, []string{}, flags(nil, sixteen(paint(0.5, 255, 100), 250), w, h, Rect{}))
	require.Equal(t, []string{"saturated"}, flags(nil, sixteen(paint(0.5, 255, 100), 257), w, h, Rect{}))
	require.Equal(t, []string{"saturated"}, flags(nil, sixteen(paint(0.5, 195, 100), 21), w, h, Rect{}), "4095: 12 bits")

	almost := make([]uint8, w*h)
	almost[4] = 200
	require.Equal(t, []string{"blank"}, flags(almost, nil, w, h, Rect{}))
	// A bright data bar below the analysed area does not count.
	bar := paint(0, 0, 50)
	for i := w * 50; i < w*h; i++ {
		if i%4 > 0 {
			bar[i] = 255
		}
	}
	require.Equal(t, []string{"saturated"}, flags(bar, nil, w, h, Rect{}))
	require.Equal(t, []string{}, flags(bar, nil, w, h, Rect{X1: w, Y1: 50}))
}

// drawn makes a picture from a function, with noise of sigma.
func drawn(w, h int, sigma float64, f func(x, y float64) float64) []uint8 {
	rng := rand.New(rand.NewPCG(23, 24))
	gray := make([]uint8, w*h)
	for i := range gray {
		v := f(float64(i%w)+0.5, float64(i/w)+0.5) + sigma*rng.NormFloat64()
		gray[i] = uint8(math.Round(min(max(v, 0), 255)))
	}
	return gray
}

// discs is 20 times 20 discs on a background of 60, 12 px in radius, with edges blurred by sigma.
func discs(sigma float64) func(x, y float64) float64 {
	return func(x, y float64) float64 {
		x, y = math.Mod(x, 40)-20, math.Mod(y, 40)-20
		return 60 + 100/(1+math.Exp((math.Hypot(x, y)-12)/(0.588*sigma)))
	}
}

func TestLookMeasuresGoodFrames(t *testing.T) {
	gray := micrograph(800, 200, 5)
	q := Look(gray, nil, 800, 800, Rect{})
	require.Empty(t, q.Flags)
	require.InDelta(t, 5./255, *q.Noise, 0.3/255)
	require.Equal(t, 1., *q.CompleteShare)
	require.Zero(t, *q.Charging)
	require.Zero(t, *q.Curtaining)
	require.Nil(t, q.CurtainingDeg)
	require.Greater(t, *q.Sharpness, 0.3)

	wide := make([]uint16, len(gray))
	for i, g := range gray {
		wide[i] = 257 * uint16(g)
	}
	w := Look(nil, wide, 800, 800, Rect{})
	require.Empty(t, w.Flags)
	require.InDelta(t, *q.Noise, *w.Noise, 1e-9)
	require.InDelta(t, *q.Sharpness, *w.Sharpness, 0.02)
	require.Empty(t, Look(gray[:40*800], nil, 800, 40, Rect{}).Flags, "too small to tell")
}

func TestSharpnessIsTheWidthOfEdgesWhateverContrastAndNoise(t *testing.T) {
	const side = 800
	big := func(sigma, contrast float64) func(x, y float64) float64 {
		return func(x, y float64) float64 {
			x, y = math.Mod(x, 160)-80, math.Mod(y, 160)-80
			return 60 + contrast/2*math.Erfc((math.Hypot(x, y)-50)/(math.Sqrt2*sigma))
		}
	}
	for _, sigma := range []float64{2, 3, 4, 6, 8} {
		for _, contrast := range []float64{40, 150} {
			for _, noise := range []float64{0.5, 2} {
				q := Look(drawn(side, side, noise, big(sigma, contrast)), nil, side, side, Rect{})
				require.NotNil(t, q.Sharpness)
				require.InEpsilon(t, 2.563*sigma, 1 / *q.Sharpness, 0.4, "sigma %g, contrast %g, noise %g", sigma, contrast, noise)
				if sigma == 4 {
					continue // at the limit
				}
				require.Equal(t, sigma > 4, slices.Contains(q.Flags, FlagBlurred), "sigma %g, contrast %g, noise %g: %g", sigma, contrast, noise, *q.Sharpness)
			}
		}
	}
}

func TestLookFindsInterruptedScans(t *testing.T) {
	const side = 600
	whole := micrograph(side, 150, 5)
	for name, fill := range map[string]func(row []uint8, last []uint8){
		"black": func(row, _ []uint8) { clear(row) },
		"grey": func(row, _ []uint8) {
			for i := range row {
				row[i] = 90
			}
		},
		"line": func(row, last []uint8) { copy(row, last) },
		"smooth": func(row, _ []uint8) {
			for i := range row {
				row[i] = uint8(40 + i/20)
			}
		},
	} {
		for _, from := range []int{590, 500, 200} {
			gray := slices.Clone(whole)
			for y := from; y < side; y++ {
				fill(gray[y*side:(y+1)*side], gray[(from-1)*side:from*side])
			}
			q := Look(gray, nil, side, side, Rect{})
			incomplete := from < 590 // 10 rows are fewer than 2 %
			require.Equal(t, incomplete, slices.Contains(q.Flags, FlagIncomplete), "%s from %d", name, from)
			require.InDelta(t, float64(from)/side, *q.CompleteShare, 0.003, "%s from %d", name, from)
			if incomplete {
				require.Equal(t, []string{FlagIncomplete}, q.Flags, "%s from %d: the rest is good", name, from)
			}
			q = Look(gray, nil, side, side, Rect{X1: side, Y1: from})
			require.Empty(t, q.Flags, "%s from %d is outside the area", name, from)
		}
	}
	upper := slices.Clone(whole)
	clear(upper[:100*side])
	require.Equal(t, []string{FlagIncomplete}, Look(upper, nil, side, side, Rect{}).Flags)
}

// What has no noise, or is dark, clipped or flat at the border, was scanned all the same.
func TestLookTakesNoPictureForAnInterruptedScan(t *testing.T) {
	const side = 512
	blob := func(x, y float64) float64 { return math.Exp(-((x-256)*(x-256) + (y-256)*(y-256)) / 5000) }
	for name, gray := range map[string][]uint8{
		"discs without noise":      drawn(side, side, 0, discs(0.5)),
		"smooth discs":             drawn(side, side, 0, discs(3)),
		"a blob in the middle":     drawn(side, side, 0, func(x, y float64) float64 { return 200 * blob(x, y) }),
		"a noisy blob, clipped":    drawn(side, side, 2, func(x, y float64) float64 { return -20 + 200*blob(x, y) }),
		"a dark lower half":        drawn(side, side, 0.7, func(_, y float64) float64 { return 120 - 115/(1+math.Exp((300-y)/2)) }),
		"an oblique clipped edge":  drawn(side, side, 8, func(x, y float64) float64 { return 120 + 200/(1+math.Exp((400+x/20-y)/2)) }),
		"a slope across":           drawn(side, side, 0, func(x, _ float64) float64 { return x / 2 }),
		"a slope down":             drawn(side, side, 0, func(_, y float64) float64 { return y / 2 }),
		"every line scanned twice": drawn(side, side, 0, func(x, y float64) float64 { return 100 + 50*math.Sin(x*x+math.Floor(y/2)*71) }),
		"a dead row and a dark one": func() []uint8 {
			g := micrograph(side, 100, 5)
			clear(g[511*side:])
			clear(g[300*side : 303*side])
			return g
		}(),
	} {
		require.NotContains(t, Look(gray, nil, side, side, Rect{}).Flags, FlagIncomplete, name)
	}
}

func TestLookFindsChargingButNoLayers(t *testing.T) {
	const side = 600
	grains := micrograph(side, 150, 5)
	with := func(offset func(x, y int) float64) []uint8 {
		gray := slices.Clone(grains)
		for i := range gray {
			gray[i] = uint8(min(max(float64(gray[i])+offset(i%side, i/side), 0), 255))
		}
		return gray
	}
	rng := rand.New(rand.NewPCG(25, 26))
	jitter := make([]float64, side)
	for i := range jitter {
		jitter[i] = 3 * rng.NormFloat64()
	}
	bands := func(height int, level float64) func(x, y int) float64 {
		return func(_, y int) float64 {
			if y%100 >= 40 && y%100 < 40+height {
				return level
			}
			return 0
		}
	}
	for _, level := range []float64{-30, -15, 15, 30} {
		for _, height := range []int{2, 5, 12} {
			q := Look(with(bands(height, level)), nil, side, side, Rect{})
			require.InEpsilon(t, float64(height)/100, *q.Charging, 0.25, "%d rows by %g", height, level)
			require.Equal(t, []string{FlagCharging}, q.Flags, "%d rows by %g", height, level)
		}
	}
	half := Look(with(func(x, y int) float64 {
		if x < side/2 {
			return 0
		}
		return bands(10, 20)(x, y)
	}), nil, side, side, Rect{})
	require.InDelta(t, 0.05, *half.Charging, 0.01, "from the middle of the lines on")
	for name, offset := range map[string]func(x, y int) float64{
		"jitter of lines": func(_, y int) float64 { return jitter[y] },
		"a step": func(_, y int) float64 {
			if y > 300 {
				return 40
			}
			return 0
		},
		"a layer with edges of 2 px": func(_, y int) float64 {
			return 40/(1+math.Exp(float64(300-y))) - 40/(1+math.Exp(float64(330-y)))
		},
		"an oblique layer": func(x, y int) float64 {
			if d := y - x/60; d > 300 && d < 320 {
				return 40
			}
			return 0
		},
		"one bright line": func(_, y int) float64 {
			if y == 300 {
				return 100
			}
			return 0
		},
	} {
		require.NotContains(t, Look(with(offset), nil, side, side, Rect{}).Flags, FlagCharging, name)
	}
}

func TestLookFindsCurtainingButNoGrating(t *testing.T) {
	const side = 800
	rng := rand.New(rand.NewPCG(27, 28))
	profile := make([]float64, 2*side) // power falls as 1 over the frequency
	for k := 8; k < side/4; k++ {
		a, phase := 3/math.Sqrt(float64(k)), rng.Float64()*2*math.Pi
		for x := range profile {
			profile[x] += a * math.Sin(math.Pi*float64(k)*float64(x)/side+phase)
		}
	}
	lean := func(deg float64) func(x, y float64) float64 {
		return func(x, y float64) float64 {
			return 100 + profile[int(x-math.Tan(deg*math.Pi/180)*y)+side/2]
		}
	}
	for _, deg := range []float64{-12, -5, 0, 3, 12} {
		q := Look(drawn(side, side, 5, lean(deg)), nil, side, side, Rect{})
		require.Equal(t, []string{FlagCurtaining}, q.Flags, "%g°", deg)
		require.InDelta(t, deg, *q.CurtainingDeg, 1)
	}
	for name, f := range map[string]func(x, y float64) float64{
		"discs in rows":    discs(1),
		"one edge":         func(x, _ float64) float64 { return 100 + 80/(1+math.Exp(300-x)) },
		"horizontal":       func(x, y float64) float64 { return lean(0)(y, x) },
		"a slope":          func(x, _ float64) float64 { return 60 + x/8 },
		"a quantised rise": func(x, _ float64) float64 { return 100 + math.Floor(x/40) },
	} {
		for _, noise := range []float64{0, 5} {
			require.NotContains(t, Look(drawn(side, side, noise, f), nil, side, side, Rect{}).Flags, FlagCurtaining, name)
		}
	}
}

func TestSameTellsACopyFromAnotherAcquisition(t *testing.T) {
	const side = 400
	scene := func(sigma float64, seed uint64) []uint8 {
		rng := rand.New(rand.NewPCG(seed, 1))
		gray := make([]uint8, side*side)
		for i := range gray {
			gray[i] = uint8(math.Round(min(max(discs(1)(float64(i%side), float64(i/side))+sigma*rng.NormFloat64(), 0), 255)))
		}
		return gray
	}
	print8 := func(gray []uint8, area Rect) Print { return PrintOf(gray, nil, side, side, area) }
	clock := func(gray []uint8) []uint8 {
		out := slices.Clone(gray)
		for i := range 60 * 12 {
			out[(380+i/60)*side+300+i%60] = uint8(i)
		}
		return out
	}
	for _, sigma := range []float64{0.6, 1, 10} {
		a, b := scene(sigma, 1), scene(sigma, 2)
		require.True(t, print8(a, Rect{}).Same(print8(a, Rect{})), "sigma %g", sigma)
		require.True(t, print8(clock(a), Rect{}).Same(print8(a, Rect{})), "sigma %g", sigma)
		require.False(t, print8(b, Rect{}).Same(print8(a, Rect{})), "sigma %g", sigma)
		require.False(t, print8(a, Rect{X1: side, Y1: 399}).Same(print8(a, Rect{})), "another area")
	}
	still, moved := scene(0, 1), scene(0, 1)
	clear(moved[:20*side])
	require.False(t, print8(moved, Rect{}).Same(print8(still, Rect{})), "without noise, something changed")
	require.False(t, Print{}.Same(Print{}))
	one := slices.Clone(still)
	one[777]++
	require.False(t, print8(one, Rect{}).Same(print8(still, Rect{})), "without noise, one pixel changed")
}
