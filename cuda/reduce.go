package cuda

import (
	"math"
	"runtime"
	"sync"
)

// sums are one worker's partial sums of an object.
type sums struct {
	area           int
	x0, y0, x1, y1 int
	err, prob, siz float64
}

// reduce measures every object: area, bounding box, and the means of flow error, probability and predicted
// size. The flow error of a pixel is the squared distance of its flow from the unit vector along its whole
// displacement; pixels that moved less than 2 px count as 0.
func (h *Host) reduce(f Field, u []vec, labels []int32, count int) []Object {
	workers := h.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	workers = min(workers, f.Height)
	parts := make([][]sums, workers)
	var wg sync.WaitGroup
	for k := range workers {
		wg.Go(func() {
			acc := make([]sums, count+1)
			for y := f.Height * k / workers; y < f.Height*(k+1)/workers; y++ {
				h.reduceRow(f, u, labels, y, acc)
			}
			parts[k] = acc
		})
	}
	wg.Wait()
	objects := make([]Object, count)
	for i := range objects {
		var t sums
		for _, part := range parts {
			s := part[i+1]
			if s.area == 0 {
				continue
			}
			if t.area == 0 {
				t = s
				continue
			}
			t.area += s.area
			t.x0, t.y0, t.x1, t.y1 = min(t.x0, s.x0), min(t.y0, s.y0), max(t.x1, s.x1), max(t.y1, s.y1)
			t.err, t.prob, t.siz = t.err+s.err, t.prob+s.prob, t.siz+s.siz
		}
		n := float64(t.area)
		objects[i] = Object{
			Area: t.area, X0: t.x0, Y0: t.y0, X1: t.x1, Y1: t.y1,
			FlowError: t.err / n, Probability: t.prob / n, LogSize: t.siz / n,
		}
	}
	return objects
}

func (h *Host) reduceRow(f Field, u []vec, labels []int32, y int, acc []sums) {
	k := 1 / h.Params.FlowScale
	for x, i := 0, y*f.Width; x < f.Width; x, i = x+1, i+1 {
		l := labels[i]
		if l == 0 {
			continue
		}
		s := &acc[l]
		if s.area == 0 {
			*s = sums{x0: x, y0: y, x1: x + 1, y1: y + 1}
		}
		s.area++
		s.x0, s.x1, s.y1 = min(s.x0, x), max(s.x1, x+1), y+1
		s.prob += 1 / (1 + math.Exp(-float64(f.Logit[i])))
		s.siz += float64(f.Size[i])
		if v := u[i]; f.Logit[i] > 0 && v.y*v.y+v.x*v.x >= 4 {
			d := 1 / (float32(math.Sqrt(float64(v.y*v.y+v.x*v.x))) + 1e-6)
			ey, ex := f.Dy[i]*k-v.y*d, f.Dx[i]*k-v.x*d
			s.err += float64(ey*ey + ex*ex)
		}
	}
}
