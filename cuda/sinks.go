package cuda

import "math"

// sinks writes to out, for every foreground pixel, the index of the pixel its flow ends in; -1 elsewhere.
func (h *Host) sinks(f Field, u []vec, out []int32) {
	w := f.Width
	hy, hx := float32(f.Height-1), float32(w-1)
	h.rows(f.Height, func(y0, y1 int) {
		for y := y0; y < y1; y++ {
			for x, i := 0, y*w; x < w; x, i = x+1, i+1 {
				if !(f.Logit[i] > 0) {
					out[i] = -1
					continue
				}
				sy := int(clamp(float32(y)+u[i].y, hy) + 0.5)
				sx := int(clamp(float32(x)+u[i].x, hx) + 0.5)
				out[i] = int32(sy*w + sx)
			}
		}
	})
}

// sinkComponents numbers the 8-connected components of the sinks, dilated by one pixel, from 1 in raster
// order; a pixel is a sink when at least minSink flows end in it. Zero elsewhere.
func sinkComponents(w, h int, sinks []int32, minSink int) []int32 {
	count := make([]uint8, len(sinks))
	for _, s := range sinks {
		if s >= 0 && count[s] < math.MaxUint8 {
			count[s]++
		}
	}
	least := uint8(min(max(minSink, 1), math.MaxUint8))
	components := make([]int32, len(sinks))
	for y := range h {
		row := count[y*w:][:w]
		for x, c := range row {
			if c < least {
				continue
			}
			for yy := max(y-1, 0); yy <= min(y+1, h-1); yy++ {
				for xx := max(x-1, 0); xx <= min(x+1, w-1); xx++ {
					components[yy*w+xx] = 1
				}
			}
		}
	}
	runs := findRuns(components, w, h, func(v int32) bool { return v != 0 }, 1)
	numbers, _ := runs.number()
	for i, r := range runs.all {
		fill(components[r.y*w+r.x0:r.y*w+r.x1], numbers[i])
	}
	return components
}

// gather replaces every sink index by the number of its component.
func (h *Host) gather(labels, components []int32) {
	const chunk = 1 << 14
	h.rows((len(labels)+chunk-1)/chunk, func(c0, c1 int) {
		part := labels[c0*chunk : min(c1*chunk, len(labels))]
		for i, s := range part {
			if s < 0 {
				part[i] = 0
			} else {
				part[i] = components[s]
			}
		}
	})
}

// dropSmall removes labels of fewer than minArea px, renumbers the rest without gaps in their order, and
// returns how many are left.
func dropSmall(labels []int32, minArea int) int {
	top := int32(0)
	for _, l := range labels {
		top = max(top, l)
	}
	area := make([]int32, top+1)
	for _, l := range labels {
		area[l]++
	}
	number, n := make([]int32, top+1), int32(0)
	for l := int32(1); l <= top; l++ {
		if int(area[l]) >= max(minArea, 1) {
			n++
			number[l] = n
		}
	}
	for i, l := range labels {
		labels[i] = number[l]
	}
	return int(n)
}

func fill(s []int32, v int32) {
	for i := range s {
		s[i] = v
	}
}
