package drift

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics"
)

// moved is two frames of one sample with noise of each its own; content of the second is x, y px to the right and down.
func moved(seed uint64, w, h int, x, y, sigma float64) (Image, Image) {
	rng := rand.New(rand.NewPCG(seed, 3))
	margin := 12 + int(math.Max(math.Abs(x), math.Abs(y)))
	big := texture(rng, w+2*margin, h+2*margin, 1.2)
	m := float64(margin)
	a, b := big.crop(m+x/2, m+y/2, w, h), big.crop(m-x/2, m-y/2, w, h)
	return a.noisy(rng, 1, 0, sigma), b.noisy(rng, 1, 0, sigma)
}

func measured(t testing.TB, a, b Image, opt Options) Shift {
	ref, err := NewReference(a, opt)
	require.NoError(t, err)
	s, err := ref.Measure(b)
	require.NoError(t, err)
	require.Equal(t, s.Success, s.Reason == "", "%+v", s)
	require.Equal(t, "phase-correlation", s.Method)
	require.False(t, math.IsNaN(s.XPx+s.YPx+s.Score+s.MaxDisagreementPx), "%+v", s)
	require.True(t, s.Score >= 0 && s.Score <= 1, "%+v", s)
	return s
}

func TestXIsRightAndYIsDown(t *testing.T) {
	const w, h = 200, 160
	rng := rand.New(rand.NewPCG(1, 3))
	big := texture(rng, w+40, h+40, 1)
	at := func(x, y int) Image { // content x to the right, y down
		img := Image{Width: w, Height: h, Gray8: make([]uint8, w*h)}
		for r := range h {
			for c := range w {
				img.Gray8[r*w+c] = uint8(max(0, min(255, big.v[(r+20-y)*big.w+c+20-x])))
			}
		}
		return img
	}
	for _, d := range [][2]int{{7, 0}, {-7, 0}, {0, 7}, {0, -7}, {0, 0}, {3, -11}} {
		s := measured(t, at(0, 0), at(d[0], d[1]), Options{})
		require.True(t, s.Success, "%v: %+v", d, s)
		require.InDelta(t, d[0], s.XPx, 0.01, "%v: %+v", d, s)
		require.InDelta(t, d[1], s.YPx, 0.01, "%v: %+v", d, s)
	}
}

func TestPartsOfAPixelAndAnySize(t *testing.T) {
	for k, c := range []struct {
		w, h int
		x, y float64
		tol  float64
	}{
		{128, 128, 3.3, -2.6, 0.05}, {129, 131, -5.5, 4.5, 0.05}, {64, 64, 1.4, 0.7, 0.15}, {97, 301, 0.25, -7.75, 0.05},
		{511, 257, 20.5, -33.3, 0.03}, {1024, 768, -120.4, 77.6, 0.03}, {2000, 300, 40.7, 12.2, 0.03},
	} {
		a, b := moved(uint64(k), c.w, c.h, c.x, c.y, 8)
		s := measured(t, a, b, Options{})
		require.True(t, s.Success, "%v: %+v", c, s)
		require.InDelta(t, 0, math.Hypot(s.XPx-c.x, s.YPx-c.y), c.tol, "%v: %+v", c, s)
	}
}

func TestTaperDoesNotPull(t *testing.T) {
	for _, side := range []int{128, 256, 512} { // tiles of 32, 64 and 128 px
		var sum float64
		const n = 8
		for k := range n {
			a, b := moved(uint64(k), side, side, 0.5, 0, 4)
			sum += measured(t, a, b, Options{}).XPx
		}
		require.InDelta(t, 0.5, sum/n, 0.01, side)
	}
}

func TestSixteenBitsAreTheSame(t *testing.T) {
	a, b := moved(1, 256, 256, 4.6, -3.2, 10)
	want := measured(t, a, b, Options{})
	wide := func(m Image) Image {
		out := Image{Width: m.Width, Height: m.Height, Gray16: make([]uint16, len(m.Gray8))}
		for i, v := range m.Gray8 {
			out.Gray16[i] = 257 * uint16(v)
		}
		return out
	}
	got := measured(t, wide(a), wide(b), Options{})
	require.True(t, got.Success)
	require.InDelta(t, want.XPx, got.XPx, 1e-6)
	require.InDelta(t, want.YPx, got.YPx, 1e-6)
}

func TestSwappingNegatesAndGreyLevelsDoNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for k := range 25 {
		w, h := 128+rng.IntN(200), 128+rng.IntN(200)
		x, y := 24*rng.Float64()-12, 24*rng.Float64()-12
		a, b := moved(uint64(k), w, h, x, y, 12*rng.Float64())
		for i := range a.Gray8 { // room for what follows
			a.Gray8[i], b.Gray8[i] = a.Gray8[i]/2, b.Gray8[i]/2
		}
		there, back := measured(t, a, b, Options{}), measured(t, b, a, Options{})
		about := fmt.Sprintf("%dx%d (%.2f, %.2f): %+v %+v", w, h, x, y, there, back)
		require.True(t, there.Success && back.Success, about)
		require.InDelta(t, 0, math.Hypot(there.XPx+back.XPx, there.YPx+back.YPx), 0.1, about)
		require.InDelta(t, 0, math.Hypot(there.XPx-x, there.YPx-y), 0.15, about)

		brighter, steeper := b, b
		brighter.Gray8, steeper.Gray8 = make([]uint8, len(b.Gray8)), make([]uint8, len(b.Gray8))
		for i, v := range b.Gray8 {
			brighter.Gray8[i], steeper.Gray8[i] = v+100, 2*v
		}
		for _, c := range []Image{brighter, steeper} {
			s := measured(t, a, c, Options{})
			require.True(t, s.Success, about)
			require.InDelta(t, there.XPx, s.XPx, 1e-4, about)
			require.InDelta(t, there.YPx, s.YPx, 1e-4, about)
		}
	}
}

