package cuda

import "slices"

// stretch is a horizontal stretch of pixels of one row: x0 inclusive, x1 exclusive.
type stretch struct{ x0, x1 int32 }

// rowRuns are the stretches of every row of an image: row y's are all[first[y]:first[y+1]].
type rowRuns struct {
	all   []stretch
	first []int32
}

func (r *rowRuns) row(y int) []stretch { return r.all[r.first[y]:r.first[y+1]] }

// gatherRuns collects the stretches that find appends for each row, on all workers.
func (h *Host) gatherRuns(height int, find func(dst []stretch, y int) []stretch) *rowRuns {
	const band = 64
	parts := make([][]stretch, (height+band-1)/band)
	r := &rowRuns{first: make([]int32, height+1)}
	h.jobs(len(parts), func(k int) {
		var part []stretch
		for y := k * band; y < min((k+1)*band, height); y++ {
			before := len(part)
			part = find(part, y)
			r.first[y+1] = int32(len(part) - before)
		}
		parts[k] = part
	})
	r.all = slices.Concat(parts...)
	for y := range height {
		r.first[y+1] += r.first[y]
	}
	return r
}

// foreground returns the stretches where the logit is positive; NaN is background.
func (h *Host) foreground(f Field) *rowRuns {
	return h.gatherRuns(f.Height, func(dst []stretch, y int) []stretch {
		row := f.Logit[y*f.Width:][:f.Width]
		for x := 0; x < len(row); {
			for x < len(row) && !(row[x] > 0) {
				x++
			}
			x0 := x
			for x < len(row) && row[x] > 0 {
				x++
			}
			if x > x0 {
				dst = append(dst, stretch{int32(x0), int32(x)})
			}
		}
		return dst
	})
}

// background returns the stretches without a label.
func (h *Host) background(labels []int32, w, height int) *rowRuns {
	return h.gatherRuns(height, func(dst []stretch, y int) []stretch {
		row := labels[y*w:][:w]
		for x := 0; x < len(row); {
			for x < len(row) && row[x] != 0 {
				x++
			}
			x0 := x
			for x < len(row) && row[x] == 0 {
				x++
			}
			if x > x0 {
				dst = append(dst, stretch{int32(x0), int32(x)})
			}
		}
		return dst
	})
}
