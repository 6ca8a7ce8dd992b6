package simulate

import (
	"context"
	"math"
)

// minVisiblePx is the smallest area, px, that counts as a particle.
const minVisiblePx = 12

// found is one particle as the labels show it.
type found struct {
	area           int
	x, y           float64 // centroid; the first pixel's centre is 0.5
	x0, y0, x1, y1 int     // bounding box, exclusive end
}

// tidy makes the provisional labels of fr final: of each particle only its largest 4-connected region stays, and
// only if it has minVisiblePx; what stays is numbered 1..N without gaps. n is the highest provisional label.
func tidy(ctx context.Context, fr *Frame, n int) ([]found, error) {
	boxes := make([]found, n)
	for i := range boxes {
		boxes[i] = found{x0: math.MaxInt, y0: math.MaxInt}
	}
	for y := range fr.ImageRows {
		for x, v := range fr.Labels[y*fr.Width : (y+1)*fr.Width] {
			if v == 0 {
				continue
			}
			b := &boxes[v-1]
			b.area++
			b.x0, b.y0, b.x1, b.y1 = min(b.x0, x), min(b.y0, y), max(b.x1, x+1), max(b.y1, y+1)
		}
	}
	drop := make([][]int, n) // pixels to clear
	err := inParallel(ctx, n, func() *region { return &region{} }, func(r *region, i int) {
		if boxes[i].area > 0 {
			boxes[i], drop[i] = r.largest(fr, boxes[i], int32(i+1))
		}
	})
	if err != nil {
		return nil, err
	}
	final, kept := make([]int32, n+1), boxes[:0]
	for i, b := range boxes {
		for _, p := range drop[i] {
			fr.Labels[p] = 0
		}
		if b.area > 0 {
			kept = append(kept, b)
			final[i+1] = int32(len(kept))
		}
	}
	bands := (fr.ImageRows + bandRows - 1) / bandRows
	err = inParallel(ctx, bands, func() struct{} { return struct{}{} }, func(_ struct{}, i int) {
		part := fr.Labels[i*bandRows*fr.Width : min((i+1)*bandRows, fr.ImageRows)*fr.Width]
		for j, v := range part {
			part[j] = final[v]
		}
	})
	return kept, err
}

// region finds connected regions in a bounding box; its buffers are reused.
type region struct {
	seen  []bool
	stack []int
	best  []int
	now   []int
}

// largest returns the largest region of label within box, and the pixels of all others. A region below
// minVisiblePx is dropped too, and then the area is 0.
func (r *region) largest(fr *Frame, box found, label int32) (found, []int) {
	w, h := box.x1-box.x0, box.y1-box.y0
	if cap(r.seen) < w*h {
		r.seen = make([]bool, w*h)
	}
	r.seen = r.seen[:w*h]
	clear(r.seen)
	var drop []int
	r.best = r.best[:0]
	for i := range r.seen {
		if r.seen[i] || fr.Labels[(box.y0+i/w)*fr.Width+box.x0+i%w] != label {
			continue
		}
		r.fill(fr, box, label, i)
		if len(r.now) > len(r.best) {
			r.best, r.now = r.now, r.best
		}
		if len(r.now) > 0 {
			drop = append(drop, r.now...)
		}
	}
	if len(r.best) < minVisiblePx {
		return found{}, append(drop, r.best...)
	}
	f := found{area: len(r.best), x0: math.MaxInt, y0: math.MaxInt}
	var sx, sy int
	for _, p := range r.best {
		x, y := p%fr.Width, p/fr.Width
		sx, sy = sx+x, sy+y
		f.x0, f.y0, f.x1, f.y1 = min(f.x0, x), min(f.y0, y), max(f.x1, x+1), max(f.y1, y+1)
	}
	f.x, f.y = float64(sx)/float64(f.area)+0.5, float64(sy)/float64(f.area)+0.5
	return f, drop
}

// fill collects the region of box-relative pixel i into r.now, as indices into the frame.
func (r *region) fill(fr *Frame, box found, label int32, i int) {
	w, h := box.x1-box.x0, box.y1-box.y0
	r.now, r.stack = r.now[:0], append(r.stack[:0], i)
	r.seen[i] = true
	for len(r.stack) > 0 {
		j := r.stack[len(r.stack)-1]
		r.stack = r.stack[:len(r.stack)-1]
		x, y := j%w, j/w
		r.now = append(r.now, (box.y0+y)*fr.Width+box.x0+x)
		for _, d := range [4][2]int{{-1, 0}, {1, 0}, {0, -1}, {0, 1}} {
			u, v := x+d[0], y+d[1]
			if u < 0 || v < 0 || u >= w || v >= h || r.seen[v*w+u] {
				continue
			}
			if fr.Labels[(box.y0+v)*fr.Width+box.x0+u] == label {
				r.seen[v*w+u] = true
				r.stack = append(r.stack, v*w+u)
			}
		}
	}
}
