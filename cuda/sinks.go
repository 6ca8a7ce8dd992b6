package cuda

import "math"

// sinks writes to out, for every foreground pixel, the index of the pixel its flow ends in.
func (h *Host) sinks(f Field, fg *rowRuns, u []vec, out []int32) {
	w := f.Width
	top := float32(f.Top)
	hy, hx := float32(f.Top+f.Height-1), float32(w-1)
	h.rows(f.Height, func(y0, y1 int) {
		for y := y0; y < y1; y++ {
			fy := float32(y + f.Top)
			for _, r := range fg.row(y) {
				for x := int(r.x0); x < int(r.x1); x++ {
					i := y*w + x
					sy := int(clamp(fy+u[i].y, top, hy) + 0.5)
					sx := int(clamp(float32(x)+u[i].x, 0, hx) + 0.5)
					out[i] = int32((sy-f.Top)*w + sx)
				}
			}
		}
	})
}

// sinkComponents numbers the 8-connected components of the sinks, dilated by one pixel, from 1 in raster
// order, in out; a pixel is a sink when at least minSink flows end in it. Elsewhere out is left as it is: the bitmap
// says where the dilated sinks are. count is zero and left so. It returns how many components there are.
func (h *Host) sinkComponents(f Field, fg *rowRuns, sinks []int32, count []uint8, out []int32) (dilated *bitmap, n int32) {
	least := uint8(min(max(h.Params.MinSink, 1), math.MaxUint8))
	w := f.Width
	peaks := newBitmap(w, f.Height)
	each(f, fg, func(i int) {
		s := sinks[i]
		if c := count[s]; c < least {
			c++
			if count[s] = c; c == least {
				peaks.set(int(s)%w, int(s)/w)
			}
		}
	})
	each(f, fg, func(i int) { count[sinks[i]] = 0 })
	dilated = newBitmap(w, f.Height)
	runs := h.gatherRuns(f.Height, func(dst []stretch, y int) []stretch {
		row := dilated.row(y)
		peaks.dilatedRow(row, y)
		return appendRuns(dst, row)
	})
	forest := join(runs, f.Height, 1)
	numbers, n := forest.number()
	h.rows(f.Height, func(y0, y1 int) {
		for y := y0; y < y1; y++ {
			for i := runs.first[y]; i < runs.first[y+1]; i++ {
				r := runs.all[i]
				fill(out[y*w+int(r.x0):y*w+int(r.x1)], numbers[i])
			}
		}
	})
	return dilated, n
}

// each calls fn for the index of every foreground pixel in raster order.
func each(f Field, fg *rowRuns, fn func(i int)) {
	for y := range f.Height {
		for _, r := range fg.row(y) {
			for i := y*f.Width + int(r.x0); i < y*f.Width+int(r.x1); i++ {
				fn(i)
			}
		}
	}
}

// gather replaces every sink index by the number of its component, 0 where there is none; then it removes the labels of
// fewer than MinArea px, numbers the rest without gaps in their order, and returns how many are left.
func (h *Host) gather(f Field, fg *rowRuns, labels, components []int32, dilated *bitmap, n int32) int {
	const band = 16
	bands := (f.Height + band - 1) / band
	w := f.Width
	areas := make([][]int32, h.workers(bands))
	h.sharedJobs(bands, func(worker, k int) {
		if areas[worker] == nil {
			areas[worker] = make([]int32, n+1)
		}
		area := areas[worker]
		for y := k * band; y < min((k+1)*band, f.Height); y++ {
			for _, r := range fg.row(y) {
				row := labels[y*w+int(r.x0) : y*w+int(r.x1)]
				for i, s := range row {
					l := int32(0)
					if dilated.get(int(s)%w, int(s)/w) {
						l = components[s]
					}
					row[i] = l
					area[l]++
				}
			}
		}
	})
	number, kept := make([]int32, n+1), int32(0)
	for l := int32(1); l <= n; l++ {
		sum := int32(0)
		for _, a := range areas {
			if a != nil {
				sum += a[l]
			}
		}
		if int(sum) >= max(h.Params.MinArea, 1) {
			kept++
			number[l] = kept
		}
	}
	h.rows(f.Height, func(y0, y1 int) {
		for y := y0; y < y1; y++ {
			for _, r := range fg.row(y) {
				row := labels[y*w+int(r.x0) : y*w+int(r.x1)]
				for i, l := range row {
					row[i] = number[l]
				}
			}
		}
	})
	return int(kept)
}

func fill(s []int32, v int32) {
	for i := range s {
		s[i] = v
	}
}
