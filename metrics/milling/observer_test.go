package milling

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics"
)

// surface is textured: a sum of smooth random waves, known at every point.
type surface struct{ kx, ky, phase, height []float64 }

func newSurface(seed uint64) *surface {
	rng := rand.New(rand.NewPCG(seed, 7))
	s := &surface{}
	for range 36 {
		length, angle := 8+40*rng.Float64(), 2*math.Pi*rng.Float64()
		s.kx = append(s.kx, 2*math.Pi/length*math.Cos(angle))
		s.ky = append(s.ky, 2*math.Pi/length*math.Sin(angle))
		s.phase, s.height = append(s.phase, 2*math.Pi*rng.Float64()), append(s.height, 0.016)
	}
	return s
}

func (s *surface) at(x, y float64) float64 {
	v := 0.5
	for i := range s.kx {
		v += s.height[i] * math.Sin(s.kx[i]*x+s.ky[i]*y+s.phase[i])
	}
	return v
}

// shot is a frame of a surface in which front px of the plan's region are milled, moved by (dx, dy), at a gain and an offset.
type shot struct {
	side                        int
	front, dx, dy, gain, offset float64
	noise                       float64
	bits16                      bool
	seed                        uint64
}

func (s *surface) take(p *Plan, c shot) Frame {
	rng := rand.New(rand.NewPCG(c.seed, 3))
	f := Frame{Width: c.side, Height: c.side}
	if c.bits16 {
		f.Gray16 = make([]uint16, c.side*c.side)
	} else {
		f.Gray8 = make([]uint8, c.side*c.side)
	}
	r := p.region(metrics.Rect{X1: c.side, Y1: c.side})
	for y := range c.side {
		for x := range c.side {
			px, py := float64(x)+0.5-c.dx, float64(y)+0.5-c.dy // on the sample
			v := s.at(px, py)
			var u, side float64
			switch p.ScanDirection {
			case TopToBottom:
				u, side = py-float64(r.Y0), math.Min(px-float64(r.X0), float64(r.X1)-px)
			case BottomToTop:
				u, side = float64(r.Y1)-py, math.Min(px-float64(r.X0), float64(r.X1)-px)
			case LeftToRight:
				u, side = px-float64(r.X0), math.Min(py-float64(r.Y0), float64(r.Y1)-py)
			default:
				u, side = float64(r.X1)-px, math.Min(py-float64(r.Y0), float64(r.Y1)-py)
			}
			if side > 0 && u > 0 && c.front > 0 {
				inside := 1 / (1 + math.Exp((u-c.front)/0.6))
				v += inside * (0.22 + 0.05*math.Sin(side/3) - v)
				v += 0.15 * math.Exp(-(u-c.front)*(u-c.front)/4)
			}
			v = c.gain*v + c.offset + c.noise*rng.NormFloat64()
			v = math.Min(math.Max(v, 0), 1)
			if c.bits16 {
				f.Gray16[y*c.side+x] = uint16(math.Round(v * 65535))
			} else {
				f.Gray8[y*c.side+x] = uint8(math.Round(v * 255))
			}
		}
	}
	return f
}

func planned(direction string) Plan {
	p := DefaultPlan()
	p.ROI, p.ScanDirection = Rectangle{0.3, 0.3, 0.4, 0.4}, direction
	return p
}

func TestTheFrontIsFoundInEveryDirection(t *testing.T) {
	s := newSurface(1)
	for _, direction := range []string{TopToBottom, BottomToTop, LeftToRight, RightToLeft} {
		for _, bits16 := range []bool{false, true}[:1+len(direction)%2] { // 16 bits where the word is odd
			plan := planned(direction)
			ob := NewObserver(plan)
			o, err := ob.Observe(s.take(&plan, shot{side: 256, gain: 1, noise: 0.04, bits16: bits16, seed: 1}), nil, 10)
			require.NoError(t, err)
			require.True(t, o.Reference)
			require.Zero(t, *o.FrontPx)
			require.Zero(t, *o.AreaPx)
			require.InDelta(t, 102, o.LengthPx, 1)
			for i := range 4 {
				c := shot{
					side: 256, front: 8 + 24.3*float64(i), dx: 0.7 * float64(i), dy: -0.45 * float64(i), gain: 1 - 0.02*float64(i),
					offset: 0.006 * float64(i), noise: 0.04, bits16: bits16, seed: uint64(i + 2),
				}
				o, err = ob.Observe(s.take(&plan, c), nil, 10)
				require.NoError(t, err)
				require.Empty(t, o.Fault)
				require.True(t, o.Drift.Success, o.Drift.Reason)
				require.InDelta(t, c.dx, o.Drift.XPx, 0.15, "%s, frame %d", direction, i)
				require.InDelta(t, c.dy, o.Drift.YPx, 0.15, "%s, frame %d", direction, i)
				require.InDelta(t, c.front, *o.FrontPx, 2.2, "%s, frame %d", direction, i)
				require.InDelta(t, c.front*102, *o.AreaPx, 2.4*102, "%s, frame %d", direction, i)
				require.Greater(t, *o.Confidence, 0.6)
				require.Less(t, *o.FrontSDPx, 1.0)
			}
		}
	}
}

