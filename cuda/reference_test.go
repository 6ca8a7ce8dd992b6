package cuda

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// reference is the dynamics written as plainly as possible: one pixel at a time, flood fills.
func reference(f Field, p Params) []int32 {
	w, h := f.Width, f.Height
	n := w * h
	fg := func(i int) bool { return f.Logit[i] > 0 }
	uy, ux := make([]float32, n), make([]float32, n)
	for i := range n {
		if fg(i) {
			uy[i], ux[i] = f.Dy[i]*(1/p.FlowScale), f.Dx[i]*(1/p.FlowScale)
		}
	}
	at := func(u []float32, y, x float32) float32 {
		y, x = min(max(y, 0), float32(h-1)), min(max(x, 0), float32(w-1))
		iy, ix := min(int(y), h-2), min(int(x), w-2)
		a, b := y-float32(iy), x-float32(ix)
		o := iy*w + ix
		return u[o]*((1-a)*(1-b)) + u[o+1]*((1-a)*b) + u[o+w]*(a*(1-b)) + u[o+w+1]*(a*b)
	}
	for range p.Squarings {
		ny, nx := make([]float32, n), make([]float32, n)
		for i := range n {
			if fg(i) {
				y, x := float32(i/w)+uy[i], float32(i%w)+ux[i]
				ny[i], nx[i] = uy[i]+at(uy, y, x), ux[i]+at(ux, y, x)
			}
		}
		uy, ux = ny, nx
	}
	sink, count := make([]int, n), make([]int, n)
	for i := range n {
		if fg(i) {
			y := int(min(max(float32(i/w)+uy[i], 0), float32(h-1)) + 0.5)
			x := int(min(max(float32(i%w)+ux[i], 0), float32(w-1)) + 0.5)
			sink[i] = y*w + x
			count[sink[i]]++
		}
	}
	dilated := make([]bool, n)
	neighbours(w, h, n, 1, func(i, j int) {
		if count[i] >= p.MinSink {
			dilated[j] = true
		}
	})
	component := flood(w, h, 1, func(i, j int) bool { return dilated[i] && dilated[j] })
	labels, area := make([]int32, n), map[int32]int{}
	for i := range n {
		if fg(i) && dilated[sink[i]] {
			labels[i] = component[sink[i]]
			area[labels[i]]++
		}
	}
	number, next := map[int32]int32{}, int32(0)
	for c := int32(1); c <= int32(n); c++ {
		if area[c] >= p.MinArea {
			next++
			number[c] = next
		}
	}
	for i := range labels {
		labels[i] = number[labels[i]]
	}
	holes := flood(w, h, 0, func(i, j int) bool { return labels[i] == 0 && labels[j] == 0 })
	touches, open := map[int32]map[int32]bool{}, map[int32]bool{}
	neighbours(w, h, n, 0, func(i, j int) {
		if labels[i] == 0 && labels[j] != 0 {
			if touches[holes[i]] == nil {
				touches[holes[i]] = map[int32]bool{}
			}
			touches[holes[i]][labels[j]] = true
		}
	})
	for i := range n {
		if labels[i] == 0 && (i%w == 0 || i%w == w-1 || i/w == 0 || i/w == h-1) {
			open[holes[i]] = true
		}
	}
	filled := append([]int32(nil), labels...)
	for i := range n {
		if labels[i] == 0 && !open[holes[i]] && len(touches[holes[i]]) == 1 {
			for l := range touches[holes[i]] {
				filled[i] = l
			}
		}
	}
	return filled
}

// neighbours calls fn for every pixel with itself and its neighbours, 8 with reach 1, 4 with reach 0.
func neighbours(w, h, n, reach int, fn func(i, j int)) {
	for i := range n {
		for dy := -1; dy <= 1; dy++ {
			for dx := -1; dx <= 1; dx++ {
				if reach == 0 && dy != 0 && dx != 0 {
					continue
				}
				if y, x := i/w+dy, i%w+dx; y >= 0 && y < h && x >= 0 && x < w {
					fn(i, y*w+x)
				}
			}
		}
	}
}

