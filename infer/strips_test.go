package infer

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// scattered is an image of discs of 8 .. 60 px on noise.
func scattered(w, h, count int) Image {
	m := Image{Width: w, Height: h, Stride: w, Gray8: make([]uint8, w*h)}
	rng := rand.New(rand.NewPCG(3, 5))
	for i := range m.Gray8 {
		m.Gray8[i] = uint8(60 + rng.IntN(20))
	}
	for range count {
		r, cx, cy := 4+rng.IntN(27), rng.IntN(w), rng.IntN(h)
		for y := max(cy-r, 0); y <= min(cy+r, h-1); y++ {
			for x := max(cx-r, 0); x <= min(cx+r, w-1); x++ {
				if (y-cy)*(y-cy)+(x-cx)*(x-cx) <= r*r {
					m.Gray8[y*w+x] = uint8(150 + rng.IntN(30))
				}
			}
		}
	}
	return m
}

func TestStripsGiveTheLabelsOfTheWholeFrame(t *testing.T) {
	seg := openSegmenter(t)
	m := scattered(352, 3001, 900)
	seg.Efforts = []Effort{{MaxPx: 1 << 30, WholeTo: 1, MagnifyPx: 0}}
	seg.Tile = 640 // several rows of tiles
	whole, err := seg.Segment(t.Context(), m)
	require.NoError(t, err)
	require.Greater(t, len(whole.Confidence), 250)
	seg.Memory = 1 // as little as it takes
	require.Equal(t, stripLeast, seg.stripRows(&plane{w: m.Width, h: m.Height}))
	strips, err := seg.Segment(t.Context(), m)
	require.NoError(t, err)
	require.Equal(t, whole.Labels, strips.Labels)
	require.Equal(t, whole.Confidence, strips.Confidence)
}

func TestMemoryDecidesHowManyRowsAreLookedAt(t *testing.T) {
	p := &plane{w: 1000, h: 9000}
	for memory, rows := range map[int]int{0: 9000, 1000 * 9000 * pxBytes: 9000, 1000 * 4000 * pxBytes: 4000 - 2*stripEdge, 5: stripLeast} {
		require.Equal(t, rows, (&Segmenter{Memory: memory}).stripRows(p), "%d bytes", memory)
	}
}

// echo is a network whose planes all show the image.
type echo struct{}

func (echo) Predict(_ context.Context, image []float32, w, h int, out []float32) error {
	for c := range Channels {
		copy(out[c*w*h:], image[:w*h])
	}
	return nil
}

func TestAStripAsLargeAsATileIsStillBlendedOfSeveral(t *testing.T) {
	const side, rows = 1280, 320 // three by three tiles of 640x640 px, as many as in the strip
	p := &plane{w: side, h: side, data: make([]float32, side*side)}
	for i := range p.data {
		p.data[i] = float32(i % 4099)
	}
	s := &Segmenter{Network: echo{}, Tile: 640, Margin: 128, Fade: 64}
	for _, y0 := range []int{0, 480} {
		f, err := s.predict(t.Context(), p, y0, y0+rows, &Timings{})
		require.NoError(t, err)
		require.Len(t, f.Size, side*rows)
		for _, i := range []int{0, side/2 + 7, side - 1, side*rows/2 + 900, side*rows - 1} {
			require.InDelta(t, p.data[y0*side+i], f.Size[i], 0.01, "px %d of the strip from row %d", i, y0)
		}
	}
}
