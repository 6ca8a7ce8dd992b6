package infer

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// requireSameObjects asserts that at least 99.5 % of the objects of both label images have a partner in
// the other at IoU > 0.95.
func requireSameObjects(t *testing.T, what string, a, b []int32) {
	t.Helper()
	tp, na, nb := matches(a, b, 0.95)
	t.Logf("%s: %d and %d objects, %d the same", what, na, nb, tp)
	require.NotZero(t, na, what)
	require.GreaterOrEqual(t, float64(tp), 0.995*float64(max(na, nb)), what)
}

// repeated repeats mirrored copies of an image until it is w x h px: real texture without a step at the joins.
func repeated(m Image, w, h int) Image {
	out := Image{Width: w, Height: h, Stride: w, Gray8: make([]uint8, w*h)}
	for y := range h {
		src := m.Gray8[fold(y, m.Height)*m.Stride:]
		for x := range w {
			out.Gray8[y*w+x] = src[fold(x, m.Width)]
		}
	}
	return out
}

func fold(i, n int) int {
	i %= 2 * n
	return min(i, 2*n-1-i)
}

// magnify enlarges an image k times, bilinear, so that its objects outgrow a tile.
func magnify(m Image, k int) Image {
	w, h := m.Width*k, m.Height*k
	out := Image{Width: w, Height: h, Stride: w, Gray8: make([]uint8, w*h)}
	for y := range h {
		fy := min(max((float64(y)+0.5)/float64(k)-0.5, 0), float64(m.Height-1))
		y0 := min(int(fy), m.Height-2)
		for x := range w {
			fx := min(max((float64(x)+0.5)/float64(k)-0.5, 0), float64(m.Width-1))
			x0 := min(int(fx), m.Width-2)
			p, q := fy-float64(y0), fx-float64(x0)
			at := func(y, x int) float64 { return float64(m.Gray8[y*m.Stride+x]) }
			v := (at(y0, x0)*(1-q)+at(y0, x0+1)*q)*(1-p) + (at(y0+1, x0)*(1-q)+at(y0+1, x0+1)*q)*p
			out.Gray8[y*w+x] = uint8(v + 0.5)
		}
	}
	return out
}

func TestObjectsDoNotDependOnWhereTheTilesLie(t *testing.T) {
	dir := sharedData(t)
	seg := openSegmenter(t)
	read := func(set, name string) Image { return readGray(t, filepath.Join(dir, set, "img", name+".png")) }
	for name, m := range map[string]Image{
		"powder":                    repeated(read("ampis_powder", "Sc1Tile_001-001-000_0-000"), 2048, 1400),
		"objects larger than tiles": magnify(read("emps", "f73d0ac26a"), 4),
	} {
		labels := func(tile, shift int) []int32 {
			s := *seg
			s.Tile, s.Shift = tile, shift
			out, err := s.Segment(t.Context(), m)
			require.NoError(t, err)
			return out.Labels
		}
		reference := labels(1024, 0)
		requireSameObjects(t, name+", tile 512", reference, labels(512, 0))
		requireSameObjects(t, name+", grid shifted by 137 px", reference, labels(1024, 137))
	}
}