// flood numbers the components of pixels that belong to themselves, from 1 in raster order.
func flood(w, h, reach int, joined func(i, j int) bool) []int32 {
	out, next := make([]int32, w*h), int32(0)
	for i := range out {
		if out[i] != 0 || !joined(i, i) {
			continue
		}
		next++
		out[i] = next
		for stack := []int{i}; len(stack) > 0; {
			k := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for dy := -1; dy <= 1; dy++ {
				for dx := -1; dx <= 1; dx++ {
					if reach == 0 && dy != 0 && dx != 0 {
						continue
					}
					if y, x := k/w+dy, k%w+dx; y >= 0 && y < h && x >= 0 && x < w && out[y*w+x] == 0 && joined(k, y*w+x) {
						out[y*w+x] = next
						stack = append(stack, y*w+x)
					}
				}
			}
		}
	}
	return out
}

// discs returns a noisy field of discs that may touch, and their labels.
func discs(w, h, count int, noise float64, seed uint64) (Field, []int32) {
	rng := rand.New(rand.NewPCG(seed, 1))
	f := Field{
		Width: w, Height: h,
		Dy: make([]float32, w*h), Dx: make([]float32, w*h), Logit: make([]float32, w*h), Size: make([]float32, w*h),
	}
	truth := make([]int32, w*h)
	for i := range f.Logit {
		f.Logit[i] = -6
	}
	for k := range count {
		r := 5 + rng.Float64()*12
		cy, cx := rng.Float64()*float64(h), rng.Float64()*float64(w)
		for y := max(0, int(cy-r)); y < min(h, int(cy+r)+1); y++ {
			for x := max(0, int(cx-r)); x < min(w, int(cx+r)+1); x++ {
				dy, dx := cy-float64(y), cx-float64(x)
				d := math.Hypot(dy, dx)
				if i := y*w + x; d < r && truth[i] == 0 {
					truth[i], f.Logit[i] = int32(k+1), 6
					f.Dy[i], f.Dx[i] = float32(5*dy/(d+1e-6)+noise*rng.NormFloat64()), float32(5*dx/(d+1e-6)+noise*rng.NormFloat64())
					f.Size[i] = float32(math.Log2(2 * r / 32))
				}
			}
		}
	}
	return f, truth
}

func TestLabelsEqualThePlainReference(t *testing.T) {
	p := DefaultParams()
	for seed := range uint64(20) {
		f, _ := discs(120+int(seed), 90, 30, float64(seed%5), seed)
		for _, workers := range []int{1, 2, 5} {
			seg, err := (&Host{Params: p, Workers: workers}).Labels(t.Context(), f)
			require.NoError(t, err)
			require.Equal(t, reference(f, p), seg.Labels, "seed %d, %d workers", seed, workers)
		}
	}
}

func TestSeparateDiscsComeBackWholeWithTheirProperties(t *testing.T) {
	w, h := 300, 200
	f, truth := discs(w, h, 1, 0, 3)
	seg, err := (&Host{Params: DefaultParams()}).Labels(t.Context(), f)
	require.NoError(t, err)
	require.Len(t, seg.Objects, 1)
	require.Equal(t, truth, seg.Labels)
	o, area := seg.Objects[0], 0
	for i, l := range truth {
		if l != 0 {
			area++
			require.GreaterOrEqual(t, i%w, o.X0)
			require.Less(t, i/w, o.Y1)
		}
	}
	require.Equal(t, area, o.Area)
	require.InDelta(t, 1/(1+math.Exp(-6)), o.Probability, 5e-6)
	require.Less(t, o.FlowError, 0.05)
}

func TestAHoleIsFilledAndABayIsNot(t *testing.T) {
	const w, h = 12, 10
	labels := make([]int32, w*h)
	for y := 2; y < 8; y++ {
		for x := 2; x < 9; x++ {
			if (y == 4 || y == 5) && (x == 4 || x == 5) || y == 6 && x == 8 {
				continue // a hole of 2x2, and a bay open to the right
			}
			labels[y*w+x] = 7
		}
	}
	labels[5*w+5] = 9 // another object inside the hole: what is left of it touches two
	(&Host{}).fillHoles(labels, w, h)
	require.Zero(t, labels[4*w+4])
	require.Zero(t, labels[6*w+8])
	labels[5*w+5] = 0
	(&Host{}).fillHoles(labels, w, h)
	require.EqualValues(t, 7, labels[4*w+4])
	require.EqualValues(t, 7, labels[5*w+5])
	require.Zero(t, labels[6*w+8])
}