func TestNothingIsMilledWhereNothingIs(t *testing.T) {
	s := newSurface(2)
	plan := planned(TopToBottom)
	ob := NewObserver(plan)
	for i := range 5 {
		o, err := ob.Observe(s.take(&plan, shot{side: 256, dx: 0.3 * float64(i), gain: 1 + 0.01*float64(i), noise: 0.05, seed: uint64(i)}), nil, 10)
		require.NoError(t, err)
		require.Less(t, *o.FrontPx, 1.0, "frame %d", i)
	}
}

func TestWhatCannotBeSeenIsSaid(t *testing.T) {
	s := newSurface(3)
	plan := planned(TopToBottom)
	ob := NewObserver(plan)
	see := func(f Frame, nm float64, quality ...string) Observation {
		o, err := ob.Observe(f, quality, nm)
		require.NoError(t, err)
		return o
	}
	good := shot{side: 256, gain: 1, noise: 0.04, seed: 1}
	o := see(s.take(&plan, good), 10, "frozen")
	require.False(t, o.Reference, "a bad frame is no reference")
	require.Nil(t, o.FrontPx)
	require.True(t, see(s.take(&plan, good), 10).Reference)

	large := good
	large.side = 320
	require.Equal(t, ReasonField, see(s.take(&plan, large), 10).Fault)
	require.Equal(t, ReasonField, see(s.take(&plan, good), 14).Fault, "another magnification")
	require.Empty(t, see(s.take(&plan, good), 10.1).Fault, "rounding of the pixel size")

	elsewhere := good
	elsewhere.seed = 2 // two frames never have the same noise
	o = see(newSurface(99).take(&plan, elsewhere), 10)
	require.False(t, o.Drift.Success)
	require.Nil(t, o.FrontPx)
	require.NotEmpty(t, o.Drift.Reason)

	noise := Frame{Width: 256, Height: 256, Gray8: make([]uint8, 256*256)}
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range noise.Gray8 {
		noise.Gray8[i] = uint8(rng.IntN(256))
	}
	require.False(t, see(noise, 10).Drift.Success)

	good.seed = 3
	o = see(s.take(&plan, good), 10)
	require.True(t, o.Drift.Success, "it finds back")

	for _, f := range []Frame{{}, {Width: 4, Height: 4}, {Width: 2, Height: 2, Gray8: make([]uint8, 3)}, {Width: -1, Height: -1, Gray8: make([]uint8, 1)}} {
		_, err := ob.Observe(f, nil, 10)
		require.ErrorContains(t, err, "give every pixel once")
	}
	tiny := planned(TopToBottom)
	tiny.ROI = Rectangle{0.5, 0.5, 0.02, 0.02}
	_, err := NewObserver(tiny).Observe(s.take(&plan, good), nil, 10)
	require.ErrorContains(t, err, "give a region of at least 16 px on each side")
}

// A jump of the stage must be found, not taken for milling: at once where phase correlation confirms it, else with the
// second frame that lies there.
func TestAJumpIsFound(t *testing.T) {
	s := newSurface(4)
	plan := planned(LeftToRight)
	ob := NewObserver(plan)
	var last [2]float64
	for i, at := range [][2]float64{{0, 0}, {0.4, 0.1}, {0.6, 0.4}, {0.9, 0.5}, {12.3, -7.6}, {12.5, -7.4}, {-3, 2}, {-3.2, 2.1}, {-3.3, 2.2}} {
		o, err := ob.Observe(s.take(&plan, shot{side: 256, front: 10 + 5*float64(i), dx: at[0], dy: at[1], gain: 1, noise: 0.04, seed: uint64(i)}), nil, 10)
		require.NoError(t, err)
		jumped := math.Hypot(at[0]-last[0], at[1]-last[1]) > 3
		last = at
		if o.Reference || !o.Drift.Success && (jumped || i < fewFrames) {
			continue
		}
		require.True(t, o.Drift.Success, "frame %d: %s", i, o.Drift.Reason)
		require.InDelta(t, at[0], o.Drift.XPx, 0.3, "frame %d", i)
		require.InDelta(t, at[1], o.Drift.YPx, 0.3, "frame %d", i)
	}
}

// After a restart the kept reference takes the place of the first frame.
func TestAReferenceIsTakenUpAgain(t *testing.T) {
	s := newSurface(5)
	plan := planned(TopToBottom)
	ob := NewObserver(plan)
	require.NoError(t, ob.Refer(s.take(&plan, shot{side: 256, gain: 1, noise: 0.04, seed: 1}), 10))
	o, err := ob.Observe(s.take(&plan, shot{side: 256, front: 60, dx: 1.5, gain: 1, noise: 0.04, seed: 2}), nil, 10)
	require.NoError(t, err)
	require.False(t, o.Reference)
	require.InDelta(t, 60, *o.FrontPx, 1.5)
	require.Error(t, ob.Refer(Frame{Width: 3, Height: 3}, 10))
}

func BenchmarkObserve1024(b *testing.B) {
	s := newSurface(6)
	plan := planned(TopToBottom)
	ob := NewObserver(plan)
	_, err := ob.Observe(s.take(&plan, shot{side: 1024, gain: 1, noise: 0.04, seed: 1}), nil, 10)
	require.NoError(b, err)
	f := s.take(&plan, shot{side: 1024, front: 100, dx: 2.3, dy: 1.1, gain: 1, noise: 0.04, seed: 2})
	b.ReportAllocs()
	for b.Loop() {
		_, err := ob.Observe(f, nil, 10)
		require.NoError(b, err)
	}
}
