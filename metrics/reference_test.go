package metrics

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// reference measures one id the obvious way: flood fills, all pairs of corners, Moore tracing with a
// list of directions. It is the twin that the fast code is compared with.
type reference struct {
	area, filled, components         int
	perimeter, feretMax, feretMin    float64
	hullArea, x, y, mu20, mu02, mu11 float64
}

func measureReference(labels []int32, width, height int, id int32) reference {
	// One px of background all around.
	w, h := width+2, height+2
	m := make([]bool, w*h)
	var r reference
	var corners []corner
	for y := range height {
		for x := range width {
			if labels[y*width+x] != id {
				continue
			}
			m[(y+1)*w+x+1] = true
			r.area++
			r.x += float64(x) + 0.5
			r.y += float64(y) + 0.5
			corners = append(corners, corner{x, y}, corner{x + 1, y}, corner{x, y + 1}, corner{x + 1, y + 1})
		}
	}
	r.x /= float64(r.area)
	r.y /= float64(r.area)
	for y := range height {
		for x := range width {
			if m[(y+1)*w+x+1] {
				dx, dy := float64(x)+0.5-r.x, float64(y)+0.5-r.y
				r.mu20 += (dx*dx + 1./12) / float64(r.area)
				r.mu02 += (dy*dy + 1./12) / float64(r.area)
				r.mu11 += dx * dy / float64(r.area)
			}
		}
	}

	outside := flood(m, w, 0, []int{-1, 1, -w, w}, false)
	for i := range outside {
		if !outside[i] {
			r.filled++
		}
	}
	todo := append([]bool(nil), m...)
	for i := range todo {
		if !todo[i] {
			continue
		}
		r.components++
		part := flood(m, w, i, []int{-1, 1, -w, w, -w - 1, -w + 1, w - 1, w + 1}, true)
		for j := range part {
			todo[j] = todo[j] && !part[j]
		}
		r.perimeter += moorePerimeter(part, w, i)
	}

	for _, a := range corners {
		for _, b := range corners {
			r.feretMax = max(r.feretMax, math.Hypot(float64(a.x-b.x), float64(a.y-b.y)))
		}
	}
	h2 := giftWrap(corners)
	r.feretMin = math.Inf(1)
	for i, a := range h2 {
		b := h2[(i+1)%len(h2)]
		r.hullArea += float64(a.x*b.y-a.y*b.x) / 2
		far := 0.0
		for _, p := range h2 {
			far = max(far, float64(cross(a, b, p)))
		}
		r.feretMin = min(r.feretMin, far/math.Hypot(float64(b.x-a.x), float64(b.y-a.y)))
	}
	return r
}

// flood returns the pixels with m == value that steps connect to start.
func flood(m []bool, w, start int, steps []int, value bool) []bool {
	seen := make([]bool, len(m))
	stack := []int{start}
	seen[start] = true
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, d := range steps {
			j := i + d
			if j < 0 || j >= len(m) || abs(j%w-i%w) > 1 || seen[j] || m[j] != value {
				continue
			}
			seen[j] = true
			stack = append(stack, j)
		}
	}
	return seen
}

func abs(i int) int { return max(i, -i) }

// moorePerimeter is the textbook Moore-neighbour trace and Vossepoel-Smeulders sum.
func moorePerimeter(m []bool, w, start int) float64 {
	steps := [8]int{1, w + 1, w, w - 1, -1, -w - 1, -w, -w + 1} // clockwise as seen, from east
	var chain []int
	cur, dir := start, 7
	firstDir := -1
	for {
		search := (dir + 6) % 8
		if dir%2 == 1 {
			search = (dir + 5) % 8
		}
		next := -1
		for k := range 8 {
			if d := (search + k) % 8; m[cur+steps[d]] {
				next = d
				break
			}
		}
		if next < 0 {
			return math.Pi
		}
		if firstDir < 0 {
			firstDir = next
		} else if cur == start && next == firstDir {
			break
		}
		chain = append(chain, next)
		cur += steps[next]
		dir = next
	}
	p := math.Pi
	for i, d := range chain {
		if d%2 == 0 {
			p += 0.980
		} else {
			p += 1.406
		}
		if d != chain[(i+len(chain)-1)%len(chain)] {
			p -= 0.091
		}
	}
	return p
}

