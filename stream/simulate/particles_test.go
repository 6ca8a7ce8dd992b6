package simulate

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"math"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// frame renders frame index of p, failing the test on an error.
func frame(t testing.TB, p Particles, index int) *Frame {
	t.Helper()
	fr, err := p.Frame(t.Context(), index)
	require.NoError(t, err)
	return fr
}

// digest hashes everything a frame holds.
func digest(t *testing.T, fr *Frame) uint64 {
	t.Helper()
	h := fnv.New64a()
	for _, v := range []any{fr.Gray8, fr.Gray16, fr.Labels, []byte(fr.Header)} {
		require.NoError(t, binary.Write(h, binary.LittleEndian, v))
	}
	for _, p := range fr.Truth.Particles {
		require.NoError(t, binary.Write(h, binary.LittleEndian, []float64{p.XPx, p.YPx, p.ECDPx}))
	}
	return h.Sum64()
}

func TestFrameIsTheSameOnAnyNumberOfCores(t *testing.T) {
	for _, bits := range []int{8, 16} {
		p := Particles{Width: 700, Height: 333, Seed: 42, Bits: bits}
		before := runtime.GOMAXPROCS(1)
		one := digest(t, frame(t, p, 7))
		runtime.GOMAXPROCS(4)
		four, again := digest(t, frame(t, p, 7)), digest(t, frame(t, p, 7))
		runtime.GOMAXPROCS(before)
		require.Equal(t, one, four)
		require.Equal(t, four, again)
		require.NotEqual(t, one, digest(t, frame(t, p, 8)), "another index is another frame")
		p.Seed = 43
		require.NotEqual(t, one, digest(t, frame(t, p, 7)), "another seed is another frame")
	}
}

func TestTruthAgreesWithLabels(t *testing.T) {
	for index := range 4 {
		fr := frame(t, Particles{Width: 640, Height: 512, Seed: 5, Touching: Range{1, 1}, PerMpx: Range{260, 260}}, index)
		require.NotZero(t, fr.Truth.Objects)
		area := make([]int, fr.Truth.Objects+1)
		sx, sy := make([]float64, len(area)), make([]float64, len(area))
		edge := make([]bool, len(area))
		for i, v := range fr.Labels {
			x, y := i%fr.Width, i/fr.Width
			if v < 0 || int(v) >= len(area) || v > 0 && y >= fr.ImageRows {
				t.Fatalf("label %d at (%d, %d): not one of %d, or in the panel", v, x, y, fr.Truth.Objects)
			}
			area[v]++
			sx[v], sy[v] = sx[v]+float64(x)+0.5, sy[v]+float64(y)+0.5
			if v > 0 {
				edge[v] = edge[v] || x == 0 || y == 0 || x == fr.Width-1 || y == fr.ImageRows-1
			}
		}
		require.Len(t, fr.Truth.Particles, fr.Truth.Objects)
		for i, p := range fr.Truth.Particles {
			l := i + 1
			require.Equal(t, l, p.Label)
			require.Equal(t, area[l], p.AreaPx)
			require.GreaterOrEqual(t, p.AreaPx, minVisiblePx)
			require.InDelta(t, math.Sqrt(4*float64(area[l])/math.Pi), p.ECDPx, 1e-9)
			require.InDelta(t, sx[l]/float64(area[l]), p.XPx, 1e-9)
			require.InDelta(t, sy[l]/float64(area[l]), p.YPx, 1e-9)
			require.Equal(t, edge[l], p.Edge)
		}
		require.Equal(t, fr.Truth.Objects, regions(fr), "each label is one 4-connected region")
	}
}

// regions counts the 4-connected regions of equal non-zero labels.
func regions(fr *Frame) int {
	seen := make([]bool, len(fr.Labels))
	n := 0
	for i, v := range fr.Labels {
		if v == 0 || seen[i] {
			continue
		}
		n++
		seen[i] = true
		for stack := []int{i}; len(stack) > 0; {
			j := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for k, inside := range map[int]bool{
				j - 1: j%fr.Width > 0, j + 1: j%fr.Width < fr.Width-1,
				j - fr.Width: j >= fr.Width, j + fr.Width: j+fr.Width < len(seen),
			} {
				if inside && !seen[k] && fr.Labels[k] == v {
					seen[k] = true
					stack = append(stack, k)
				}
			}
		}
	}
	return n
}

