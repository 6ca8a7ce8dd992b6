package simulate

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"
)

// residual measures how much further than (dx, dy) the content of b lies from that of a, px: a linear fit of b on a shifted
// by (dx, dy), its gradient, and a change of gain and offset.
func residual(t *testing.T, a, b *Frame, dx, dy float64) (x, y float64) {
	t.Helper()
	at := func(x, y float64) float64 { // a, bilinear
		ix, iy := int(math.Floor(x)), int(math.Floor(y))
		fx, fy := x-float64(ix), y-float64(iy)
		v := func(x, y int) float64 { return float64(a.Gray16[y*a.Width+x]) }
		return (v(ix, iy)*(1-fx)+v(ix+1, iy)*fx)*(1-fy) + (v(ix, iy+1)*(1-fx)+v(ix+1, iy+1)*fx)*fy
	}
	normal, right := mat.NewDense(4, 4, nil), mat.NewVecDense(4, nil)
	for j := 30; j < a.ImageRows-30; j++ {
		for i := 30; i < a.Width-30; i++ {
			u, v := float64(i)-dx, float64(j)-dy
			row := [4]float64{(at(u-1, v) - at(u+1, v)) / 2, (at(u, v-1) - at(u, v+1)) / 2, at(u, v), 1e4}
			target := float64(b.Gray16[j*b.Width+i])
			for p := range row {
				right.SetVec(p, right.AtVec(p)+row[p]*target)
				for q := range row {
					normal.Set(p, q, normal.At(p, q)+row[p]*row[q])
				}
			}
		}
	}
	var fit mat.VecDense
	require.NoError(t, fit.SolveVec(normal, right))
	return fit.AtVec(0) / fit.AtVec(2), fit.AtVec(1) / fit.AtVec(2)
}

func TestDriftIsWhatTheImageShows(t *testing.T) {
	var apart float64
	for seed := range uint64(6) {
		m := clean(seed)
		m.NoDrift, m.SpotPx = false, Range{1.2, 1.3}
		first := milledFrame(t, m, 1, 0)
		require.Equal(t, Shift{}, first.Truth.Milling.DriftPx)
		for _, index := range []int{2, 9, 23} {
			fr := milledFrame(t, m, index, 0)
			d := fr.Truth.Milling.DriftPx
			x, y := residual(t, first, fr, d.X, d.Y)
			require.Less(t, math.Hypot(x, y), 0.1, "seed %d, frame %d, drift %+v", seed, index, d)
			apart = max(apart, math.Hypot(d.X, d.Y))
		}
	}
	require.Greater(t, apart, 4.0, "some drift far")
}

// TestDriftRendersTheSampleElsewhere holds the rendering to the plane: pixels of a frame that drifted by whole px are those
// of the one that did not.
func TestDriftRendersTheSampleElsewhere(t *testing.T) {
	s := clean(5)
	still, err := s.resolve()
	require.NoError(t, err)
	exposed := func(dx, dy float64) *slab {
		v := newRun(still).view(1, 20)
		v.driftX, v.driftY = dx, dy
		b := newSlab(s.Width, s.Height)
		b.y0, b.y1 = 0, s.Height
		for y := range s.Height {
			b.expose(v, y)
		}
		return b
	}
	a, b, half := exposed(0, 0), exposed(11, -7), exposed(10.5, -7.5)
	var off, between float64
	for y := 20; y < s.Height-20; y++ {
		for x := 20; x < s.Width-20; x++ {
			want := a.signal[(y+7)*s.Width+x-11]
			off = max(off, math.Abs(float64(want-b.signal[y*s.Width+x])))
			between += math.Abs(float64(want - half.signal[y*s.Width+x]))
		}
	}
	require.Less(t, off, 2e-3)
	require.Greater(t, between, 1.0, "half a px is something else")
}

func TestDriftKeepsItsRanges(t *testing.T) {
	var jumps, frames int
	for seed := range uint64(50) {
		s, err := (&Milling{Width: 512, Height: 512, Seed: seed, WalkPx: never, Jumps: Range{0.02, 0.02}}).resolve()
		require.NoError(t, err)
		d := newRun(s).drift
		var px, py float64
		for index := 2; index <= 200; index++ {
			x, y := d.at(index)
			switch step := math.Hypot(x-px, y-py); {
			case step > 1.3:
				require.LessOrEqual(t, step, 12.6+1e-6)
				jumps++
			default:
				require.LessOrEqual(t, step, 0.6+1e-6)
			}
			frames++
			px, py = x, y
		}
	}
	require.InEpsilon(t, 0.02, float64(jumps)/float64(frames), 0.2)
}

