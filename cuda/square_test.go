package cuda

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEightAtATimeIsOneAtATime(t *testing.T) {
	if !wide {
		t.Skip("SKIPPED: this processor has no AVX-512")
	}
	const w, h = 67, 40
	rng := rand.New(rand.NewPCG(7, 7))
	for i, reach := range []float64{0.5, 3, 40, 1e9, 0.5, 3} {
		top := i / 4 * 5000
		u := make([]vec, w*h)
		for i := range u {
			u[i] = vec{float32(rng.NormFloat64() * reach), float32(rng.NormFloat64() * reach)}
			if rng.IntN(200) == 0 {
				u[i].x = float32(math.NaN())
			}
		}
		got, want := make([]vec, w), make([]vec, w)
		done := 0
		for y := range h {
			squareRun(got, u, w, h, top, y, 0, w)
			for x := range w { // what Go makes of each px
				v := u[y*w+x]
				s := sample(u, w, h, top, float32(y+top)+v.y, float32(x)+v.x)
				want[x] = vec{v.y + s.y, v.x + s.x}
			}
			for x := range w {
				require.Equal(t, math.Float32bits(want[x].y), math.Float32bits(got[x].y), "%v, (%d, %d)", reach, y, x)
				require.Equal(t, math.Float32bits(want[x].x), math.Float32bits(got[x].x), "%v, (%d, %d)", reach, y, x)
			}
			done += square512(&got[0], &u[y*w], &u[0], w, w, top*w, float32(y+top), 0, float32(top), float32(top+h-1), w-1)
		}
		if reach == 0.5 {
			require.Greater(t, done, w*h/4, "the fast path is taken")
		}
	}
}

func TestSixteenAtATimeIsOneAtATime(t *testing.T) {
	if !wide {
		t.Skip("SKIPPED: this processor has no AVX-512")
	}
	rng := rand.New(rand.NewPCG(9, 9))
	odd := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0, 1e-30, -1e30, 64, -64, 1e9}
	for n := 1; n < 90; n++ {
		for range 20 {
			f := Field{Dy: make([]float32, n), Dx: make([]float32, n), Logit: make([]float32, n), Size: make([]float32, n)}
			u := make([]vec, n)
			value := func(scale float64) float32 {
				if rng.IntN(25) == 0 {
					return odd[rng.IntN(len(odd))]
				}
				return float32(rng.NormFloat64() * scale)
			}
			for i := range n {
				f.Dy[i], f.Dx[i], f.Logit[i], f.Size[i] = value(3), value(3), value(5), value(2)
				u[i] = vec{value(4), value(4)}
			}
			var got, want sums
			got.reduceRun(f, u, 0, n, 0.2)
			want.reduceEach(f, u, 0, n, 0.2)
			require.Equal(t, want, got, "%d px", n)
		}
	}
}

func BenchmarkSquare1024(b *testing.B) {
	f, _ := discs(1024, 1024, 1500, 2, 1)
	host := &Host{Params: DefaultParams(), Workers: 1}
	fg := host.foreground(f)
	s := borrow(1 << 20)
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		host.displacement(f, fg, s.u)
		if _, err := host.square(b.Context(), f, fg, s.u, s.v); err != nil {
			b.Fatal(err)
		}
	}
}
