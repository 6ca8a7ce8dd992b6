package simulate

import (
	"context"
	"encoding/json"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream/decode"
)

// milledFrame renders frame index of m after dose beam-on frames.
func milledFrame(t testing.TB, m Milling, index, dose int) *Frame {
	t.Helper()
	fr, err := m.FrameAt(t.Context(), index, dose)
	require.NoError(t, err)
	return fr
}

// never is a range that draws nothing, and is not left zero.
var never = Range{0, 1e-12}

// clean is a run without noise, drift and faults.
func clean(seed uint64) Milling {
	return Milling{Width: 320, Height: 288, Seed: seed, Bits: 16, NoDrift: true, NoFaults: true, Electrons: Range{1e8, 1e8}, LineJitterPx: never}
}

func TestMillingFrameIsTheSameOnAnyNumberOfCores(t *testing.T) {
	for _, bits := range []int{8, 16} {
		m := Milling{Width: 300, Height: 333, Seed: 42, Bits: bits}
		whole := func(index, dose int) uint64 {
			fr := milledFrame(t, m, index, dose)
			text, err := json.Marshal(fr.Truth)
			require.NoError(t, err)
			fr.Header += string(text)
			return digest(t, fr)
		}
		before := runtime.GOMAXPROCS(1)
		one := whole(17, 16)
		runtime.GOMAXPROCS(4)
		four, again := whole(17, 16), whole(17, 16)
		runtime.GOMAXPROCS(before)
		require.Equal(t, one, four)
		require.Equal(t, four, again)
		require.NotEqual(t, one, whole(18, 16), "another index is another frame")
		require.NotEqual(t, one, whole(17, 15), "another dose is another frame")
		m.Seed = 43
		require.NotEqual(t, one, whole(17, 16), "another seed is another frame")
	}
}

// advanced measures on labels how far the trench reaches within the pattern's sides, px, and its area within the pattern.
func advanced(fr *Frame) (front, area float64) {
	m := fr.Truth.Milling
	w, h := float64(fr.Width), float64(fr.ImageRows)
	left, top := m.Pattern.Left*w, m.Pattern.Top*h
	right, bottom := left+m.Pattern.Width*w, top+m.Pattern.Height*h
	upright := m.ScanDirection == TopToBottom || m.ScanDirection == BottomToTop
	var n float64
	for i, l := range fr.Labels {
		if l == 0 {
			continue
		}
		x, y := float64(i%fr.Width)+0.5-m.DriftPx.X, float64(i/fr.Width)+0.5-m.DriftPx.Y
		inX, inY := x >= left && x < right, y >= top && y < bottom
		if inX && inY {
			area++
		}
		beside := inX
		if !upright {
			beside = inY
		}
		begun := map[string]bool{TopToBottom: y >= top, BottomToTop: y < bottom, LeftToRight: x >= left, RightToLeft: x < right}[m.ScanDirection]
		if beside && begun {
			n++
		}
	}
	if upright {
		return n / (right - left), area
	}
	return n / (bottom - top), area
}

func TestMillingTruthAgreesWithLabels(t *testing.T) {
	for seed := range uint64(12) {
		m := Milling{Width: 320, Height: 300, Seed: seed, ScanDirection: ScanDirections()[seed%4], DriftPx: Range{0.1, 0.1}}
		end := *milledFrame(t, m, 1, 0).Truth.Milling.EndpointIndex
		for _, share := range []float64{0, 0.1, 0.5, 0.9, 1, 1.1} {
			dose := int(math.Ceil(share * float64(end-1)))
			fr := milledFrame(t, m, 3, dose)
			truth := fr.Truth.Milling
			front, area := advanced(fr)
			require.InDelta(t, truth.FrontPx, front, 1, "seed %d, dose %d", seed, dose)
			require.InDelta(t, truth.AreaPx, area, 0.01*truth.AreaPx+float64(fr.Width), "seed %d, dose %d", seed, dose)
			require.Equal(t, share >= 1, truth.Progress >= 1)
			require.InEpsilon(t, 1+truth.FrontNm, 1+truth.FrontPx*fr.Truth.NmPerPx, 1e-9)
			require.Equal(t, m.ScanDirection, truth.ScanDirection)
			require.Equal(t, dose, truth.Dose)
			require.Equal(t, end, *truth.EndpointIndex)
			require.EqualValues(t, fr.Truth.Objects, slices.Max(fr.Labels))
			require.Equal(t, dose > 0, fr.Truth.Objects == 1)
		}
	}
}