// giftWrap returns the convex hull, clockwise as seen.
func giftWrap(pts []corner) []corner {
	start := pts[0]
	for _, p := range pts {
		if p.x < start.x || p.x == start.x && p.y < start.y {
			start = p
		}
	}
	hull := []corner{}
	for at := start; ; {
		hull = append(hull, at)
		next := at
		for _, p := range pts {
			if p == at {
				continue
			}
			c := cross(at, next, p)
			far := sq(p.x-at.x)+sq(p.y-at.y) > sq(next.x-at.x)+sq(next.y-at.y)
			if next == at || c < 0 || c == 0 && far {
				next = p
			}
		}
		if at = next; at == start {
			return hull
		}
	}
}

func sq(i int) int { return i * i }

func checkAgainstReference(t *testing.T, labels []int32, width, height int) {
	t.Helper()
	objects, err := Measure(labels, width, height, Options{})
	require.NoError(t, err)
	seen := map[int32]bool{}
	for _, id := range labels {
		if id != 0 {
			seen[id] = true
		}
	}
	require.Len(t, objects, len(seen))
	for i := range objects {
		o := &objects[i]
		require.True(t, seen[int32(o.Label)])
		require.True(t, i == 0 || objects[i-1].Label < o.Label, "ids ascend")
		r := measureReference(labels, width, height, int32(o.Label))
		require.EqualValues(t, r.area, o.Area)
		require.EqualValues(t, r.filled, o.AreaFilled, "filled area of %d", o.Label)
		require.InDelta(t, r.perimeter, o.Perimeter, 1e-9, "perimeter of %d", o.Label)
		require.InDelta(t, r.feretMax, o.FeretMax, 1e-9, "largest Feret diameter of %d", o.Label)
		require.InDelta(t, r.feretMin, o.FeretMin, 1e-9, "smallest Feret diameter of %d", o.Label)
		require.InDelta(t, r.x, o.X, 1e-9)
		require.InDelta(t, r.y, o.Y, 1e-9)
		half, spread := (r.mu20+r.mu02)/2, math.Hypot((r.mu20-r.mu02)/2, r.mu11)
		require.InDelta(t, 4*math.Sqrt(half+spread), o.Major, 1e-6)
		require.InDelta(t, 4*math.Sqrt(half-spread), o.Minor, 1e-6)
		if o.Area >= MinShapeArea {
			require.InDelta(t, float64(r.area)/r.hullArea, o.Solidity, 1e-12)
		}
		checkInvariants(t, o)
	}
}

// checkInvariants holds for every object of every label image.
func checkInvariants(t *testing.T, o *Object) {
	t.Helper()
	for name, v := range map[string]float64{
		"ecd": o.ECD, "perimeter": o.Perimeter, "feret max": o.FeretMax, "feret min": o.FeretMin,
		"major": o.Major, "minor": o.Minor, "area": o.Area,
	} {
		require.True(t, v > 0 && !math.IsInf(v, 0), "%s of %d is %v", name, o.Label, v)
	}
	require.LessOrEqual(t, o.FeretMin, o.FeretMax)
	require.LessOrEqual(t, o.Minor, o.Major)
	require.LessOrEqual(t, o.Area, o.AreaFilled)
	require.True(t, o.OrientationRad > -math.Pi/2 && o.OrientationRad <= math.Pi/2)
	require.Equal(t, o.Edge, o.WeightML == 0)
	for name, v := range descriptors(o) {
		if o.Area < MinShapeArea {
			require.True(t, math.IsNaN(v), "%s of %d is defined for %v px", name, o.Label, o.Area)
			continue
		}
		require.True(t, v > 0, "%s of %d is %v", name, o.Label, v)
		if name != "ar_ellipse" {
			require.LessOrEqual(t, v, 1.0, "%s of %d", name, o.Label)
		} else {
			require.GreaterOrEqual(t, v, 1.0)
		}
	}
}

