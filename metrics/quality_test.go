package metrics

import (
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
