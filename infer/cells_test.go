package infer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/cuda"
	"github.com/uni-aims/aimsd/tiling"
)

func TestCoresOfCellsCoverEveryPxOnce(t *testing.T) {
	for _, size := range [][2]int{{64, 64}, {896, 1024}, {897, 2000}, {1025, 1920}, {2816, 1026}, {8192, 100}} {
		area := 0
		for _, c := range cells(size[0], size[1], cellPx) {
			area += (c.core.X1 - c.core.X0) * (c.core.Y1 - c.core.Y0)
			for _, side := range []int{c.all.X1 - c.all.X0, c.all.Y1 - c.all.Y0} {
				require.LessOrEqual(t, side, cellPx+2*NetworkStride)
				require.GreaterOrEqual(t, side, NetworkStride)
			}
		}
		require.Equal(t, size[0]*size[1], area, "%v", size)
	}
}

func TestACellOwnsWhatItsEdgesDoNotCut(t *testing.T) {
	c := cells(4096, 4096, cellPx)[6] // neither first nor last in its row
	object := func(x0, x1 int) cuda.Object {
		return cuda.Object{X0: x0, X1: x1, Y0: c.core.Y0 + 10, Y1: c.core.Y0 + 20}
	}
	require.True(t, c.owns(object(c.core.X0, c.core.X0+20), 4096, 4096))
	require.True(t, c.owns(object(c.core.X0-8, c.core.X0+12), 4096, 4096), "its middle is in the core")
	require.False(t, c.owns(object(c.core.X0-12, c.core.X0+8), 4096, 4096), "its middle is in the neighbour's core")
	require.False(t, c.owns(object(c.all.X0, c.core.X0+200), 4096, 4096), "the cell cuts it")
	first := cells(4096, 4096, cellPx)[0]
	require.True(t, first.owns(cuda.Object{X1: 40, Y1: 40}, 4096, 4096), "the frame's own edge cuts nothing")
}

func TestARegionHoldsSmallObjectsWithRoomAround(t *testing.T) {
	seg := painted(1024, 1024, [4]int{500, 500, 508, 508}, [4]int{100, 100, 160, 160})
	seg.Objects[0].LogSize = -2 // 8 px, as large as it is
	seg.Objects[1].LogSize = 1  // 64 px, as large as it is
	l := newLevel(0.5, seg, make([]sketch, 2), 2048, 2048)
	r := l.finer(2048, 2048, 16, 0)
	require.True(t, r.any)
	require.True(t, r.has(1008, 1008))
	require.True(t, r.has(1008-blockPx, 1008+blockPx), "a block of room")
	require.False(t, r.has(260, 260), "the large one needs no finer look")
	require.False(t, r.wants(tiling.Rect{X0: 0, Y0: 0, X1: 512, Y1: 512}))
	require.False(t, l.finer(2048, 2048, 4, 0).any)
	l.finds[1].Probability = 0.3 // the small one, the lower of the two
	require.False(t, l.finer(2048, 2048, 16, 0.1).any, "noise does not call where looking is dear")
}
