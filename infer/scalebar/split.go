package scalebar

import "math"

// across completes a line that its label interrupts: c is one side, and the other, as long as it, goes on behind
// the label in the same rows. cut: the other goes on to the image's border, so that nobody knows how long it is.
func (p *plane) across(c *candidate, l textLine) (whole candidate, ok, cut bool) {
	h := l.size()
	if c.y1-c.y0 > 0.5*h || math.Abs((l.top+l.base)/2-(c.y0+c.y1)/2) > 0.35*h {
		return candidate{}, false, false
	}
	dir, gap := 1, float64(l.x0)-c.x1
	if float64(l.x1) <= c.x0+2 {
		dir, gap = -1, c.x0-float64(l.x1)
	}
	if gap < -2 || gap > 3*h {
		return candidate{}, false, false
	}
	r0, r1 := coreRows(c.y0, c.y1, p.h)
	if r1 <= r0 {
		return candidate{}, false, false
	}
	prof := p.profile(r0, r1, 0, p.w)
	// The label's far side, then the margin that it keeps on this one.
	from := float64(l.x1) + gap
	if dir < 0 {
		from = float64(l.x0) - gap
	}
	for _, slack := range []float64{0.5, 0.25, 1, -0.25} {
		at := int(from + float64(dir)*slack*h)
		if at < 0 || at >= len(prof) {
			continue
		}
		if half := (c.level + c.back) / 2; (prof[at] > half) != (c.level > c.back) {
			continue
		}
		last, ends := walk(prof, at, dir, c.level, c.back)
		other := math.Abs(float64(last)+0.5-from) + 0.5
		if !ends && other > max(1.5*h, 0.2*c.length()) && other < 1.15*c.length() && gap < 1.5*h {
			cut = true
			continue
		}
		if !ends || math.Abs(other-c.length()) > 0.15*c.length()+0.5*h {
			continue
		}
		whole := *c
		whole.style = StyleSplit
		if dir > 0 {
			whole.x1, whole.gap0, whole.gap1 = float64(last+1), c.x1, from
		} else {
			whole.x0, whole.gap0, whole.gap1 = float64(last), from, c.x0
		}
		whole.quality = min(1, whole.quality+0.1)
		return whole, true, false
	}
	return candidate{}, false, cut
}
