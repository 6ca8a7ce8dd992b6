package scalebar

import "math"

// endMarks looks for upright strokes at both ends of a bar whose ends are measured and whose long sides are y0
// and y1. With them the length runs from stroke centre to stroke centre; the strokes of a frame are its border, so
// there the outer edges stay.
func (m Image) endMarks(b *Bar, y0, y1 float64) {
	th := y1 - y0
	if th > 0.25*b.span() {
		return
	}
	r0, r1 := coreRows(y0, y1, m.Height)
	inner := int(b.span() / 8)
	v, _ := m.columnMeans(int(b.X0)+inner/2, int(b.X0)+inner/2+max(3, inner), r0, r1)
	level := median(v)
	for _, dir := range []int{-1, 1} {
		near := int(math.Floor(y0 - 1.5))
		if dir > 0 {
			near = int(math.Ceil(y1 + 1.5))
		}
		band := int(min(max(3, th), 6))
		a, z := near, near+band
		if dir < 0 {
			a, z = near-band, near
		}
		width := max(2*th, 5) + 2
		l, okL := m.stroke(b.X0, 1, a, z, level, width)
		r, okR := m.stroke(b.X1, -1, a, z, level, width)
		if !okL || !okR {
			continue
		}
		if m.framed(b, a, dir, level) {
			b.Style = StyleFrame
			return
		}
		if b.Style == StyleSolid { // a bar that its label interrupts is drawn from outer edge to outer edge
			b.X0, b.X1, b.Style = l, r, StyleCaps
		}
		return
	}
}

// span is the distance between the ends as they stand.
func (b *Bar) span() float64 { return b.X1 - b.X0 }

// stroke is the centre of a narrow upright stroke of the grey given in rows r0..r1-1, whose outer edge is at x.
// inward points to the bar's middle.
func (m Image) stroke(x float64, inward, r0, r1 int, level, width float64) (float64, bool) {
	if r0 < 0 || r1 > m.Height {
		return 0, false
	}
	reach := int(width) + 5
	v, first := m.columnMeans(int(x)-reach, int(x)+reach+1, r0, r1)
	if len(v) < 2*reach {
		return 0, false
	}
	inside, outside := v[len(v)-3:], v[:3]
	if inward < 0 {
		inside, outside = outside, inside
	}
	back := (median(inside) + median(outside)) / 2
	half := (level + back) / 2
	if math.Abs(level-back) < 12 {
		return 0, false
	}
	on := func(k int) bool { return (v[k] > half) == (level > back) }
	cross := func(k int) float64 { return float64(first+k-1) + 0.5 + (v[k-1]-half)/(v[k-1]-v[k]) }
	for k := 1; k < len(v); k++ {
		if !on(k) || on(k-1) {
			continue
		}
		end := k
		for end < len(v) && on(end) {
			end++
		}
		if end == len(v) {
			break
		}
		a, z := cross(k), cross(end)
		outer := a
		if inward < 0 {
			outer = z
		}
		if math.Abs(outer-x) <= 1.6 && z-a <= width {
			return (a + z) / 2, true
		}
		k = end
	}
	return 0, false
}

// framed tells whether the strokes at the ends lead to a line as long as the bar, in the direction given.
func (m Image) framed(b *Bar, from, dir int, level float64) bool {
	inner := b.span() / 10
	for k := range 30 {
		y := from + dir*k
		v, _ := m.columnMeans(int(b.X0+inner), int(b.X1-inner), y, y+1)
		if len(v) == 0 {
			return false
		}
		back, _ := m.columnMeans(int(b.X0)-6, int(b.X0)-2, y, y+1)
		if len(back) == 0 {
			return false
		}
		out := median(back)
		n := 0
		for _, x := range v {
			if math.Abs(x-level) < 0.5*math.Abs(level-out) {
				n++
			}
		}
		if 10*n >= 9*len(v) {
			return true
		}
		if k > 2 { // still between the strokes?
			if _, ok := m.stroke(b.X0, 1, y, y+1, level, 12); !ok {
				return false
			}
		}
	}
	return false
}
