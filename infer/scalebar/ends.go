package scalebar

import "math"

// measureBar finds a candidate's ends in the image at full resolution. f is the factor between the candidate's
// plane and the image.
func (m Image) measureBar(c candidate, f int) *Bar {
	k := float64(f)
	x0, x1, y0, y1 := c.x0*k, c.x1*k, c.y0*k, c.y1*k
	if c.style != StyleTicks {
		r0, r1 := coreRows(y0, y1, m.Height)
		reach := int(8*k + 4)
		in0, in1 := x1, x0 // the part used for the bar's own level
		if c.style == StyleSplit {
			in0, in1 = c.gap0*k, c.gap1*k
		}
		x0 = m.end(x0, in0, -1, r0, r1, reach)
		x1 = m.end(x1, in1, 1, r0, r1, reach)
	}
	mid := (y0 + y1) / 2
	b := &Bar{X0: x0, Y0: mid, X1: x1, Y1: mid, Style: c.style, Box: Rect{x0, y0, x1, y1}}
	if c.style != StyleTicks {
		m.endMarks(b, y0, y1)
	}
	b.LengthPx = b.X1 - b.X0
	return b
}

// coreRows are the rows of a bar that the blur of its long sides does not touch.
func coreRows(y0, y1 float64, h int) (int, int) {
	th := y1 - y0
	cut := min(th*0.25, 3)
	r0, r1 := int(math.Ceil(y0+cut-0.01)), int(math.Floor(y1-cut+0.01))
	if th < 3.5 || r1 <= r0 {
		r0 = int((y0 + y1) / 2)
		r1 = r0 + 1
	}
	return max(r0, 0), min(r1, h)
}

// end refines the end near x to where the profile along the bar crosses half way between the bar's level and
// that of what is outside. far is the other limit of the bar's own stretch.
func (m Image) end(x, far float64, dir, r0, r1, reach int) float64 {
	in := int(math.Min(math.Abs(far-x), float64(4*reach)))
	at := int(math.Round(x))
	a, b := at-in, at+reach
	if dir < 0 {
		a, b = at-reach, at+in
	}
	v, first := m.columnMeans(a, b, r0, r1)
	n := len(v)
	if n < 4 {
		return x
	}
	// Make the outside lie to the right.
	if dir < 0 {
		for i, j := 0, n-1; i < j; i, j = i+1, j-1 {
			v[i], v[j] = v[j], v[i]
		}
		at = first + n - at // edges counted from the mirrored start
	} else {
		at -= first
	}
	level := median(v[:max(1, at-2)])
	outA, outB := min(at+2, n-1), min(at+2+max(2, reach/2), n)
	back := median(v[outA:outB])
	// An outline right outside is what the bar ends at, not the ground beyond it.
	ground := back
	for _, u := range v[min(at, n-1):min(at+5, n)] {
		if d := math.Abs(u - level); (u-level)*(ground-level) > 0 && d > 1.2*math.Abs(ground-level) && d > math.Abs(back-level) {
			back = u
		}
	}
	if level == back {
		return x
	}
	half := (level + back) / 2
	// The crossing nearest to the first guess.
	best, dist := math.NaN(), math.Inf(1)
	for i := 1; i < n; i++ {
		if (v[i-1]-half)*(level-back) > 0 && (v[i]-half)*(level-back) <= 0 {
			cross := float64(i-1) + 0.5 + (v[i-1]-half)/(v[i-1]-v[i])
			if d := math.Abs(cross - float64(at)); d < dist {
				best, dist = cross, d
			}
		}
	}
	if !(dist <= float64(reach)/2+1) {
		return x
	}
	if dir < 0 {
		return float64(first+n) - best
	}
	return float64(first) + best
}
