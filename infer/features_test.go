package infer

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/cuda"
)

// feature returns a candidate's value of a name.
func (p *Pool) feature(t *testing.T, candidate int, name string) float64 {
	t.Helper()
	names := FeatureNames()
	k := slices.Index(names, name)
	require.GreaterOrEqual(t, k, 0, name)
	return float64(p.Features[candidate*len(names)+k])
}

func TestFeaturesTellHowCandidatesOfSeveralScalesAgree(t *testing.T) {
	p := pool(64, 64, map[float64]*cuda.Segments{
		1:   painted(64, 64, [4]int{8, 8, 16, 16}, [4]int{20, 8, 28, 16}, [4]int{40, 40, 60, 60}),
		0.5: painted(32, 32, [4]int{4, 4, 16, 8}, [4]int{20, 20, 30, 30}),
	})
	require.Equal(t, 5, p.Len())
	require.InDelta(t, 1, p.feature(t, 2, "iou_best"), 0.05, "the large square is found twice")
	require.InDelta(t, 1, p.feature(t, 4, "iou_finer"), 0.05)
	require.Zero(t, p.feature(t, 4, "iou_coarser"), "nothing coarser exists")
	require.InDelta(t, 2*64./192, p.feature(t, 3, "children_share"), 0.05, "two small squares lie in the coarse one")
	require.InDelta(t, 1, p.feature(t, 0, "parent_share"), 0.1)
	require.Zero(t, p.feature(t, 2, "parent_share"))
	require.Zero(t, p.feature(t, 2, "cut"))
}

func TestASketchKnowsContrastAndTouch(t *testing.T) {
	const side = 32
	seg := painted(side, side, [4]int{4, 4, 12, 12}, [4]int{12, 4, 20, 12})
	grey := make([]float32, side*side)
	for i, l := range seg.Labels {
		if l > 0 {
			grey[i] = 1
		}
	}
	f := cuda.Field{Width: side, Height: side, Logit: make([]float32, side*side), Size: make([]float32, side*side)}
	got := sketches(&plane{w: side, h: side, data: grey}, f, seg)
	require.Len(t, got, 2)
	for _, s := range got {
		require.InDelta(t, 32, s.edges, 0, "px edges round an 8x8 square")
		require.InDelta(t, 8, s.touch, 0, "one side touches the other square")
		require.InDelta(t, -24, s.step, 1e-9, "the three free sides fall from 1 to 0")
		require.InDelta(t, 64, s.grey, 1e-9)
	}
}

func TestTrueIoU(t *testing.T) {
	p := pool(64, 64, map[float64]*cuda.Segments{1: painted(64, 64, [4]int{0, 0, 10, 10}, [4]int{40, 40, 50, 50})})
	truth := painted(64, 64, [4]int{0, 0, 10, 5}).Labels
	require.Equal(t, []float64{0.5, 0}, p.TrueIoU(truth))
}
