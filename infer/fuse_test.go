package infer

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/cuda"
)

// painted returns segments of rectangles {x0, y0, x1, y1} that the network is sure of.
func painted(w, h int, rects ...[4]int) *cuda.Segments {
	s := &cuda.Segments{Width: w, Height: h, Labels: make([]int32, w*h)}
	for i, r := range rects {
		o := cuda.Object{X0: r[0], Y0: r[1], X1: r[2], Y1: r[3], Probability: 0.95}
		for y := r[1]; y < r[3]; y++ {
			for x := r[0]; x < r[2]; x++ {
				s.Labels[y*w+x] = int32(i + 1)
				o.Area++
			}
		}
		s.Objects = append(s.Objects, o)
	}
	return s
}

// pool gathers the candidates of segments at their scales, each with the score it is given.
func pool(width, height int, at map[float64]*cuda.Segments, scores map[float64][]float64) []candidate {
	p := DefaultFuseParams()
	p.SizeWeight, p.MinDiameter, p.MaxDiameter = 0, 1, 1e6 // the size is not what these tests are about
	var out []candidate
	for _, scale := range []float64{1, 0.5, 0.25} {
		if at[scale] == nil {
			continue
		}
		found := newLevel(scale, at[scale], width, height).candidates(at[scale].Objects, p)
		for i := range found {
			found[i].score = scores[scale][found[i].label-1]
		}
		out = append(out, found...)
	}
	return out
}

func TestACoarseObjectCoversTheSameGroundAtFullSize(t *testing.T) {
	for _, size := range [][2]int{{64, 40}, {65, 41}, {127, 79}} {
		w, h := size[0], size[1]
		seg := painted((w+1)/2, (h+1)/2, [4]int{2, 3, 14, 13})
		labels, scores := fuse(pool(w, h, map[float64]*cuda.Segments{0.5: seg}, map[float64][]float64{0.5: {0.9}}), w, h, DefaultFuseParams())
		require.Equal(t, []float64{0.9}, scores)
		differ := 0
		for y := range h {
			for x := range w {
				if labels[y*w+x] != seg.Labels[y*seg.Height/h*seg.Width+x*seg.Width/w] {
					differ++
				}
			}
		}
		require.LessOrEqual(t, differ, 40, "%v: only the outline differs from the nearest neighbour", size)
	}
}

func TestOutlinesFromCoarseScalesHaveNoStairs(t *testing.T) {
	for _, factor := range []int{2, 4, 8} {
		const side = 64
		coarse := make([]int32, side*side)
		r := 20.0
		for i := range coarse {
			if math.Hypot(float64(i/side)+0.5-side/2, float64(i%side)+0.5-side/2) < r {
				coarse[i] = 5
			}
		}
		n := side * factor
		fine := enlarge(coarse, side, side, n, n)
		inside, corners := 0, 0
		for y := 1; y < n-1; y++ {
			for x := 1; x < n-1; x++ {
				d := math.Hypot(float64(y)+0.5-float64(n)/2, float64(x)+0.5-float64(n)/2) / float64(factor)
				if fine[y*n+x] == 5 {
					inside++
				}
				if (d < r-0.75 && fine[y*n+x] != 5) || (d > r+0.75 && fine[y*n+x] != 0) {
					corners++
				}
			}
		}
		require.Zero(t, corners, "the outline is within 3/4 of a coarse px of the circle")
		require.InEpsilon(t, math.Pi*r*r*float64(factor*factor), inside, 0.01)
	}
	labels := []int32{1, 2, 3, 4}
	require.Equal(t, labels, enlarge(labels, 2, 2, 2, 2), "scale 1 is not touched")
}

func TestTheBetterOfTwoOverlappingObjectsWins(t *testing.T) {
	a, b := painted(64, 64, [4]int{10, 10, 30, 30}), painted(32, 32, [4]int{6, 6, 16, 16})
	for _, best := range []float64{1, 0.5} {
		scores := map[float64][]float64{1: {0.6}, 0.5: {0.6}}
		scores[best][0] = 0.9
		_, got := fuse(pool(64, 64, map[float64]*cuda.Segments{1: a, 0.5: b}, scores), 64, 64, DefaultFuseParams())
		require.Equal(t, []float64{0.9}, got)
	}
}

func TestManyGoodSmallObjectsBeatOneCoarseBlobOverThem(t *testing.T) {
	var small [][4]int
	for y := 0; y < 4; y++ {
		for x := 0; x < 4; x++ {
			small = append(small, [4]int{x * 12, y * 12, x*12 + 11, y*12 + 11})
		}
	}
	scores := map[float64][]float64{0.25: {0.95}}
	for range small {
		scores[1] = append(scores[1], 0.7)
	}
	at := map[float64]*cuda.Segments{1: painted(64, 64, small...), 0.25: painted(16, 16, [4]int{0, 0, 12, 12})}
	labels, got := fuse(pool(64, 64, at, scores), 64, 64, DefaultFuseParams())
	require.Len(t, got, 16)
	require.Zero(t, labels[11])
}

func TestFragmentsDoNotBeatTheLargeObjectTheyBelongTo(t *testing.T) {
	at := map[float64]*cuda.Segments{
		1:    painted(64, 64, [4]int{4, 4, 12, 12}, [4]int{30, 30, 38, 38}),
		0.25: painted(16, 16, [4]int{1, 1, 13, 13}),
	}
	_, got := fuse(pool(64, 64, at, map[float64][]float64{1: {0.4, 0.4}, 0.25: {0.9}}), 64, 64, DefaultFuseParams())
	require.Equal(t, []float64{0.9}, got)
}

func TestScoreFallsWithFlowErrorAndWithDisagreementOfSizes(t *testing.T) {
	p := DefaultFuseParams()
	good := cuda.Object{Area: 804, Probability: 0.95} // 32 px across, as predicted
	base := p.score(good, 1, false)
	require.InDelta(t, 0.95, base, 1e-3)
	worse := good
	worse.FlowError = 0.3
	require.Less(t, p.score(worse, 1, false), base)
	worse.FlowError = 0.7
	require.Zero(t, p.score(worse, 1, false))
	fragment := good
	fragment.LogSize = 0.8 // it belongs to something larger
	require.Less(t, p.score(fragment, 1, false), 0.5*base)
	require.InDelta(t, base, p.score(fragment, 1, true), 1e-3, "cut by the border it is rightly smaller")
	tiny := good
	tiny.Area, tiny.LogSize = 50, -2
	require.Greater(t, p.score(tiny, 1, false), p.score(tiny, 0.5, false), "coarse scales do not count for tiny objects")
}

func TestNothingGivesNothing(t *testing.T) {
	labels, scores := fuse(nil, 5, 4, DefaultFuseParams())
	require.Equal(t, make([]int32, 20), labels)
	require.Empty(t, scores)
}