func TestMillingTruthAgreesWithPixels(t *testing.T) {
	for seed := range uint64(8) {
		m := clean(seed)
		m.ScanDirection, m.Contrast, m.Redeposit, m.Halo = ScanDirections()[seed%4], Range{0.5, 0.6}, never, never
		first := milledFrame(t, m, 1, 0)
		fr := milledFrame(t, m, 1, 2**first.Truth.Milling.EndpointIndex/3)
		var trench, within float64
		for i, l := range fr.Labels {
			darker := float64(first.Gray16[i])-float64(fr.Gray16[i]) > 0.04*65535
			if darker {
				trench++
			}
			if darker && l == 1 {
				within++
			}
		}
		require.Greater(t, within/trench, 0.97, "what got darker is the trench")
		require.Greater(t, within/float64(fr.Truth.Particles[0].AreaPx), 0.8, "nearly all of the trench got darker")
	}
}

func TestMillingNeverGoesBack(t *testing.T) {
	for seed := range uint64(6) {
		m := clean(seed)
		m.RoughPx = Range{3, 3}
		end := *milledFrame(t, m, 1, 0).Truth.Milling.EndpointIndex
		before := milledFrame(t, m, 1, 0)
		require.Zero(t, before.Truth.Milling.FrontPx)
		for dose := 1; dose <= end+5; dose++ {
			now := milledFrame(t, m, 1+dose, dose)
			require.Greater(t, now.Truth.Milling.FrontPx, before.Truth.Milling.FrontPx)
			for i, l := range before.Labels {
				if l == 1 && now.Labels[i] == 0 {
					t.Fatalf("seed %d, dose %d: pixel (%d, %d) is whole again", seed, dose, i%now.Width, i/now.Width)
				}
			}
			before = now
		}
		require.Greater(t, before.Truth.Milling.Progress, 1.0, "it goes on beyond the far edge")
	}
}

func TestRateStaysInItsRange(t *testing.T) {
	var slow, fast int
	for seed := range uint64(40) {
		s, err := (&Milling{Width: 1024, Height: 1024, Seed: seed}).resolve()
		require.NoError(t, err)
		f := newRun(s).front
		var position float64
		for dose := range 60 {
			next := f.step(position, dose)
			v := next - position
			require.Greater(t, v, 1.2*0.7*0.45*0.45-1e-9)
			require.Less(t, v, 6*1.3+1e-9)
			if v < 0.65*f.rate {
				slow++
			}
			if v > 1.15*f.rate {
				fast++
			}
			position = next
		}
	}
	require.Greater(t, slow, 40, "there is harder material")
	require.Greater(t, fast, 40, "the rate swings")
}

func TestEndpointIsTheFirstFrameBeyondTheFarEdge(t *testing.T) {
	m := Milling{Width: 128, Height: 128, Seed: 3, Pattern: Rect{0.3, 0.3, 0.4, 0.4}, ScanDirection: BottomToTop}
	index := *milledFrame(t, m, 1, 0).Truth.Milling.EndpointIndex
	at, err := m.Frame(t.Context(), index)
	require.NoError(t, err)
	before, err := m.Frame(t.Context(), index-1)
	require.NoError(t, err)
	require.GreaterOrEqual(t, at.Truth.Milling.Progress, 1.0)
	require.Less(t, before.Truth.Milling.Progress, 1.0)
	require.Equal(t, m.Pattern, at.Truth.Milling.Pattern)
	pattern, direction, err := m.Plan()
	require.NoError(t, err)
	require.Equal(t, m.Pattern, pattern)
	require.Equal(t, BottomToTop, direction)

	m.RatePx = Range{0.01, 0.01}
	m.Width, m.Pattern, m.ScanDirection = 16384, Rect{0, 0.3, 1, 0.4}, LeftToRight
	s, err := m.resolve()
	require.NoError(t, err)
	_, known := newRun(s).front.end()
	require.False(t, known, "too far to be known")
}

