package metrics

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCoveredAreaCountsEachPixelOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	window := Rect{X0: 2, Y0: 3, X1: 28, Y1: 25}
	for range 300 {
		var rects []Rect
		for range r.IntN(5) {
			x, y := r.IntN(30)-2, r.IntN(30)-2
			rects = append(rects, Rect{X0: x, Y0: y, X1: x + r.IntN(12), Y1: y + r.IntN(12)})
		}
		want := 0
		for y := window.Y0; y < window.Y1; y++ {
			for x := window.X0; x < window.X1; x++ {
				for _, k := range rects {
					if x >= k.X0 && x < k.X1 && y >= k.Y0 && y < k.Y1 {
						want++
						break
					}
				}
			}
		}
		require.Equal(t, want, coveredArea(rects, window), "%v", rects)
	}
}

func TestExcludedBoxesAreABorder(t *testing.T) {
	const w, h = 60, 40
	labels := make([]int32, w*h)
	fill := func(id int32, x0, y0, x1, y1 int) {
		for y := y0; y < y1; y++ {
			for x := x0; x < x1; x++ {
				labels[y*w+x] = id
			}
		}
	}
	fill(1, 10, 10, 14, 14) // clear of the box
	fill(2, 26, 20, 30, 24) // beside it
	fill(3, 25, 30, 29, 34) // one px away
	fill(4, 29, 27, 33, 29) // half inside
	opt := Options{NmPerPx: 10, Excluded: []Rect{{X0: 30, Y0: 18, X1: 50, Y1: 38}}}
	objects, err := Measure(labels, w, h, opt)
	require.NoError(t, err)
	edge := []bool{}
	for _, o := range objects {
		edge = append(edge, o.Edge)
	}
	require.Equal(t, []bool{false, true, false, true}, edge)
	require.EqualValues(t, 6, objects[3].AreaOutside)
	require.Equal(t, w*h-400, opt.AnalysedArea(w, h))
	s := Summarise(objects, opt, w, h)
	require.InDelta(t, float64(3*16+2)/float64(w*h-400), s.AreaFraction, 1e-12)
	require.InDelta(t, (objects[0].WeightML+objects[2].WeightML)/(float64(w*h-400)*1e-4), *s.DensityPerUm2, 1e-9)
	plain, err := Measure(labels, w, h, Options{NmPerPx: 10})
	require.NoError(t, err)
	require.Greater(t, objects[0].WeightML, plain[0].WeightML, "the box takes places away")
}

// As without boxes, the weights of all places that touch nothing add up to the number of places.
func TestMilesLantuejoulIsExactOnSquaresBesideABox(t *testing.T) {
	const w, h = 60, 50
	area := Rect{X1: w, Y1: h}
	boxes := []Rect{{X0: 35, Y0: 40, X1: 55, Y1: 44}, {X0: 38, Y0: 30, X1: 50, Y1: 42}}
	for _, side := range []int{1, 3, 10} {
		sum := 0.0
		for y := 1; y+side <= h-1; y++ {
			for x := 1; x+side <= w-1; x++ {
				box := Rect{x, y, x + side, y + side}
				touches := false
				for _, b := range boxes {
					touches = touches || Rect{b.X0 - 1, b.Y0 - 1, b.X1 + 1, b.Y1 + 1}.intersect(box).Area() > 0
				}
				if !touches {
					sum += milesLantuejoul(box, area, boxes)
				}
			}
		}
		require.InDelta(t, (w-2)*(h-2)-coveredArea(boxes, area), sum, 1e-6)
	}
}
