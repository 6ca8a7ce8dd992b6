package metrics

import (
	"cmp"
	"math"
	"slices"
)

// corner is a pixel corner; pixel (x, y) has the corners x..x+1, y..y+1.
type corner struct{ x, y int }

func cross(o, a, b corner) int { return (a.x-o.x)*(b.y-o.y) - (a.y-o.y)*(b.x-o.x) }

// cornerHull appends to dst the convex hull of the pixel corners of spans, clockwise as seen, without
// collinear points. It needs only each row's ends, and integers keep it exact.
func cornerHull(dst []corner, spans []span) []corner {
	dst = dst[:0]
	// Down the right side, then up the left side.
	eachLine(spans, func(_, right corner) {
		for n := len(dst); n > 1 && cross(dst[n-2], dst[n-1], right) <= 0; n-- {
			dst = dst[:n-1]
		}
		dst = append(dst, right)
	})
	base := len(dst)
	eachLine(spans, func(left, _ corner) {
		for n := len(dst); n > base+1 && cross(dst[n-2], dst[n-1], left) >= 0; n-- {
			dst = dst[:n-1]
		}
		dst = append(dst, left)
	})
	slices.Reverse(dst[base:])
	return dst
}

// eachLine calls f with the outermost corners on every horizontal grid line, from top to bottom.
func eachLine(spans []span, f func(left, right corner)) {
	var line, x0, x1 int
	for i := 0; i < len(spans); {
		y, l := int(spans[i].y), int(spans[i].x0)
		for i++; i < len(spans) && int(spans[i].y) == y; i++ {
		}
		r := int(spans[i-1].x1)
		if x1 > 0 && line == y {
			f(corner{min(x0, l), y}, corner{max(x1, r), y})
		} else {
			if x1 > 0 {
				f(corner{x0, line}, corner{x1, line})
			}
			f(corner{l, y}, corner{r, y})
		}
		line, x0, x1 = y+1, l, r
	}
	f(corner{x0, line}, corner{x1, line})
}

// calipers returns the largest and smallest Feret diameter and the area of a clockwise convex polygon.
func calipers(h []corner) (feretMax, feretMin, area float64) {
	n := len(h)
	widest, narrowest, twice := 0, math.Inf(1), 0
	reach := func(a, b corner) {
		dx, dy := a.x-b.x, a.y-b.y
		widest = max(widest, dx*dx+dy*dy)
	}
	next := func(i int) int {
		if i++; i == n {
			return 0
		}
		return i
	}
	far := 1
	for i := range n {
		a, b := h[i], h[next(i)]
		twice += a.x*b.y - a.y*b.x
		// The farthest corner from side ab, and the next too when its side is parallel to ab.
		for cross(a, b, h[next(far)]) > cross(a, b, h[far]) {
			far = next(far)
		}
		reach(a, h[far])
		reach(b, h[far])
		if p := h[next(far)]; cross(a, b, p) == cross(a, b, h[far]) {
			reach(a, p)
			reach(b, p)
		}
		side := math.Sqrt(float64((b.x-a.x)*(b.x-a.x) + (b.y-a.y)*(b.y-a.y)))
		narrowest = min(narrowest, float64(cross(a, b, h[far]))/side)
	}
	return math.Sqrt(float64(widest)), narrowest, float64(twice) / 2
}

// hullBuffer collects points and keeps only what their convex hull needs, so that a contour of any
// length takes bounded memory.
type hullBuffer struct {
	pts, chain []point
	core       [4]point // the hull's extremes after the first reduction: points inside them are dropped
	cored      bool
}

type point struct{ x, y float64 }

func (p point) distance(q point) float64 { return math.Sqrt((p.x-q.x)*(p.x-q.x) + (p.y-q.y)*(p.y-q.y)) }

const hullBufferLen = 4096

func (b *hullBuffer) reset() { b.pts, b.cored = b.pts[:0], false }

func (b *hullBuffer) add(p point) {
	if b.cored && b.covers(p) {
		return
	}
	b.pts = append(b.pts, p)
	if len(b.pts) == hullBufferLen {
		b.reduce()
		// The chain starts at the leftmost point and turns by way of the top, as y points down.
		least := func(less func(p, q point) int) point { return slices.MinFunc(b.pts, less) }
		b.core = [4]point{
			b.pts[0],
			least(func(p, q point) int { return cmp.Compare(p.y, q.y) }),
			least(func(p, q point) int { return cmp.Compare(q.x, p.x) }),
			least(func(p, q point) int { return cmp.Compare(q.y, p.y) }),
		}
		b.cored = true
	}
}

// covers reports whether p lies strictly inside the core.
func (b *hullBuffer) covers(p point) bool {
	for i, o := range b.core {
		a := b.core[(i+1)&3]
		if (a.x-o.x)*(p.y-o.y)-(a.y-o.y)*(p.x-o.x) <= 0 {
			return false
		}
	}
	return true
}

// reduce replaces the points by their convex hull (Andrew's monotone chain).
func (b *hullBuffer) reduce() {
	slices.SortFunc(b.pts, func(p, q point) int {
		if c := cmp.Compare(p.x, q.x); c != 0 {
			return c
		}
		return cmp.Compare(p.y, q.y)
	})
	b.chain = b.chain[:0]
	push := func(p point, base int) {
		for n := len(b.chain); n > base+1; n-- {
			o, a := b.chain[n-2], b.chain[n-1]
			if (a.x-o.x)*(p.y-o.y)-(a.y-o.y)*(p.x-o.x) > 0 {
				break
			}
			b.chain = b.chain[:n-1]
		}
		b.chain = append(b.chain, p)
	}
	for _, p := range b.pts {
		push(p, 0)
	}
	base := len(b.chain) - 1
	for _, p := range slices.Backward(b.pts[:len(b.pts)-1]) {
		push(p, base)
	}
	if len(b.chain) > 1 {
		b.chain = b.chain[:len(b.chain)-1] // the first point again
	}
	b.pts, b.chain = b.chain, b.pts
}

func (b *hullBuffer) perimeter() (length float64) {
	b.reduce()
	for i, p := range b.pts {
		q := b.pts[(i+1)%len(b.pts)]
		length += p.distance(q)
	}
	return length
}