func descriptors(o *Object) map[string]float64 {
	return map[string]float64{
		"aspect_ratio_iso": o.AspectRatioISO, "ar_ellipse": o.AREllipse, "sphericity": o.Sphericity,
		"circularity_ij": o.CircularityIJ, "solidity": o.Solidity, "smoothness": o.Smoothness,
	}
}

func FuzzMeasure(f *testing.F) {
	f.Add([]byte{1, 1, 0, 1, 1, 1, 0, 2, 1}, uint8(3))
	f.Add([]byte{0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0}, uint8(4))
	f.Add([]byte("nested rings, diagonals and lone pixels"), uint8(6))
	ids := [8]int32{0, 1, 0, 1, 2, 70_000, 0, math.MaxInt32}
	f.Fuzz(func(t *testing.T, data []byte, width uint8) {
		w := 1 + int(width)%24
		h := min(len(data)*2/w, 24)
		if h == 0 {
			return
		}
		labels := make([]int32, w*h)
		for i := range labels { // two pixels per byte
			labels[i] = ids[data[i/2]>>(4*(i%2))&7]
		}
		checkAgainstReference(t, labels, w, h)
	})
}

func TestFastCodeMatchesTheReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		w, h := 1+rng.IntN(30), 1+rng.IntN(30)
		labels := make([]int32, w*h)
		fill := rng.Float64()
		for i := range labels {
			if rng.Float64() < fill {
				labels[i] = 1 + rng.Int32N(2)
			}
		}
		checkAgainstReference(t, labels, w, h)
	}
	for range 25 {
		checkAgainstReference(t, blobs(rng, 60, 50, 3), 60, 50)
	}
}

// blobs draws n objects, each a union of overlapping discs with an occasional hole.
func blobs(rng *rand.Rand, width, height, n int) []int32 {
	labels := make([]int32, width*height)
	for id := range int32(n) {
		cx, cy := rng.Float64()*float64(width), rng.Float64()*float64(height)
		for range 1 + rng.IntN(5) {
			disc(labels, width, height, cx, cy, 1+rng.Float64()*float64(height)/6, id+1)
			if rng.IntN(4) == 0 {
				disc(labels, width, height, cx, cy, rng.Float64()*float64(height)/10, 0)
			}
			cx += (rng.Float64() - 0.5) * float64(height) / 4
			cy += (rng.Float64() - 0.5) * float64(height) / 4
		}
	}
	return labels
}

// disc paints the pixels whose centres lie within r of (cx, cy).
func disc(labels []int32, width, height int, cx, cy, r float64, id int32) {
	for y := max(0, int(cy-r)); y < min(height, int(cy+r)+2); y++ {
		for x := max(0, int(cx-r)); x < min(width, int(cx+r)+2); x++ {
			if dx, dy := float64(x)+0.5-cx, float64(y)+0.5-cy; dx*dx+dy*dy <= r*r {
				labels[y*width+x] = id
			}
		}
	}
}

func TestHullBufferMatchesGiftWrapping(t *testing.T) {
	rng := rand.New(rand.NewPCG(19, 20))
	for _, n := range []int{1, 2, 3, 100, 30_000} {
		var b hullBuffer
		b.reset()
		pts := make([]corner, n)
		for i := range pts {
			pts[i] = corner{rng.IntN(200) + rng.IntN(200), rng.IntN(300)}
			b.add(point{float64(pts[i].x), float64(pts[i].y)})
		}
		want := 0.0
		hull := giftWrap(pts)
		for i, p := range hull {
			q := hull[(i+1)%len(hull)]
			want += math.Hypot(float64(p.x-q.x), float64(p.y-q.y))
		}
		require.InDelta(t, want, b.perimeter(), 1e-9)
		require.LessOrEqual(t, len(b.pts), len(hull)+1)
	}
}
