package tiling

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func grids() []Grid {
	var gs []Grid
	for _, size := range [][2]int{{64, 64}, {1000, 700}, {2048, 1536}, {1025, 4097}, {8192, 333}} {
		for _, tile := range []int{512, 1024} {
			for _, shift := range []int{0, 32, 137, 400} {
				gs = append(gs, Grid{Width: size[0], Height: size[1], Tile: tile, Margin: 64, Fade: 32, Stride: 32, Shift: shift},
					Grid{Width: size[0], Height: size[1], Tile: tile, Margin: 128, Fade: 64, Stride: 32, Shift: shift})
			}
		}
	}
	return gs
}

func TestTilesOfOneShapeStartAtTheStrideAndStayInsideThePaddedFrame(t *testing.T) {
	for _, g := range grids() {
		tiles, err := g.Tiles()
		require.NoError(t, err)
		for _, tl := range tiles {
			require.Zero(t, tl.X0%g.Stride, "%+v", g)
			require.Zero(t, tl.Y0%g.Stride, "%+v", g)
			require.LessOrEqual(t, tl.X0+tl.W, (g.Width+31)/32*32)
			require.LessOrEqual(t, tl.Y0+tl.H, (g.Height+31)/32*32)
			require.LessOrEqual(t, max(tl.W, tl.H), g.Tile)
			require.Equal(t, [2]int{tiles[0].W, tiles[0].H}, [2]int{tl.W, tl.H}, "all of one shape")
			c := tl.Core()
			// inner edges keep their margin
			if tl.X0 > 0 {
				require.GreaterOrEqual(t, c.X0-tl.X0, g.Margin-g.Stride/2)
			}
			if c.X1 < g.Width {
				require.GreaterOrEqual(t, tl.X0+tl.W-c.X1, g.Margin-g.Stride/2)
			}
		}
	}
}

func TestTilesAreNoMoreAndNoLongerThanTheyMust(t *testing.T) {
	for _, c := range []struct{ size, tile, count, side int }{
		{1024, 1600, 1, 1024}, {2048, 1600, 2, 1184}, {4096, 1600, 3, 1600}, {4096, 1024, 6, 960}, {1632, 1600, 2, 992}, {544, 512, 2, 512},
	} {
		tiles, err := Grid{Width: c.size, Height: 64, Tile: c.tile, Margin: 128, Fade: 64, Stride: 32}.Tiles()
		require.NoError(t, err)
		require.Len(t, tiles, c.count, "%+v", c)
		require.Equal(t, c.side, tiles[0].W, "%+v", c)
	}
}

func TestWeightsSumToOneAtEveryPixel(t *testing.T) {
	for _, g := range grids() {
		tiles, err := g.Tiles()
		require.NoError(t, err)
		b := Blender{Width: g.Width, Height: g.Height, Planes: [][]float32{make([]float32, g.Width*g.Height)}}
		for _, tl := range tiles {
			ones := make([]float32, tl.W*tl.H)
			for i := range ones {
				ones[i] = 1
			}
			require.NoError(t, b.Add(tl, ones))
		}
		for i, v := range b.Planes[0] {
			if v < 1-1e-5 || v > 1+1e-5 {
				t.Fatalf("%+v: weight %v at x=%d y=%d", g, v, i%g.Width, i/g.Width)
			}
		}
	}
}

func TestAFieldOfFrameCoordinatesComesBackUnchanged(t *testing.T) {
	g := Grid{Width: 1500, Height: 1100, Tile: 512, Margin: 64, Fade: 32, Stride: 32, Shift: 137}
	tiles, err := g.Tiles()
	require.NoError(t, err)
	b := Blender{Width: g.Width, Height: g.Height, Planes: [][]float32{make([]float32, g.Width*g.Height), make([]float32, g.Width*g.Height)}}
	for _, tl := range tiles {
		pred := make([]float32, 2*tl.W*tl.H)
		for y := range tl.H {
			for x := range tl.W {
				pred[y*tl.W+x] = float32(tl.X0 + x)
				pred[(tl.H+y)*tl.W+x] = float32(tl.Y0 + y)
			}
		}
		require.NoError(t, b.Add(tl, pred))
	}
	for i := range b.Planes[0] {
		require.InDelta(t, i%g.Width, b.Planes[0][i], 1e-2)
		require.InDelta(t, i/g.Width, b.Planes[1][i], 1e-2)
	}
}

func TestBadGridsAreRefused(t *testing.T) {
	for _, g := range []Grid{
		{Width: 0, Height: 10, Tile: 512, Stride: 32},
		{Width: 10, Height: 10, Tile: 500, Stride: 32},
		{Width: 10, Height: 10, Tile: 128, Margin: 96, Stride: 32},
		{Width: 10, Height: 10, Tile: 512, Margin: -1, Stride: 32},
	} {
		_, err := g.Tiles()
		require.Error(t, err)
	}
	b := Blender{Width: 4, Height: 4, Planes: [][]float32{make([]float32, 16)}}
	require.Error(t, b.Add(Tile{W: 4, H: 4}, make([]float32, 3)))
}

func BenchmarkBlend1024(b *testing.B) {
	g := Grid{Width: 4096, Height: 4096, Tile: 1024, Margin: 96, Fade: 64, Stride: 32}
	tiles, err := g.Tiles()
	require.NoError(b, err)
	bl := Blender{Width: g.Width, Height: g.Height}
	for range 4 {
		bl.Planes = append(bl.Planes, make([]float32, g.Width*g.Height))
	}
	pred := make([]float32, 4*1024*1024)
	b.SetBytes(4 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if err := bl.Add(tiles[5], pred); err != nil {
			b.Fatal(err)
		}
	}
}
