package tiling

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkBlendFrame2048 blends every tile of a frame: its corners, edges and fades as they occur.
func BenchmarkBlendFrame2048(b *testing.B) {
	const planes = 4
	g := Grid{Width: 2048, Height: 2048, Tile: 1024, Margin: 128, Fade: 64, Stride: 32}
	tiles, err := g.Tiles()
	require.NoError(b, err)
	bl := Blender{Width: g.Width, Height: g.Height}
	for range planes {
		bl.Planes = append(bl.Planes, make([]float32, g.Width*g.Height))
	}
	most := 0
	for _, t := range tiles {
		most = max(most, t.W*t.H)
	}
	pred := make([]float32, planes*most)
	blend := func() {
		for _, t := range tiles {
			if err := bl.Add(t, pred[:planes*t.W*t.H]); err != nil {
				b.Fatal(err)
			}
		}
	}
	blend() // the planes' memory is there from now on
	b.SetBytes(int64(g.Width * g.Height))
	b.ReportAllocs()
	for b.Loop() {
		blend()
	}
}
