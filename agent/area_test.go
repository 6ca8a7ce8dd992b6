package agent

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/infer/scalebar"
	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/stream"
)

// noisy is a frame of w x h px of even noise.
func noisy(w, h int) *stream.Frame {
	f := &stream.Frame{Width: w, Height: h, Name: "noisy.png", Gray8: make([]uint8, w*h)}
	r := rand.New(rand.NewPCG(5, 6))
	for k := range f.Gray8 {
		f.Gray8[k] = uint8(90 + r.IntN(60))
	}
	return f
}

func paint(f *stream.Frame, x0, y0, x1, y1 int, level uint8) {
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			f.Gray8[y*f.Width+x] = level
		}
	}
}

func TestThePanelIsFoundInThePixelsWhereTheMetadataDoNotTell(t *testing.T) {
	f := noisy(512, 400)
	paint(f, 0, 360, 512, 400, 0)
	for x := 10; x < 300; x += 9 {
		paint(f, x, 375, x+4, 388, 255) // letters, more or less
	}
	require.Equal(t, metrics.Rect{X1: 512, Y1: 360}, ScalePolicy{}.picture(f))
	f.Meta.ImageRows = 350
	require.Equal(t, metrics.Rect{X1: 512, Y1: 350}, ScalePolicy{}.picture(f), "the metadata know better")
	require.Equal(t, metrics.Rect{X1: 512, Y1: 360}, ScalePolicy{IgnoreMetadata: true}.picture(f))
	require.Equal(t, metrics.Rect{X1: 300, Y1: 200}, ScalePolicy{}.picture(&stream.Frame{Width: 300, Height: 200}), "no pixels")
}

func TestExcludedBoxesAreFilledFromTheirSurroundings(t *testing.T) {
	f := noisy(200, 150)
	area := Area{Rect: metrics.Rect{X1: 200, Y1: 140}, Excluded: []metrics.Rect{{X0: 150, Y0: 120, X1: 200, Y1: 140}, {X0: 20, Y0: 30, X1: 60, Y1: 50}}}
	before := slices.Clone(f.Gray8)
	want := area.image(f)
	require.Equal(t, before, f.Gray8, "the frame stays as it is")
	for _, r := range area.Excluded {
		for y := r.Y0; y < r.Y1; y++ {
			for x := r.X0; x < r.X1; x++ {
				require.InDelta(t, 120, float64(want.Gray8[y*200+x]), 20)
			}
		}
		paint(f, r.X0, r.Y0, r.X1, r.Y1, 255)
	}
	require.Equal(t, want.Gray8, area.image(f).Gray8, "what is drawn there does not matter")
	wide := &stream.Frame{Width: 200, Height: 150, Gray16: make([]uint16, 200*150)}
	for k, v := range before {
		wide.Gray16[k] = uint16(v) << 8
	}
	require.InDelta(t, 120<<8, float64(area.image(wide).Gray16[40*200+40]), 20<<8)
	plain := Area{Rect: metrics.Rect{X1: 200, Y1: 150}}
	require.Equal(t, &f.Gray8[0], &plain.image(f).Gray8[0], "no copy without need")
}

func TestLabelsKeepClearOfExcludedBoxes(t *testing.T) {
	const w, h = 40, 30
	f := &stream.Frame{Width: w, Height: h}
	area := Area{Rect: metrics.Rect{Y0: 5, X1: w, Y1: 25}, Excluded: []metrics.Rect{{X0: 10, Y0: 10, X1: 20, Y1: 20}}}
	inside := make([]int32, w*20)
	put := func(id int32, x0, y0, x1, y1 int) {
		for y := y0; y < y1; y++ {
			for x := x0; x < x1; x++ {
				inside[(y-5)*w+x] = id
			}
		}
	}
	put(1, 12, 12, 18, 18) // all of it hidden
	put(2, 18, 12, 24, 18) // a third hidden
	put(3, 30, 8, 34, 12)  // clear
	put(4, 9, 10, 17, 12)  // hardly anything left
	labels, confidence := area.labels(f, inside, []float64{0.1, 0.2, 0.3, 0.4})
	require.Equal(t, []float64{0.2, 0.3}, confidence)
	require.Len(t, labels, w*h)
	count := map[int32]int{}
	for y := range h {
		for x := range w {
			id := labels[y*w+x]
			count[id]++
			if y < 5 || y >= 25 || x >= 10 && x < 20 && y >= 10 && y < 20 {
				require.Zero(t, id)
			}
		}
	}
	require.Equal(t, map[int32]int{0: w*h - 24 - 16, 1: 24, 2: 16}, count)
	require.Equal(t, 40*20-100, area.analysed().AreaPx)
}

func TestTheBarOfAPanelledFrameIsReadBesideTheSegmentation(t *testing.T) {
	f := noisy(512, 400)
	paint(f, 0, 360, 512, 400, 0)
	for x := 10; x < 300; x += 9 {
		paint(f, x, 375, x+4, 388, 255)
	}
	paint(f, 350, 380, 450, 384, 255)
	r := ScalePolicy{}.Resolve(f)
	require.NotNil(t, r.Scale.Bar)
	require.InDelta(t, 100, r.Scale.Bar.LengthPx, 0.1)
	require.InDelta(t, 350, r.Scale.Bar.X0, 0.1)
	require.InDelta(t, 380, r.Scale.Bar.Y0, 1)
	require.Empty(t, r.Area.Excluded, "it is outside the picture anyway")
}

func TestAnUncertainBarTakesNothingAway(t *testing.T) {
	f := noisy(300, 200)
	paint(f, 100, 150, 200, 156, 255)
	picture := metrics.Rect{X1: 300, Y1: 200}
	bar := &scalebar.Bar{X0: 100, X1: 200, LengthPx: 100, Confidence: 0.8, Box: scalebar.Rect{X0: 100, Y0: 150, X1: 200, Y1: 156}}
	require.Empty(t, exclude(f, picture, bar))
	bar.Confidence = 0.95
	boxes := exclude(f, picture, bar)
	require.Len(t, boxes, 1)
	require.Equal(t, metrics.Rect{X0: 97, Y0: 147, X1: 203, Y1: 159}, boxes[0])
	require.Empty(t, exclude(f, metrics.Rect{X1: 300, Y1: 140}, bar), "below the picture")
}