func TestPatternIsDrawnApartFromTheBorder(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(60) {
		p, direction, err := (&Milling{Width: 512, Height: 512, Seed: seed}).Plan()
		require.NoError(t, err)
		require.True(t, p.Left >= 0.17 && p.Top >= 0.17 && p.Left+p.Width <= 0.83 && p.Top+p.Height <= 0.83, "%+v", p)
		seen[direction]++
	}
	for _, d := range ScanDirections() {
		require.Greater(t, seen[d], 5)
	}
}

func TestMillingHeaderIsReadByTheDecoder(t *testing.T) {
	for _, noPanel := range []bool{false, true} {
		m := Microscope{Dir: t.TempDir(), Scene: &Milling{Width: 400, Height: 300, Seed: 3, NoPanel: noPanel}, Frames: 1}
		require.NoError(t, m.Run(t.Context(), func(w Written) {
			require.Equal(t, "sim_milling_s3_00001", w.Name)
			fr, err := decode.File(t.Context(), w.Path)
			require.NoError(t, err)
			defer fr.Release()
			require.InEpsilon(t, w.Truth.NmPerPx, fr.Meta.NmPerPx, 1e-9)
			require.InEpsilon(t, 30e3, fr.Meta.HighVoltageV, 1e-9)
			require.NotZero(t, fr.Meta.BeamCurrentA, "of the ion beam")
			require.InEpsilon(t, 0.0165, fr.Meta.WorkingDistanceM, 0.05)
			require.Equal(t, noPanel, w.Truth.Bar == nil)
			if !noPanel {
				require.Equal(t, w.Truth.ImageRows, fr.Meta.ImageRows)
			}
		}))
	}
}

func TestMillingFieldsOutOfRangeAreRefused(t *testing.T) {
	for want, m := range map[string]Milling{
		"size 64x512":                      {Width: 64, Height: 512},
		"bits 12":                          {Width: 512, Height: 512, Bits: 12},
		"milling rate 5..2":                {Width: 512, Height: 512, RatePx: Range{5, 2}},
		"electrons per px NaN..5":          {Width: 512, Height: 512, Electrons: Range{math.NaN(), 5}},
		"share of frozen":                  {Width: 512, Height: 512, Frozen: Range{0, 2}},
		`scan direction "down": not known`: {Width: 512, Height: 512, ScanDirection: "down"},
		"pattern 0.5, 0.5, 0.6 x 0.2":      {Width: 512, Height: 512, Pattern: Rect{0.5, 0.5, 0.6, 0.2}},
		"pattern 0.5, 0.5, 0.2 x NaN":      {Width: 512, Height: 512, Pattern: Rect{0.5, 0.5, 0.2, math.NaN()}},
		"pattern 0.1, 0.1, 0.2 x 0.02":     {Width: 512, Height: 512, Pattern: Rect{0.1, 0.1, 0.2, 0.02}},
	} {
		require.ErrorContains(t, m.Validate(), want)
		_, err := m.Frame(t.Context(), 1)
		require.ErrorContains(t, err, want)
		_, _, err = m.Plan()
		require.ErrorContains(t, err, want)
	}
	for _, at := range [][2]int{{-1, 0}, {1, -1}, {farthest + 1, 0}, {1, farthest + 1}} {
		_, err := (&Milling{Width: 128, Height: 128}).FrameAt(t.Context(), at[0], at[1])
		require.ErrorContains(t, err, "out of range")
	}
	require.Contains(t, SceneNames(), "milling")
	s, err := New("milling", 512, 512, 1)
	require.NoError(t, err)
	require.Equal(t, "milling", s.Name())
	_, err = New("milling", 10, 512, 1)
	require.ErrorContains(t, err, "size 10x512")
}

func TestMillingFrameStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := (&Milling{Width: 2048, Height: 2048}).Frame(ctx, 1)
	require.ErrorIs(t, err, context.Canceled)
}

func BenchmarkMilling512(b *testing.B)  { benchmarkMilling(b, 512) }
func BenchmarkMilling1024(b *testing.B) { benchmarkMilling(b, 1024) }

func benchmarkMilling(b *testing.B, side int) {
	b.SetBytes(int64(side * side))
	for seed := uint64(0); b.Loop(); seed++ {
		milledFrame(b, Milling{Width: side, Height: side, Seed: seed % 8}, 40, 39)
	}
}
