package infer

import (
	"math"
	"slices"

	"github.com/uni-aims/aimsd/tiling"
)

// outlineSigma smooths the outline of objects found at a coarse scale, in px of that scale. Without it they
// would keep its stairs, which make perimeters 15 % too long at scale 1/2.
const outlineSigma = 0.7

// enlarge brings the rows of a label image of w x h px, from row top on, to a rectangle of the frame and returns its
// stretches there in raster order, label v under number[v], without those whose number is 0. Each pixel takes the label
// with the most weight among the 3 x 3 coarse pixels around it, weighted by a Gaussian of outlineSigma; background counts
// as a label. A label image that has the rectangle's size already is taken as it is. at is where all h rows lie.
func enlarge(labels []int32, w, h, top int, at tiling.Rect, number []int32) []stretch {
	width, height := at.X1-at.X0, at.Y1-at.Y0
	e := &enlarger{labels: labels, w: w, held: len(labels) / w, top: top, number: number, at: at, plain: w == width && h == height}
	y0, y1 := top, top+e.held
	if !e.plain {
		e.cols, e.rows = phases(w, width), phases(h, height)
		e.starts = firsts(e.cols, w)
		down := firsts(e.rows, h)
		y0, y1 = int(down[top]), int(down[top+e.held])
	}
	const band = 64
	parts := make([][]stretch, (y1-y0+band-1)/band)
	bands(len(parts), func(from, to int) {
		for k := from; k < to; k++ {
			parts[k] = e.band(y0+k*band, min(y0+(k+1)*band, y1))
		}
	})
	return slices.Concat(parts...)
}

// firsts returns, for each of n coarse coordinates and for n, the first full-size one whose middle is not before it.
func firsts(full []phase, n int) []int32 {
	out := make([]int32, n+1)
	for c, x := 0, 0; c <= n; c++ {
		for x < len(full) && full[x].near[1] < c {
			x++
		}
		out[c] = int32(x)
	}
	return out
}

// enlarger is a label image on its way to a finer grid.
type enlarger struct {
	labels     []int32
	w          int // px of a coarse row
	held, top  int // coarse rows that labels has, and the first of them
	number     []int32
	at         tiling.Rect
	plain      bool // nothing changes
	cols, rows []phase
	starts     []int32 // the first full-size column whose middle is a coarse column
}

// band returns the stretches of full-size rows y0..y1-1.
func (e *enlarger) band(y0, y1 int) []stretch {
	var out []stretch
	if e.plain {
		for y := y0; y < y1; y++ {
			out = e.as(out, y, e.labels[(y-e.top)*e.w:][:e.w])
		}
		return out
	}
	var spans []span
	last := -1
	for y := y0; y < y1; y++ {
		r := &e.rows[y]
		var near [3][]int32
		for k, j := range r.near {
			near[k] = e.labels[min(max(j-e.top, 0), e.held-1)*e.w:][:e.w]
		}
		if r.near[1] != last || r.near[0] == r.near[1] || r.near[2] == r.near[1] {
			spans, last = agreement(spans[:0], &near), r.near[1]
		}
		out = e.row(out, y, &near, r, spans)
	}
	return out
}

// as appends a row of labels as it is.
func (e *enlarger) as(out []stretch, y int, row []int32) []stretch {
	for x := 0; x < len(row); {
		v, x0 := row[x], x
		for x < len(row) && row[x] == v {
			x++
		}
		out = e.append(out, y, x0, x, v)
	}
	return out
}

// append adds a stretch, to the one before where they are one.
func (e *enlarger) append(out []stretch, y, x0, x1 int, label int32) []stretch {
	n := e.number[label]
	if n == 0 || x0 == x1 {
		return out
	}
	s := stretch{int32(y + e.at.Y0), int32(x0 + e.at.X0), int32(x1 + e.at.X0), n}
	if k := len(out) - 1; k >= 0 && out[k].y == s.y && out[k].x1 == s.x0 && out[k].label == n {
		out[k].x1 = s.x1
		return out
	}
	return append(out, s)
}

// span is the coarse columns from the end of the one before to x1: all labels around them are one, or not.
type span struct {
	x1    int
	label int32 // mixed: not one
}

const mixed = -1