func TestFrozenFramesHaveNotMoved(t *testing.T) {
	a, _ := moved(1, 300, 200, 0, 0, 10)
	s := measured(t, a, a, Options{})
	require.True(t, s.Success, "%+v", s)
	require.InDelta(t, 0, math.Hypot(s.XPx, s.YPx), 1e-6)
	require.Greater(t, s.Score, 0.99)
}

func TestAreasAreLeftOut(t *testing.T) {
	const side = 320
	a, b := moved(2, side, side, 6.4, -4.3, 6)
	other, _ := moved(3, side, side, 0, 0, 6)
	milled := metrics.Rect{X0: 40, Y0: 60, X1: 280, Y1: 250}
	for y := milled.Y0; y < milled.Y1; y++ {
		copy(b.Gray8[y*side+milled.X0:y*side+milled.X1], other.Gray8[y*side+milled.X0:])
	}
	s := measured(t, a, b, Options{Exclude: []metrics.Rect{milled}})
	require.True(t, s.Success, "%+v", s)
	require.InDelta(t, 0, math.Hypot(s.XPx-6.4, s.YPx+4.3), 0.05, "%+v", s)

	a, b = moved(2, side, side, 6.4, -4.3, 6)
	for y := 240; y < side; y++ { // a bar in both frames, under noise
		for x := range side {
			v := uint8(40 * (y * 7 / 3 % 5 * (x / 3 % 3)))
			a.Gray8[y*side+x], b.Gray8[y*side+x] = v+uint8(x*y%7), v+uint8(x*y%5)
		}
	}
	s = measured(t, a, b, Options{Analysed: metrics.Rect{X1: side, Y1: 240}})
	require.True(t, s.Success, "%+v", s)
	require.InDelta(t, 0, math.Hypot(s.XPx-6.4, s.YPx+4.3), 0.05, "%+v", s)
}

func TestOverlaysEqualToTheBitDoNotCount(t *testing.T) {
	const side = 256
	a, b := moved(5, side, side, 9.3, 5.6, 10)
	copy(b.Gray8[side*140:], a.Gray8[side*140:]) // the lower part is still the frame before
	s := measured(t, a, b, Options{})
	require.True(t, s.Success, "%+v", s)
	require.InDelta(t, 0, math.Hypot(s.XPx-9.3, s.YPx-5.6), 0.06, "%+v", s)
}

func TestShiftsBeyondTheLargestAreRefused(t *testing.T) {
	a, b := moved(6, 256, 256, 40, 0, 5)
	require.False(t, measured(t, a, b, Options{MaxPx: 25}).Success)
	s := measured(t, a, b, Options{MaxPx: 45})
	require.True(t, s.Success, "%+v", s)
	require.InDelta(t, 40, s.XPx, 0.05)
}

func TestLimitsAreTheCallers(t *testing.T) {
	a, b := moved(7, 256, 256, 2.3, 1.1, 30)
	require.Contains(t, measured(t, a, b, Options{MinScore: 0.99}).Reason, "is below 0.99")
	require.Contains(t, measured(t, a, b, Options{MaxDisagreementPx: 1e-6}).Reason, "sets disagree by")
}

func TestWhatCannotBeMeasuredIsAnError(t *testing.T) {
	good := Image{Width: 128, Height: 128, Gray8: make([]uint8, 128*128)}
	for _, c := range []struct {
		img  Image
		opt  Options
		want string
	}{
		{Image{}, Options{}, "must be positive"},
		{Image{Width: 128, Height: 128}, Options{}, "exactly one"},
		{Image{Width: 128, Height: 128, Gray8: good.Gray8, Gray16: make([]uint16, 128*128)}, Options{}, "exactly one"},
		{Image{Width: 128, Height: 129, Gray8: good.Gray8}, Options{}, "needed"},
		{Image{Width: 1 << 40, Height: 1 << 40, Gray8: good.Gray8}, Options{}, "needed"},
		{Image{Width: 1 << 32, Height: 1 << 32, Gray8: []uint8{}}, Options{}, "needed"},
		{Image{Width: 63, Height: 63, Gray8: good.Gray8[:63*63]}, Options{}, "too small"},
		{good, Options{Analysed: metrics.Rect{X1: 129, Y1: 128}}, "not inside"},
		{good, Options{Analysed: metrics.Rect{X0: 100, X1: 90, Y1: 128}}, "too small"},
		{good, Options{MaxPx: math.NaN()}, "largest shift"},
		{good, Options{Exclude: []metrics.Rect{{X0: -5, Y0: -5, X1: 500, Y1: 500}}}, "leave 0 %"},
	} {
		_, err := NewReference(c.img, c.opt)
		require.ErrorContains(t, err, c.want)
	}
	ref, err := NewReference(good, Options{})
	require.NoError(t, err)
	_, err = ref.Measure(Image{Width: 128, Height: 127, Gray8: good.Gray8[:128*127]})
	require.ErrorContains(t, err, "does not fit")
	s, err := ref.Measure(good)
	require.NoError(t, err)
	require.Equal(t, "no texture in the reference", s.Reason)
}

func TestManyMayMeasureAtOnce(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	a, b := moved(8, 400, 300, 5.2, -8.1, 10)
	ref, err := NewReference(a, Options{})
	require.NoError(t, err)
	want, err := ref.Measure(b)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			got, err := ref.Measure(b)
			if err != nil || got != want {
				t.Errorf("%+v, not %+v: %v", got, want, err)
			}
		})
	}
	wg.Wait()
}
