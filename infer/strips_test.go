package infer

import (
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