// agreement appends the spans of three coarse rows.
func agreement(spans []span, near *[3][]int32) []span {
	a, b, c := near[0], near[1], near[2]
	one := func(x int) int32 { // the label of a column
		if v := b[x]; a[x] == v && c[x] == v {
			return v
		}
		return mixed
	}
	left, here := one(0), one(0)
	for x := range b {
		right := here
		if x+1 < len(b) {
			right = one(x + 1)
		}
		v := here
		if left != here || right != here {
			v = mixed
		}
		if k := len(spans) - 1; k >= 0 && spans[k].label == v {
			spans[k].x1 = x + 1
		} else {
			spans = append(spans, span{x + 1, v})
		}
		left, here = here, right
	}
	return spans
}

// row appends the stretches of a full-size row.
func (e *enlarger) row(out []stretch, y int, near *[3][]int32, r *phase, spans []span) []stretch {
	var b ballot
	if len(e.cols) < e.w { // smaller than it was: no coarse column is a stretch of full-size ones
		for x := range e.cols {
			b.collect(near, &e.cols[x].near)
			out = e.append(out, y, x, x+1, b.vote(r, &e.cols[x]))
		}
		return out
	}
	from := 0
	for _, s := range spans {
		if s.label != mixed {
			out = e.append(out, y, int(e.starts[from]), int(e.starts[s.x1]), s.label)
			from = s.x1
			continue
		}
		for ; from < s.x1; from++ {
			x0, x1 := int(e.starts[from]), int(e.starts[from+1])
			if x0 < x1 {
				b.collect(near, &e.cols[x0].near)
			}
			for x := x0; x < x1; {
				from, v := x, b.vote(r, &e.cols[x])
				for x++; x < x1 && b.vote(r, &e.cols[x]) == v; x++ {
				}
				out = e.append(out, y, from, x, v)
			}
		}
	}
	return out
}

// phase is where a full-size coordinate lies among coarse ones.
type phase struct {
	near [3]int     // coarse coordinates around it, clamped to the image
	sum  [8]float32 // weights of those whose bits are set in the index
}

// phases returns the phase of each of size full-size coordinates over n coarse ones.
func phases(n, size int) []phase {
	out := make([]phase, size)
	for i := range out {
		at := (float64(i)+0.5)*float64(n)/float64(size) - 0.5
		middle := int(math.Floor(at + 0.5))
		for k := range 3 {
			d := float64(middle+k-1) - at
			out[i].near[k] = min(max(middle+k-1, 0), n-1)
			weight := float32(math.Exp(-d * d / (2 * outlineSigma * outlineSigma)))
			for set := range out[i].sum {
				if set>>k&1 != 0 {
					out[i].sum[set] += weight
				}
			}
		}
	}
	return out
}

// ballot is the labels of 3 x 3 coarse pixels. It serves every full-size pixel with the same middle.
type ballot struct {
	n      int
	labels [9]int32
	rows   [9][3]uint8 // by label: which columns of a row have it, as bits
}

// collect takes the ballot of three rows at three columns.
func (b *ballot) collect(near *[3][]int32, cols *[3]int) {
	b.n = 0
	for j, row := range near {
		for k, x := range cols {
			l, i := row[x], 0
			for i < b.n && b.labels[i] != l {
				i++
			}
			if i == b.n {
				b.labels[i], b.rows[i] = l, [3]uint8{}
				b.n++
			}
			b.rows[i][j] |= 1 << k
		}
	}
}

// vote returns the label with the most weight.
func (b *ballot) vote(r, c *phase) int32 {
	if b.n == 2 { // nearly always
		if first := b.weight(0, r, c); r.sum[7]*c.sum[7]-first > first {
			return b.labels[1]
		}
		return b.labels[0]
	}
	best, most := 0, float32(-1)
	for i := range b.n {
		if weight := b.weight(i, r, c); weight > most {
			best, most = i, weight
		}
	}
	return b.labels[best]
}

func (b *ballot) weight(i int, r, c *phase) float32 {
	rows := &b.rows[i]
	return r.sum[1]*c.sum[rows[0]&7] + r.sum[2]*c.sum[rows[1]&7] + r.sum[4]*c.sum[rows[2]&7]
}
