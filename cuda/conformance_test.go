package cuda_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/cuda"
	"github.com/uni-aims/aimsd/cuda/hostemu"
)

// field is one case; plain says that the plain reference can do it too (it does not know NaN).
type field struct {
	name  string
	plain bool
	cuda.Field
}

// blank is a field without foreground.
func blank(w, h int) cuda.Field {
	f := cuda.Field{
		Width: w, Height: h,
		Dy: make([]float32, w*h), Dx: make([]float32, w*h), Logit: make([]float32, w*h), Size: make([]float32, w*h),
	}
	for i := range f.Logit {
		f.Logit[i] = -6
	}
	return f
}

// paint makes the pixels for which inside holds foreground that flows toward (cy, cx).
func paint(f cuda.Field, cy, cx float64, inside func(y, x float64) bool) {
	for i := range f.Logit {
		y, x := float64(i/f.Width), float64(i%f.Width)
		if inside(y, x) {
			d := math.Hypot(cy-y, cx-x) + 1e-6
			f.Dy[i], f.Dx[i] = float32(5*(cy-y)/d), float32(5*(cx-x)/d)
			f.Logit[i], f.Size[i] = float32(1+math.Mod(y*7+x*3, 5)), float32(x/40)
		}
	}
}

func disc(cy, cx, r float64) func(y, x float64) bool {
	return func(y, x float64) bool { return math.Hypot(cy-y, cx-x) < r }
}

// spoil writes what a network that has gone wrong gives.
func spoil(f cuda.Field, seed uint64) cuda.Field {
	rng := rand.New(rand.NewPCG(seed, 7))
	odd := []float32{
		float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), math.MaxFloat32, -math.MaxFloat32,
		math.SmallestNonzeroFloat32, 0, float32(math.Copysign(0, -1)), 1e10, -63.9999999,
	}
	for range len(f.Dy) / 10 {
		for _, plane := range [][]float32{f.Dy, f.Dx, f.Logit, f.Size} {
			plane[rng.IntN(len(plane))] = odd[rng.IntN(len(odd))]
		}
	}
	return f
}

// fields is the table of the conformance suite.
func fields() []field {
	var out []field
	add := func(name string, plain bool, f cuda.Field) { out = append(out, field{name, plain, f}) }
	for seed := range uint64(12) {
		f, _ := cuda.Discs(120+17*int(seed), 90+int(seed), 30, float64(seed%5), seed)
		add(fmt.Sprintf("discs %d", seed), true, f)
	}
	f := blank(90, 40)
	paint(f, 20, 20, disc(20, 20, 14))
	paint(f, 20, 47, disc(20, 47, 14))
	paint(f, 20, 74, func(y, x float64) bool { return disc(20, 74, 14)(y, x) && x > 60.5 })
	add("touching discs", true, f)

	f = blank(200, 120)
	for _, c := range [][2]float64{{30, 30}, {30, 90}, {85, 60}, {85, 150}} {
		paint(f, c[0], c[1], func(y, x float64) bool { // the flow of a ring meets in its hole
			d := math.Hypot(c[0]-y, c[1]-x)
			return d < 26 && (d > 9 || d < 3) || d <= 10 && y == c[0]
		})
	}
	for i := range f.Dy { // sinks on the ring's diameter
		if f.Logit[i] > 0 && i%5 == 0 {
			f.Dy[i] *= 0.3
		}
	}
	add("rings", true, f)

	f = blank(61, 47)
	paint(f, 23, 30, func(y, x float64) bool { return disc(23, 30, 18)(y, x) && !(int(y)%6 == 3 && int(x)%6 == 3) })
	add("a disc with many holes", true, f)

	add("empty", true, blank(64, 48))
	f = blank(64, 48)
	paint(f, 24, 32, func(float64, float64) bool { return true })
	add("all foreground", true, f)
	f = blank(100, 80)
	for i := range f.Logit {
		f.Logit[i] = 3 // nothing moves: every pixel is a sink of one
	}
	add("all foreground, no flow", true, f)

	for _, size := range [][2]int{{2, 2}, {3, 17}, {17, 3}, {2, 400}, {400, 2}, {16, 16}, {33, 15}} {
		f = blank(size[0], size[1])
		paint(f, float64(size[1])/2, float64(size[0])/2, func(y, x float64) bool { return int(y*3+x)%11 != 0 })
		add(fmt.Sprintf("%dx%d", size[0], size[1]), true, f)
	}

	f = blank(50, 50)
	for _, at := range []int{0, 49, 2499, 1010, 1012, 1112, 30*50 + 49, 49*50 + 20} {
		f.Logit[at] = 4
	}
	add("objects of one px", true, f)
	f = blank(300, 60)
	paint(f, 10, 150, func(y, x float64) bool { return y >= 9 && y < 12 })
	paint(f, 30, 20, func(y, x float64) bool { return math.Abs(y-30-(x-150)/8) < 1 })
	add("long thin objects", true, f)

	rng := rand.New(rand.NewPCG(5, 5))
	f = blank(257, 129)
	for i := range f.Logit {
		f.Logit[i], f.Dy[i], f.Dx[i] = float32(rng.NormFloat64()), float32(rng.NormFloat64()*8), float32(rng.NormFloat64()*8)
		f.Size[i] = float32(rng.NormFloat64())
	}
	add("noise", true, f)
	for seed := range uint64(4) {
		f, _ := cuda.Discs(131, 67, 25, 2, seed)
		add(fmt.Sprintf("NaN and Inf %d", seed), false, spoil(f, seed))
	}
	f, _ = cuda.Discs(700, 500, 400, 2, 99)
	add("700x500", true, f)
	return out
}

