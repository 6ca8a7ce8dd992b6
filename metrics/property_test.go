package metrics

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// sizes are the values that moving, turning and mirroring must leave alone.
func sizes(o *Object) map[string]float64 {
	m := descriptors(o)
	m["area"], m["filled"], m["ecd"], m["perimeter"] = o.Area, o.AreaFilled, o.ECD, o.Perimeter
	m["feret_max"], m["feret_min"], m["major"], m["minor"] = o.FeretMax, o.FeretMin, o.Major, o.Minor
	return m
}

func requireSameSizes(t *testing.T, want, got []Object) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		require.Equal(t, want[i].Label, got[i].Label)
		g := sizes(&got[i])
		for name, v := range sizes(&want[i]) {
			if math.IsNaN(v) {
				require.True(t, math.IsNaN(g[name]), name)
				continue
			}
			require.InDelta(t, v, g[name], 1e-9*max(1, v), "%s of %d", name, want[i].Label)
		}
	}
}

func TestMovingTurningAndMirroringChangeNoSize(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const w, h = 90, 70
	for range 30 {
		labels := blobs(rng, w, h, 4)
		want, err := Measure(labels, w, h, Options{})
		require.NoError(t, err)
		transform := func(tw, th int, at func(x, y int) (int, int)) []Object {
			moved := make([]int32, tw*th)
			for y := range h {
				for x := range w {
					tx, ty := at(x, y)
					moved[ty*tw+tx] = labels[y*w+x]
				}
			}
			objects, err := Measure(moved, tw, th, Options{})
			require.NoError(t, err)
			requireSameSizes(t, want, objects)
			return objects
		}
		shifted := transform(w+300, h+200, func(x, y int) (int, int) { return x + 251, y + 133 })
		turned := transform(h, w, func(x, y int) (int, int) { return h - 1 - y, x })
		mirrored := transform(w, h, func(x, y int) (int, int) { return w - 1 - x, y })
		transform(w, h, func(x, y int) (int, int) { return x, h - 1 - y })
		for i := range want {
			o := &want[i]
			require.InDelta(t, o.X+251, shifted[i].X, 1e-9)
			require.InDelta(t, o.Y+133, shifted[i].Y, 1e-9)
			if o.Major/o.Minor < 1.001 {
				continue
			}
			require.InDelta(t, math.Cos(2*o.OrientationRad), math.Cos(2*shifted[i].OrientationRad), 1e-6)
			require.InDelta(t, math.Cos(2*o.OrientationRad), -math.Cos(2*turned[i].OrientationRad), 1e-6)
			require.InDelta(t, math.Sin(2*o.OrientationRad), -math.Sin(2*mirrored[i].OrientationRad), 1e-6)
		}
	}
}

func TestMagnifyingScalesExactSizes(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const w, h, k = 50, 40, 3
	for range 20 {
		labels := blobs(rng, w, h, 3)
		large := make([]int32, k*k*w*h)
		for i := range large {
			large[i] = labels[i/(k*w)/k*w+i%(k*w)/k]
		}
		a, err := Measure(labels, w, h, Options{})
		require.NoError(t, err)
		b, err := Measure(large, k*w, k*h, Options{})
		require.NoError(t, err)
		require.Len(t, b, len(a))
		for i := range a {
			require.InDelta(t, k*k*a[i].Area, b[i].Area, 0)
			require.InDelta(t, k*k*a[i].AreaFilled, b[i].AreaFilled, 0)
			require.InDelta(t, k*a[i].ECD, b[i].ECD, 1e-9)
			require.InDelta(t, k*a[i].FeretMax, b[i].FeretMax, 1e-9)
			require.InDelta(t, k*a[i].FeretMin, b[i].FeretMin, 1e-9)
			require.InDelta(t, k*a[i].Major, b[i].Major, 1e-6)
			require.InDelta(t, k*a[i].Minor, b[i].Minor, 1e-6)
		}
	}
}

// Perimeter and smoothness on discs at random positions, against the true circumference.
func TestPerimeterAndSmoothnessOfDiscs(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	g := smoothingWeights()
	for _, r := range []float64{5, 10, 20, 50, 100} {
		n := int(2*r) + 9
		var perimeter, smoothed, smoothness float64
		const rounds = 20
		for range rounds {
			labels := make([]int32, n*n)
			disc(labels, n, n, float64(n)/2+rng.Float64(), float64(n)/2+rng.Float64(), r, 1)
			objects, err := Measure(labels, n, n, Options{})
			require.NoError(t, err)
			c := canvas{labels, n, n}
			line := c.trace(firstPixel(labels)%n, firstPixel(labels)/n, nil)
			length, _ := line.smoothed(&g, &hullBuffer{})
			perimeter += objects[0].Perimeter / (2 * math.Pi * r) / rounds
			smoothed += length / (2 * math.Pi * r) / rounds
			smoothness += objects[0].Smoothness / rounds
		}
		t.Logf("r = %3.0f px: perimeter %.4f, smoothed contour %.4f, smoothness %.4f", r, perimeter, smoothed, smoothness)
		require.InDelta(t, 1, perimeter, 0.01)
		require.InDelta(t, 1, smoothed, 0.02)
		require.InDelta(t, 1, smoothness, 0.02)
	}
}

