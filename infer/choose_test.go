package infer

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/cuda"
	"github.com/uni-aims/aimsd/tiling"
)

// plain is the choice of these tests: scores count as they are.
var plain = ChoiceParams{MinScore: 0.45, MinFree: 0.5}

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

// pool gathers segments at their scales over an empty image.
func pool(width, height int, at map[float64]*cuda.Segments) *Pool {
	var levels []*level
	for _, scale := range []float64{1, 0.5, 0.25} {
		seg := at[scale]
		if seg == nil {
			continue
		}
		n := seg.Width * seg.Height
		p := &plane{w: seg.Width, h: seg.Height, data: make([]float32, n)}
		looks := sketches(p, cuda.Field{Width: seg.Width, Height: seg.Height, Logit: make([]float32, n), Size: make([]float32, n)}, seg)
		levels = append(levels, newLevel(scale, seg, looks, width, height))
	}
	return newPool(width, height, levels)
}

// choose chooses with a score per candidate, in the pool's order: the finest scale first.
func choose(p *Pool, objects ...float64) ([]int32, []float64) {
	scores := make([]Score, len(objects))
	for i, v := range objects {
		scores[i].Object = v
	}
	return p.Choose(scores, plain)
}

func TestACoarseObjectCoversTheSameGroundAtFullSize(t *testing.T) {
	for _, size := range [][2]int{{64, 40}, {65, 41}, {127, 79}} {
		w, h := size[0], size[1]
		seg := painted((w+1)/2, (h+1)/2, [4]int{2, 3, 14, 13})
		labels, scores := choose(pool(w, h, map[float64]*cuda.Segments{0.5: seg}), 0.9)
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
		fine := enlarged(coarse, side, n)
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
	require.Equal(t, labels, enlarged(labels, 2, 2), "scale 1 is not touched")
}

// enlarged is a square label image at another size, as the stretches make it.
func enlarged(labels []int32, side, n int) []int32 {
	number := make([]int32, 10)
	for i := range number {
		number[i] = int32(i)
	}
	out := make([]int32, n*n)
	for _, s := range enlarge(labels, side, side, 0, tiling.Rect{X1: n, Y1: n}, number) {
		for x := s.x0; x < s.x1; x++ {
			out[int(s.y)*n+int(x)] = s.label
		}
	}
	return out
}

func TestEveryPixelTakesTheLabelWithTheMostWeight(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range [][2]int{{40, 80}, {40, 160}, {40, 320}, {40, 20}, {41, 327}, {37, 75}} {
		side, n := c[0], c[1]
		labels := make([]int32, side*side)
		for range 12 { // overlapping squares, some of one px
			x, y, size, v := rng.IntN(side), rng.IntN(side), 1+rng.IntN(12), int32(rng.IntN(10))
			for yy := y; yy < min(y+size, side); yy++ {
				for xx := x; xx < min(x+size, side); xx++ {
					labels[yy*side+xx] = v
				}
			}
		}
		want, at := make([]int32, n*n), phases(side, n)
		for y := range n {
			var near [3][]int32
			for k, j := range at[y].near {
				near[k] = labels[j*side:][:side]
			}
			for x := range n {
				weights := map[int32]float64{}
				for j, row := range near {
					for k, xx := range at[x].near {
						weights[row[xx]] += float64(at[y].sum[1<<j]) * float64(at[x].sum[1<<k])
					}
				}
				for l, weight := range weights {
					if weight > weights[want[y*n+x]] {
						want[y*n+x] = l
					}
				}
			}
		}
		differ := 0
		for i, l := range enlarged(labels, side, n) {
			if l != want[i] {
				differ++ // where two have the same weight but for rounding
			}
		}
		require.LessOrEqual(t, differ, n*n/1000, "%d to %d px", side, n)
	}
}

func TestTheBetterOfTwoOverlappingObjectsWins(t *testing.T) {
	p := pool(64, 64, map[float64]*cuda.Segments{
		1: painted(64, 64, [4]int{10, 10, 30, 30}), 0.5: painted(32, 32, [4]int{6, 6, 16, 16}),
	})
	for _, scores := range [][]float64{{0.9, 0.6}, {0.6, 0.9}} {
		_, got := choose(p, scores...)
		require.Equal(t, []float64{0.9}, got)
	}
}

func TestTheBetterOutlineDecidesBetweenEquals(t *testing.T) {
	p := pool(64, 64, map[float64]*cuda.Segments{
		1: painted(64, 64, [4]int{10, 10, 30, 30}), 0.5: painted(32, 32, [4]int{6, 6, 16, 16}),
	})
	for _, fine := range []float64{0.1, 0.9} {
		labels, _ := p.Choose([]Score{{0.9, fine}, {0.9, 0.5}}, ChoiceParams{MinScore: 0.45, MinFree: 0.5, Worth: 0.2})
		require.Equal(t, fine > 0.5, labels[10*64+10] > 0, "only the finer object holds this pixel")
	}
}

func TestManyGoodSmallObjectsBeatOneCoarseBlobOverThem(t *testing.T) {
	var small [][4]int
	for y := range 4 {
		for x := range 4 {
			small = append(small, [4]int{x * 12, y * 12, x*12 + 11, y*12 + 11})
		}
	}
	p := pool(64, 64, map[float64]*cuda.Segments{1: painted(64, 64, small...), 0.25: painted(16, 16, [4]int{0, 0, 12, 12})})
	scores := make([]float64, 17)
	for i := range scores {
		scores[i] = 0.7
	}
	scores[16] = 0.95
	labels, got := choose(p, scores...)
	require.Len(t, got, 16)
	require.Zero(t, labels[11])
}

func TestFragmentsDoNotBeatTheLargeObjectTheyBelongTo(t *testing.T) {
	p := pool(64, 64, map[float64]*cuda.Segments{
		1:    painted(64, 64, [4]int{4, 4, 12, 12}, [4]int{30, 30, 38, 38}),
		0.25: painted(16, 16, [4]int{1, 1, 13, 13}),
	})
	_, got := choose(p, 0.5, 0.5, 0.9)
	require.Equal(t, []float64{0.9}, got)
}

func TestWhatScoresTooLittleIsNotReported(t *testing.T) {
	p := pool(64, 64, map[float64]*cuda.Segments{1: painted(64, 64, [4]int{4, 4, 12, 12}, [4]int{30, 30, 38, 38})})
	_, got := choose(p, 0.44, 0.46)
	require.Equal(t, []float64{0.46}, got)
}

func TestWhatFillsTheFrameIsTheBackground(t *testing.T) {
	require.Zero(t, pool(64, 64, map[float64]*cuda.Segments{1: painted(64, 64, [4]int{0, 0, 64, 60})}).Len())
	require.Equal(t, 1, pool(64, 64, map[float64]*cuda.Segments{1: painted(64, 64, [4]int{0, 0, 64, 40})}).Len(), "a large object may reach three sides")
	require.Equal(t, 1, pool(64, 64, map[float64]*cuda.Segments{1: painted(64, 64, [4]int{2, 2, 62, 64})}).Len(), "an object may fill the frame")
}

func TestNothingGivesNothing(t *testing.T) {
	labels, scores := choose(pool(64, 64, map[float64]*cuda.Segments{1: painted(64, 64)}))
	require.Equal(t, make([]int32, 64*64), labels)
	require.Empty(t, scores)
}
