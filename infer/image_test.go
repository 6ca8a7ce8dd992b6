package infer

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func noise(w, h int, seed uint64) Image {
	rng := rand.New(rand.NewPCG(seed, 0))
	m := Image{Width: w, Height: h, Stride: w, Gray8: make([]uint8, w*h)}
	for i := range m.Gray8 {
		m.Gray8[i] = uint8(rng.IntN(256))
	}
	return m
}

func TestRangeIsTheFirstAndNinetyNinthPercentileOfTheViewedPixels(t *testing.T) {
	m := noise(61, 47, 1)
	view := m.Crop(3, 5, 60, 40)
	var values []float64
	for y := range view.Height {
		for _, v := range view.Gray8[y*view.Stride:][:view.Width] {
			values = append(values, float64(v))
		}
	}
	slices.Sort(values)
	type7 := func(p float64) float64 {
		r := p * float64(len(values)-1)
		k := int(r)
		return values[k] + (r-float64(k))*(values[min(k+1, len(values)-1)]-values[k])
	}
	lo, hi := view.Range()
	require.InDelta(t, type7(0.01), lo, 1e-9)
	require.InDelta(t, type7(0.99), hi, 1e-9)
}

func TestShrinkAveragesTheAreaEachPixelCovers(t *testing.T) {
	for _, size := range [][4]int{{64, 48, 32, 24}, {65, 49, 33, 25}, {100, 70, 13, 9}, {64, 64, 64, 64}} {
		m := noise(size[0], size[1], 2)
		norm := newNormaliser(10, 200)
		got := shrink(m, norm, size[2], size[3])
		sx, sy := float64(size[0])/float64(size[2]), float64(size[1])/float64(size[3])
		for y := range size[3] {
			for x := range size[2] {
				sum := 0.0
				for v := range m.Height {
					for u := range m.Width {
						wx := math.Min(float64(x+1)*sx, float64(u+1)) - math.Max(float64(x)*sx, float64(u))
						wy := math.Min(float64(y+1)*sy, float64(v+1)) - math.Max(float64(y)*sy, float64(v))
						if wx > 0 && wy > 0 {
							sum += wx * wy / (sx * sy) * (float64(m.Gray8[v*m.Width+u]) - 10) / 190
						}
					}
				}
				require.InDelta(t, sum, got.data[y*size[2]+x], 1e-5, "%v at %d,%d", size, x, y)
			}
		}
	}
}

func TestTilesBeyondTheEdgeAreMirrored(t *testing.T) {
	m := Image{Width: 3, Height: 2, Stride: 3, Gray16: []uint16{0, 10, 20, 30, 40, 50}}
	p := &plane{w: 3, h: 2, src: m, norm: newNormaliser(0, 10)}
	got := make([]float32, 5*4)
	p.tile(got, 0, 0, 5, 4)
	require.Equal(t, []float32{0, 1, 2, 1, 0, 3, 4, 5, 4, 3, 0, 1, 2, 1, 0, 3, 4, 5, 4, 3}, got)
}

func TestTooSmallOrShortImagesAreRefused(t *testing.T) {
	s := NewSegmenter(nil, nil)
	_, err := s.Segment(t.Context(), noise(31, 64, 1))
	require.ErrorContains(t, err, "31x64")
	_, err = s.Segment(t.Context(), Image{Width: 64, Height: 64, Stride: 64, Gray8: make([]uint8, 100)})
	require.ErrorContains(t, err, "64x64")
}

func BenchmarkShrinkHalf4096(b *testing.B) {
	m := noise(4096, 4096, 1)
	norm := newNormaliser(0, 255)
	b.SetBytes(4096 * 4096)
	b.ReportAllocs()
	for b.Loop() {
		shrink(m, norm, 2048, 2048)
	}
}