// params are the constants that every field is tried with; the first are the shipped ones.
func params() []cuda.Params {
	return []cuda.Params{
		cuda.DefaultParams(),
		{FlowScale: 5, Squarings: 0, MinSink: 1, MinArea: 1},
		{FlowScale: 3, Squarings: 3, MinSink: 2, MinArea: 5},
	}
}

// expected is what Host gives for every params and field, worked out once.
var expected = sync.OnceValue(func() (all [][]*cuda.Segments) {
	for _, p := range params() {
		var one []*cuda.Segments
		for _, f := range fields() {
			seg, err := (&cuda.Host{Params: p, Workers: 2}).Labels(context.Background(), f.Field)
			if err != nil {
				panic(err)
			}
			one = append(one, seg)
		}
		all = append(all, one)
	}
	return all
})

// conform runs the suite over an implementation: labels and objects are bit-equal to Host's.
func conform(t *testing.T, open func(p cuda.Params) cuda.Dynamics) {
	for i, p := range params() {
		d := open(p)
		for j, f := range fields() {
			got, err := d.Labels(t.Context(), f.Field)
			require.NoError(t, err, f.name)
			require.Equal(t, expected()[i][j], got, "%s, %+v", f.name, p)
		}
	}
}

func TestHostConforms(t *testing.T) {
	for i, p := range params() {
		for j, f := range fields() {
			if f.plain {
				require.Equal(t, cuda.Reference(f.Field, p), expected()[i][j].Labels, "%s, %+v", f.name, p)
			}
		}
	}
	conform(t, func(p cuda.Params) cuda.Dynamics { return &cuda.Host{Params: p, Workers: 3} })
}

func TestKernelsConform(t *testing.T) {
	for _, threads := range []int{1, 2, 7} {
		t.Run(fmt.Sprintf("%d threads", threads), func(t *testing.T) {
			m := &hostemu.Machine{Threads: threads}
			defer m.Close()
			conform(t, func(p cuda.Params) cuda.Dynamics { return &cuda.Kernels{Params: p, Machine: m} })
		})
	}
}

// FuzzKernels: noise of every kind in small frames, where labels meet borders, spans and chunks.
func FuzzKernels(f *testing.F) {
	f.Add(uint64(1), 20, 30, float32(0.5), uint8(3), uint8(12))
	f.Add(uint64(2), 2, 2, float32(-3), uint8(1), uint8(1))
	f.Add(uint64(3), 70, 33, float32(1), uint8(2), uint8(4))
	f.Fuzz(func(t *testing.T, seed uint64, w, h int, mean float32, minSink, minArea uint8) {
		if w < 2 || h < 2 || w > 80 || h > 80 {
			t.Skip()
		}
		rng := rand.New(rand.NewPCG(seed, 11))
		field := blank(w, h)
		for i := range field.Logit {
			field.Logit[i] = mean + float32(rng.NormFloat64())
			field.Dy[i], field.Dx[i] = float32(rng.NormFloat64()*6), float32(rng.NormFloat64()*6)
			field.Size[i] = float32(rng.NormFloat64())
		}
		if seed%3 == 0 {
			field = spoil(field, seed)
		}
		p := cuda.Params{FlowScale: 5, Squarings: int(seed % 9), MinSink: int(minSink), MinArea: int(minArea)}
		want, err := (&cuda.Host{Params: p, Workers: 2}).Labels(t.Context(), field)
		require.NoError(t, err)
		m := &hostemu.Machine{Threads: 1 + int(seed%4)}
		defer m.Close()
		got, err := (&cuda.Kernels{Params: p, Machine: m}).Labels(t.Context(), field)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}