func firstPixel(labels []int32) int {
	for i, id := range labels {
		if id != 0 {
			return i
		}
	}
	return -1
}

func TestSmoothnessFallsWithRoughness(t *testing.T) {
	const n = 200
	measure := func(lobes, depth float64) float64 {
		labels := make([]int32, n*n)
		for y := range n {
			for x := range n {
				dx, dy := float64(x)+0.5-n/2, float64(y)+0.5-n/2
				if math.Hypot(dx, dy) <= 60*(1+depth*math.Cos(lobes*math.Atan2(dy, dx))) {
					labels[y*n+x] = 1
				}
			}
		}
		objects, err := Measure(labels, n, n, Options{})
		require.NoError(t, err)
		return objects[0].Smoothness
	}
	round := measure(0, 0)
	require.Greater(t, round, 0.99)
	require.Less(t, measure(12, 0.05), round-0.03)
	require.Less(t, measure(12, 0.15), measure(12, 0.05))
	require.Less(t, measure(24, 0.15), measure(12, 0.15))
}

// Objects that are all boundary, whose boxes nest and cover the frame: cost must follow pixels.
func TestSpirals(t *testing.T) {
	const n = 1000
	labels := make([]int32, n*n)
	for arm := range int32(8) { // interleaved spirals, each as large as the frame
		for k := range 200_000 {
			phi := float64(k) / 200_000 * 30 * 2 * math.Pi
			radius := 16 * (phi/(2*math.Pi) + float64(arm)/8)
			x, y := n/2+radius*math.Cos(phi), n/2+radius*math.Sin(phi)
			labels[int(y)*n+int(x)] = arm + 1
		}
	}
	objects, err := Measure(labels, n, n, Options{})
	require.NoError(t, err)
	require.Len(t, objects, 8)
	for i := range objects {
		checkInvariants(t, &objects[i])
		require.Less(t, objects[i].Smoothness, 0.1)
	}

	comb := make([]int32, n*n) // one snake through the whole frame
	for y := range n {
		for x := range n {
			if y%2 == 0 || x == (y/2%2)*(n-1) {
				comb[y*n+x] = 1
			}
		}
	}
	objects, err = Measure(comb, n, n, Options{})
	require.NoError(t, err)
	require.Len(t, objects, 1)
	require.EqualValues(t, n*n/2+n/2, objects[0].Area)
	require.InDelta(t, 2*(objects[0].Area-1), objects[0].Perimeter, 0.05*objects[0].Area)
}

// Discs of a known size distribution in random frames: edge objects dropped and the others weighted,
// mean size and density come out right, and without weights they do not.
func TestMilesLantuejoulIsUnbiased(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 10))
	const w, h, margin, discs = 120, 90, 30, 10_000 // one disc per frame: overlap would change sizes
	const field, interior = (w + 2*margin) * (h + 2*margin), (w - 2) * (h - 2)
	labels := make([]int32, w*h)
	var trueSum, sum, weights, naive, kept float64
	for range discs {
		d := min(math.Exp(math.Log(12)+0.5*rng.NormFloat64()), 2*margin)
		clear(labels)
		disc(labels, w, h, rng.Float64()*(w+2*margin)-margin, rng.Float64()*(h+2*margin)-margin, d/2, 1)
		trueSum += d
		objects, err := Measure(labels, w, h, Options{})
		require.NoError(t, err)
		for _, o := range objects {
			if !o.Edge {
				sum += o.WeightML * o.ECD
				weights += o.WeightML
				naive += o.ECD
				kept++
			}
		}
	}
	trueMean, mean := trueSum/discs, sum/weights
	density, unweighted := weights/interior/(discs/float64(field)), kept/interior/(discs/float64(field))
	t.Logf("mean %.2f, true %.2f, unweighted %.2f; density over truth %.3f, unweighted %.3f", mean, trueMean, naive/kept, density, unweighted)
	require.InEpsilon(t, trueMean, mean, 0.02)
	require.InDelta(t, 1, density, 0.03) // the standard error is 0.02
	require.Less(t, naive/kept, 0.97*trueMean)
	require.Less(t, unweighted, 0.8)
}

// The same with pixel-exact squares: the expected weight per place adds up to the number of places.
func TestMilesLantuejoulIsExactOnSquares(t *testing.T) {
	const w, h = 60, 50
	area := Rect{X1: w, Y1: h}
	for _, side := range []int{1, 3, 10, 20, 47} {
		sum := 0.0
		for y := 1; y+side <= h-1; y++ {
			for x := 1; x+side <= w-1; x++ {
				sum += milesLantuejoul(Rect{x, y, x + side, y + side}, area, nil)
			}
		}
		require.InDelta(t, (w-2)*(h-2), sum, 1e-6)
	}
}