func TestFaultsHaveTheirRates(t *testing.T) {
	count := map[string]int{}
	const runs, frames = 60, 400
	for seed := range uint64(runs) {
		s, err := (&Milling{Width: 512, Height: 512, Seed: seed, Interrupted: Range{0.03, 0.03}, Blurred: Range{0.01, 0.01}}).resolve()
		require.NoError(t, err)
		f := newRun(s).faults
		for index := 1; index <= frames; index++ {
			names := f.of(index).names()
			require.True(t, index > 1 || len(names) == 0, "frame 1 has none")
			for _, n := range names {
				count[n]++
			}
			require.False(t, f.freezes(index) && f.freezes(index-1), "a frozen frame follows one that is not")
		}
	}
	rate := func(name string) float64 { return float64(count[name]) / runs / frames }
	require.InEpsilon(t, 0.03, rate(FaultInterrupted), 0.1)
	require.InEpsilon(t, 0.01, rate(FaultBlurred), 0.2)
	require.InEpsilon(t, 0.004, rate(FaultBlank), 0.4, "0 to 0.8 %")
	require.InEpsilon(t, 0.004, rate(FaultFrozen), 0.4, "0 to 0.8 %")
	require.InEpsilon(t, 0.1, rate(FaultCharging), 0.2, "0 to 20 %")
}

// faulty returns a frame of a run in which every frame has the fault.
func faulty(t *testing.T, m Milling, index int) *Frame {
	t.Helper()
	m.Width, m.Height, m.Seed = 192, 176, 8
	return milledFrame(t, m, index, index-1)
}

func TestFaultsAreSeen(t *testing.T) {
	always := Range{1, 1}
	sound := faulty(t, Milling{NoFaults: true}, 12)
	require.Empty(t, sound.Truth.Milling.Faults)
	rows := sound.ImageRows * sound.Width

	fr := faulty(t, Milling{Interrupted: always, Blank: never, Frozen: never, Charged: never}, 12)
	require.Equal(t, []string{FaultInterrupted}, fr.Truth.Milling.Faults)
	for _, v := range fr.Gray8[rows-3*fr.Width : rows] {
		require.Equal(t, fr.Gray8[rows-1], v)
	}
	require.Equal(t, sound.Gray8[:3*fr.Width], fr.Gray8[:3*fr.Width], "what was scanned is sound")
	require.Equal(t, sound.Labels, fr.Labels, "the sample is as it is")

	fr = faulty(t, Milling{Blank: always, Frozen: never}, 12)
	require.Equal(t, []string{FaultBlank}, fr.Truth.Milling.Faults)
	require.Less(t, mean(fr.Gray8[:rows]), 0.3*mean(sound.Gray8[:rows]))

	fr = faulty(t, Milling{Blurred: always, Interrupted: never, Blank: never, Frozen: never, Charged: never, Electrons: Range{1e6, 1e6}}, 12)
	sharp := faulty(t, Milling{NoFaults: true, Electrons: Range{1e6, 1e6}}, 12)
	require.Equal(t, []string{FaultBlurred}, fr.Truth.Milling.Faults)
	require.Less(t, steepness(fr), 0.5*steepness(sharp))

	fr = faulty(t, Milling{Charged: always, Interrupted: never, Blank: never, Frozen: never, Blurred: never}, 12)
	require.Equal(t, []string{FaultCharging}, fr.Truth.Milling.Faults)
	require.NotEqual(t, sound.Gray8[:rows], fr.Gray8[:rows])

	frozen := Milling{Frozen: Range{0.5, 0.5}, Interrupted: never, Blank: never, Blurred: never, Charged: never}
	n := 0
	for index := 2; index < 20; index++ {
		now, before := faulty(t, frozen, index), faulty(t, frozen, index-1)
		same := string(now.Gray8[:rows]) == string(before.Gray8[:rows])
		require.Equal(t, len(now.Truth.Milling.Faults) == 1, same, "frame %d", index)
		require.NotEqual(t, now.Truth.Milling.FrontPx, before.Truth.Milling.FrontPx, "the truth goes on")
		if same {
			n++
		}
	}
	require.Greater(t, n, 3)
}

func mean(v []uint8) float64 {
	var sum float64
	for _, x := range v {
		sum += float64(x)
	}
	return sum / float64(len(v))
}

// steepness is the mean square difference of neighbours in the image.
func steepness(fr *Frame) float64 {
	var sum float64
	for i := range fr.ImageRows*fr.Width - 1 {
		d := float64(fr.Gray8[i+1]) - float64(fr.Gray8[i])
		sum += d * d
	}
	return sum
}