func TestSizesFollowTheirDistribution(t *testing.T) {
	var logs []float64
	for index := range 6 {
		for _, p := range frame(t, Particles{Width: 1024, Height: 1024, Seed: 9}, index).Truth.Particles {
			if !p.Edge {
				require.Greater(t, p.ECDPx, 17.0)
				require.Less(t, p.ECDPx, 132.0)
				logs = append(logs, math.Log(p.ECDPx))
			}
		}
	}
	require.Greater(t, len(logs), 400)
	var sum, squares float64
	for _, v := range logs {
		sum, squares = sum+v, squares+v*v
	}
	mean := sum / float64(len(logs))
	require.InDelta(t, 58, math.Exp(mean), 4, "median")
	require.InDelta(t, 1.35, math.Exp(math.Sqrt(squares/float64(len(logs))-mean*mean)), 0.06, "geometric standard deviation")
}

func TestParticlesTouchUnlessIsolated(t *testing.T) {
	contacts := func(p Particles) int {
		fr := frame(t, p, 1)
		pairs := map[[2]int32]bool{}
		for y := range fr.ImageRows - 2 {
			for x := range fr.Width - 2 {
				i := y*fr.Width + x
				for _, j := range []int{i + 2, i + 2*fr.Width} {
					if a, b := fr.Labels[i], fr.Labels[j]; a > 0 && b > 0 && a != b {
						pairs[[2]int32{min(a, b), max(a, b)}] = true
					}
				}
			}
		}
		return len(pairs)
	}
	require.Greater(t, contacts(Particles{Width: 1024, Height: 1024, Seed: 1}), 15)
	require.Zero(t, contacts(Particles{Width: 1024, Height: 1024, Seed: 1, Isolated: true}))
}

// TestSeamBetweenTouchingParticlesIsDark holds the scene to what an expert needs: where two particles touch, the image shows it.
func TestSeamBetweenTouchingParticlesIsDark(t *testing.T) {
	fr := frame(t, Particles{Width: 1024, Height: 1024, Seed: 3, Bits: 16, Electrons: Range{1e8, 1e8}}, 1)
	var seam, body float64
	var nSeam, nBody int
	for y := 1; y < fr.ImageRows-1; y++ {
		for x := 1; x < fr.Width-1; x++ {
			i := y*fr.Width + x
			v := fr.Labels[i]
			if v == 0 {
				continue
			}
			if r, d := fr.Labels[i+1], fr.Labels[i+fr.Width]; r > 0 && r != v || d > 0 && d != v {
				seam, nSeam = seam+float64(fr.Gray16[i]), nSeam+1
			} else {
				body, nBody = body+float64(fr.Gray16[i]), nBody+1
			}
		}
	}
	require.Greater(t, nSeam, 20)
	require.Less(t, seam/float64(nSeam), 0.8*body/float64(nBody))
}

func TestScaleBarHasItsLengthAndShareOfTheWidth(t *testing.T) {
	for index := range 40 {
		fr := frame(t, Particles{Width: 512, Height: 256, Seed: 11, PerMpx: Range{1e-9, 1e-9}}, index)
		b := fr.Truth.Bar
		nm := b.Value * map[string]float64{"nm": 1, "um": 1e3, "mm": 1e6}[b.Unit]
		require.InDelta(t, nm/fr.Truth.NmPerPx, b.LengthPx, 0.5)
		require.Equal(t, b.X1-b.X0, b.LengthPx)
		require.GreaterOrEqual(t, b.LengthPx, 0.15*512-0.5)
		require.LessOrEqual(t, b.LengthPx, 0.30*512+0.5)
		require.Contains(t, b.Text, strconv.FormatFloat(b.Value, 'f', -1, 64))
		y := int(b.Y0+b.Y1) / 2
		row := fr.Gray8[y*fr.Width : (y+1)*fr.Width]
		for x := range row {
			inside := float64(x) >= b.X0 && float64(x) < b.X1
			require.Equal(t, inside, row[x] == panelBright && float64(x) > b.X0-8, "column %d", x)
		}
	}
}

