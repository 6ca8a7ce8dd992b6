package cuda

import "math"

// sums are partial sums of an object; err, prob and siz in 1/fixedOne.
type sums struct {
	area           int
	x0, y0, x1, y1 int
	err, prob, siz int64
}

func (s *sums) add(o *sums) {
	if s.area == 0 {
		*s = *o
		return
	}
	s.area += o.area
	s.x0, s.y0, s.x1, s.y1 = min(s.x0, o.x0), min(s.y0, o.y0), max(s.x1, o.x1), max(s.y1, o.y1)
	s.err, s.prob, s.siz = s.err+o.err, s.prob+o.prob, s.siz+o.siz
}

// reduce measures every object: area, bounding box, and the means of flow error, probability and predicted
// size. The flow error of a pixel is the squared distance of its flow from the unit vector along its whole
// displacement; pixels that moved less than 2 px count as 0.
func (h *Host) reduce(f Field, u []vec, labels []int32, count int) []Object {
	const band = 64
	bands := (f.Height + band - 1) / band
	parts := make([][]sums, h.workers(bands))
	h.sharedJobs(bands, func(worker, k int) {
		if parts[worker] == nil {
			parts[worker] = make([]sums, count+1)
		}
		for y := k * band; y < min((k+1)*band, f.Height); y++ {
			h.reduceRow(f, u, labels, y, parts[worker])
		}
	})
	objects := make([]Object, count)
	for i := range objects {
		var t sums
		for _, part := range parts {
			if part != nil && part[i+1].area > 0 {
				t.add(&part[i+1])
			}
		}
		n := float64(t.area) * fixedOne
		objects[i] = Object{
			Area: t.area, X0: t.x0, Y0: t.y0, X1: t.x1, Y1: t.y1,
			FlowError: float64(t.err) / n, Probability: float64(t.prob) / n, LogSize: float64(t.siz) / n,
		}
	}
	return objects
}

func (h *Host) reduceRow(f Field, u []vec, labels []int32, y int, acc []sums) {
	k := 1 / h.Params.FlowScale
	row := labels[y*f.Width:][:f.Width]
	for x := 0; x < len(row); {
		l := row[x]
		if l == 0 {
			x++
			continue
		}
		s := sums{x0: x, y0: y, y1: y + 1}
		for x < len(row) && row[x] == l {
			x++
		}
		s.x1, s.area = x, x-s.x0
		s.reduceRun(f, u, y*f.Width+s.x0, y*f.Width+x, k)
		acc[l].add(&s)
	}
}

// fewWide is how many px are summed one by one: for fewer, setting up sixteen at a time takes longer.
const fewWide = 4

// reduceRun sums the values of pixels from..to-1.
func (s *sums) reduceRun(f Field, u []vec, from, to int, k float32) {
	if wide && to-from >= fewWide {
		var parts [24]int64
		reduce512(&parts, &u[from], &f.Dy[from], &f.Dx[from], &f.Logit[from], &f.Size[from], to-from, k)
		for i := range 8 {
			s.err += parts[i]
			s.prob += parts[8+i]
			s.siz += parts[16+i]
		}
		return
	}
	s.reduceEach(f, u, from, to, k)
}

// reduceEach is reduceRun px by px.
func (s *sums) reduceEach(f Field, u []vec, from, to int, k float32) {
	for i := from; i < to; i++ {
		s.prob += fixed(sigmoid(f.Logit[i]))
		s.siz += fixed(f.Size[i])
		v := u[i]
		far := float32(v.y*v.y) + float32(v.x*v.x) // a product that is converted is not fused with the sum
		if f.Logit[i] > 0 && far >= 4 {
			d := 1 / (float32(math.Sqrt(float64(far))) + 1e-6)
			ey, ex := float32(f.Dy[i]*k)-float32(v.y*d), float32(f.Dx[i]*k)-float32(v.x*d)
			s.err += fixed(float32(ey*ey) + float32(ex*ex))
		}
	}
}