func TestSigmoidIsTheLogisticFunction(t *testing.T) {
	for x := -90.0; x <= 90; x += 0.01 {
		require.InDelta(t, 1/(1+math.Exp(-x)), sigmoid(float32(x)), 2e-6, "%v", x)
	}
	require.EqualValues(t, 0.5, sigmoid(float32(math.NaN())))
	require.EqualValues(t, 1, sigmoid(float32(math.Inf(1))))
	require.InDelta(t, 0, sigmoid(float32(math.Inf(-1))), 1e-6)
}

func TestFixedPointEndsAtItsRange(t *testing.T) {
	for v, want := range map[float32]int64{0: 0, 1: fixedOne, -1.5: -fixedOne * 3 / 2, 1e9: 64 * fixedOne, float32(math.Inf(-1)): -64 * fixedOne} {
		require.Equal(t, want, fixed(v), "%v", v)
	}
	require.Zero(t, fixed(float32(math.NaN())))
}

func TestStretchesOfABitmapAreThoseOfItsBits(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for _, w := range []int{1, 63, 64, 65, 200} {
		for _, share := range []float64{0.05, 0.5, 0.98, 1} {
			b := newBitmap(w, 5)
			for y := range 5 {
				for x := range w {
					if rng.Float64() < share {
						b.set(x, y)
					}
				}
			}
			for y := range 5 {
				row := make([]uint64, b.stride)
				b.dilatedRow(row, y)
				var want []stretch
				for x := range w {
					on := false
					for yy := max(y-1, 0); yy <= min(y+1, 4); yy++ {
						for xx := max(x-1, 0); xx <= min(x+1, w-1); xx++ {
							on = on || b.get(xx, yy)
						}
					}
					if k := len(want) - 1; on && k >= 0 && int(want[k].x1) == x {
						want[k].x1++
					} else if on {
						want = append(want, stretch{int32(x), int32(x + 1)})
					}
				}
				require.Equal(t, want, appendRuns(nil, row), "width %d, share %v, row %d", w, share, y)
			}
		}
	}
}

func TestBadFieldsAreRefused(t *testing.T) {
	host := &Host{Params: DefaultParams()}
	_, err := host.Labels(t.Context(), Field{Width: 1, Height: 9})
	require.ErrorContains(t, err, "1x9")
	_, err = host.Labels(t.Context(), Field{Width: 4, Height: 4, Dy: make([]float32, 3)})
	require.ErrorContains(t, err, "4x4")
}

func FuzzLabels(f *testing.F) {
	f.Add(uint64(1), 20, 30, float32(0))
	f.Add(uint64(2), 2, 2, float32(math.Inf(1)))
	f.Add(uint64(3), 40, 3, float32(math.NaN()))
	f.Fuzz(func(t *testing.T, seed uint64, w, h int, odd float32) {
		if w < 2 || h < 2 || w > 64 || h > 64 {
			t.Skip()
		}
		field, _ := discs(w, h, 6, 3, seed)
		rng := rand.New(rand.NewPCG(seed, 2))
		for range 5 { // a network that has gone wrong gives Inf and NaN
			field.Dy[rng.IntN(w*h)], field.Dx[rng.IntN(w*h)], field.Logit[rng.IntN(w*h)] = odd, odd, odd
		}
		seg, err := (&Host{Params: DefaultParams(), Workers: 2}).Labels(t.Context(), field)
		require.NoError(t, err)
		areas := make([]int, len(seg.Objects))
		for _, l := range seg.Labels {
			require.LessOrEqual(t, int(l), len(areas))
			if l > 0 {
				areas[l-1]++
			}
		}
		for i, o := range seg.Objects {
			require.Equal(t, areas[i], o.Area)
			require.Positive(t, o.Area)
		}
	})
}

func BenchmarkLabels1024(b *testing.B) {
	f, _ := discs(1024, 1024, 1500, 2, 1)
	host := &Host{Params: DefaultParams()}
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := host.Labels(b.Context(), f); err != nil {
			b.Fatal(err)
		}
	}
}