func TestHeaderStatesWhatTheTruthStates(t *testing.T) {
	for _, p := range []Particles{{Width: 1024, Height: 768, Seed: 2}, {Width: 300, Height: 200, Seed: 2, NoPanel: true, NmPerPx: Range{0.5, 0.5}}} {
		fr := frame(t, p, 3)
		value := func(section, key string) float64 {
			_, rest, ok := strings.Cut(fr.Header, "["+section+"]\r\n")
			require.True(t, ok)
			rest, _, _ = strings.Cut(rest, "\r\n\r\n")
			_, rest, ok = strings.Cut("\r\n"+rest+"\r\n", "\r\n"+key+"=")
			require.True(t, ok, key)
			rest, _, _ = strings.Cut(rest, "\r\n")
			v, err := strconv.ParseFloat(rest, 64)
			require.NoError(t, err)
			return v
		}
		require.InEpsilon(t, fr.Truth.NmPerPx, value("Scan", "PixelWidth")*1e9, 1e-12)
		require.InEpsilon(t, fr.Truth.NmPerPx, value("Scan", "PixelHeight")*1e9, 1e-12)
		require.InEpsilon(t, fr.Truth.NmPerPx*float64(fr.Width), value("Scan", "HorFieldsize")*1e9, 1e-5)
		require.EqualValues(t, fr.Width, value("Image", "ResolutionX"))
		require.EqualValues(t, fr.ImageRows, value("Image", "ResolutionY"))
		require.EqualValues(t, fr.Height-fr.ImageRows, value("PrivateFei", "DatabarHeight"))
		if p.NoPanel {
			require.Equal(t, fr.Height, fr.ImageRows)
			require.Nil(t, fr.Truth.Bar)
		} else {
			require.Equal(t, 48, fr.Height-fr.ImageRows)
		}
	}
}

func TestFieldsOutOfRangeAreRefused(t *testing.T) {
	for want, p := range map[string]Particles{
		"size 64x512":        {Width: 64, Height: 512},
		"size 512x20000":     {Width: 512, Height: 20000},
		"bits 12":            {Width: 512, Height: 512, Bits: 12},
		"contrast":           {Width: 512, Height: 512, Contrast: Range{0.5, 0.2}},
		"electrons":          {Width: 512, Height: 512, Electrons: Range{math.NaN(), 5}},
		"standard deviation": {Width: 512, Height: 512, GSD: 0.5},
		"diameters":          {Width: 512, Height: 512, MedianPx: 300},
	} {
		_, err := p.Frame(t.Context(), 1)
		require.ErrorContains(t, err, want)
	}
	_, err := New("grains", 512, 512, 1)
	require.ErrorContains(t, err, "use one of: particles")
	_, err = New("particles", 10, 512, 1)
	require.ErrorContains(t, err, "size 10x512")
	s, err := New("particles", 512, 512, 1)
	require.NoError(t, err)
	require.Equal(t, "particles", s.Name())
}

func TestFrameStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := (&Particles{Width: 2048, Height: 2048}).Frame(ctx, 1)
	require.ErrorIs(t, err, context.Canceled)
}

func TestWeightedHazenPercentiles(t *testing.T) {
	x := []float64{50, 10, 40, 20, 30}
	s := sizes(x, []float64{1, 1, 1, 1, 1})
	require.Equal(t, Sizes{N: 5, P10: 10, P50: 30, P90: 50, Mean: 30}, s)
	squares := make([]float64, len(x))
	for i, v := range x {
		squares[i] = v * v
	}
	s = sizes(x, squares)
	require.InDelta(t, 23.8462, s.P10, 1e-4)
	require.InDelta(t, 42.6829, s.P50, 1e-4)
	require.Equal(t, Sizes{}, sizes(nil, nil))
}

func BenchmarkFrame1024(b *testing.B) {
	p := Particles{Width: 1024, Height: 1024, Seed: 1}
	b.SetBytes(1024 * 1024)
	for b.Loop() {
		frame(b, p, 1)
	}
}

func TestACountOfParticlesIsPlacedAtAnyDensityThatFits(t *testing.T) {
	for _, n := range []int{5, 100, 1000, 3000} {
		fr := frame(t, Particles{Width: 1024, Height: 1024, Seed: 4, Count: n}, 1)
		require.InEpsilon(t, n, fr.Truth.Objects, 0.06, "%d particles", n)
	}
	few, usual := frame(t, Particles{Width: 512, Height: 512, Seed: 4, Count: 3}, 1), 0.0
	for _, p := range few.Truth.Particles {
		usual = max(usual, p.ECDPx)
	}
	require.Greater(t, usual, 30.0, "few particles are as large as usual")
	_, err := (&Particles{Width: 512, Height: 512, Count: 100000}).Frame(t.Context(), 1)
	require.ErrorContains(t, err, "100000 particles on 512x512 px")
	_, err = (&Particles{Width: 512, Height: 512, Count: -1}).Frame(t.Context(), 1)
	require.ErrorContains(t, err, "-1 particles")
}
