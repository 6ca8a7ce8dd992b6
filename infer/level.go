package infer

import (
	"cmp"
	"slices"

	"github.com/uni-aims/aimsd/cuda"
	"github.com/uni-aims/aimsd/tiling"
)

// stretch is a horizontal stretch of an object's pixels at full size: x0 inclusive, x1 exclusive.
type stretch struct{ y, x0, x1, label int32 }

// level is the objects found at one image scale, their pixels at full size.
type level struct {
	scale    float64
	place    int       // among the pool's levels
	w, h     int       // px at the scale itself
	runs     []stretch // in raster order
	rows     []int32   // row y's stretches are runs[rows[y]:rows[y+1]]
	of       []int32   // indices of runs, grouped by label
	offsets  []int32   // label l's are of[offsets[l]:offsets[l+1]]
	areas    []int32   // px by label
	finds    []cuda.Object
	sketches []sketch // by label - 1
}

// newLevel indexes the segments of a whole image scale by their stretches in a frame of width x height px.
func newLevel(scale float64, seg *cuda.Segments, looks []sketch, width, height int) *level {
	l := &level{scale: scale, w: seg.Width, h: seg.Height}
	l.add(seg, looks, seg.Height, 0, tiling.Rect{X1: width, Y1: height}, nil)
	l.index(height)
	return l
}

// add appends the segments of some rows, from row top on, of h rows that cover a rectangle of the frame: their
// stretches, without those that keep refuses.
func (l *level) add(seg *cuda.Segments, looks []sketch, h, top int, at tiling.Rect, keep func(o cuda.Object) bool) {
	number := make([]int32, len(seg.Objects)+1)
	for i, o := range seg.Objects {
		if keep == nil || keep(o) {
			l.finds, l.sketches = append(l.finds, o), append(l.sketches, looks[i])
			number[i+1] = int32(len(l.finds))
		}
	}
	l.runs = append(l.runs, enlarge(seg.Labels, seg.Width, h, top, at, number)...)
}

// append adds what was found elsewhere at the same scale.
func (l *level) append(o *level) {
	before := int32(len(l.finds))
	l.finds, l.sketches = append(l.finds, o.finds...), append(l.sketches, o.sketches...)
	for _, r := range o.runs {
		r.label += before
		l.runs = append(l.runs, r)
	}
}

// index sorts the stretches and finds the way from rows and labels to them. Where stretches of
// separately added segments overlap, the left one keeps the pixels. Labels come in the order of their first stretches,
// however they were found; those without any are dropped.
func (l *level) index(height int) {
	inOrder := func(a, b stretch) int {
		return cmp.Or(cmp.Compare(a.y, b.y), cmp.Compare(a.x0, b.x0), cmp.Compare(a.label, b.label))
	}
	if !slices.IsSortedFunc(l.runs, inOrder) {
		slices.SortFunc(l.runs, inOrder)
		kept := l.runs[:0]
		for _, r := range l.runs {
			if n := len(kept); n > 0 && kept[n-1].y == r.y {
				r.x0 = max(r.x0, kept[n-1].x1)
			}
			if r.x0 < r.x1 {
				kept = append(kept, r)
			}
		}
		l.runs = kept
	}
	l.order()
	l.areas = make([]int32, len(l.finds)+1)
	l.offsets = make([]int32, len(l.finds)+2)
	l.rows = make([]int32, height+1)
	for _, r := range l.runs {
		l.areas[r.label] += r.x1 - r.x0
		l.offsets[r.label+1]++
		l.rows[r.y+1]++
	}
	for i := 1; i < len(l.offsets); i++ {
		l.offsets[i] += l.offsets[i-1]
	}
	for i := 1; i < len(l.rows); i++ {
		l.rows[i] += l.rows[i-1]
	}
	l.of = make([]int32, len(l.runs))
	next := slices.Clone(l.offsets)
	for i, r := range l.runs {
		l.of[next[r.label]] = int32(i)
		next[r.label]++
	}
}

// order numbers the labels anew, in the order of their first stretches.
func (l *level) order() {
	number := make([]int32, len(l.finds)+1)
	finds, sketches := make([]cuda.Object, 0, len(l.finds)), make([]sketch, 0, len(l.sketches))
	for i := range l.runs {
		r := &l.runs[i]
		if number[r.label] == 0 {
			finds, sketches = append(finds, l.finds[r.label-1]), append(sketches, l.sketches[r.label-1])
			number[r.label] = int32(len(finds))
		}
		r.label = number[r.label]
	}
	l.finds, l.sketches = finds, sketches
}

// stretches calls fn for every stretch of a label, from the top down.
func (l *level) stretches(label int32, fn func(stretch)) {
	for _, i := range l.of[l.offsets[label]:l.offsets[label+1]] {
		fn(l.runs[i])
	}
}

// overlaps calls fn for every label of another level that shares pixels with a label of this one.
// counts and touched are scratch space: counts has a zero per label of the other level and is left so.
func (l *level) overlaps(label int32, other *level, counts []int32, touched []int32, fn func(other, px int32)) []int32 {
	touched = touched[:0]
	l.stretches(label, func(s stretch) {
		row := other.runs[other.rows[s.y]:other.rows[s.y+1]]
		at, _ := slices.BinarySearchFunc(row, s.x0, func(r stretch, x0 int32) int { return int(r.x1) - int(x0) - 1 })
		for ; at < len(row) && row[at].x0 < s.x1; at++ {
			r := row[at]
			shared := min(s.x1, r.x1) - max(s.x0, r.x0)
			if shared <= 0 {
				continue
			}
			if counts[r.label] == 0 {
				touched = append(touched, r.label)
			}
			counts[r.label] += shared
		}
	})
	for _, o := range touched {
		fn(o, counts[o])
		counts[o] = 0
	}
	return touched
}
