package scalebar

import (
	"cmp"
	"math"
	"slices"
)

// candidate is a horizontal bar, in px of the plane it was found in.
type candidate struct {
	x0, x1, y0, y1 float64 // edges
	level, back    float64 // grey of the bar and of what is around it
	quality        float64 // 0..1: flat inside, sharp against both sides, sharp ends
	style          Style
	gap0, gap1     float64 // the part that a label interrupts, of StyleSplit
}

func (c *candidate) length() float64 { return c.x1 - c.x0 }
func (c *candidate) bright() bool    { return c.level > c.back }

const maxCandidates = 24

// findBars pairs boundaries of opposite sign and equal extent, and keeps what looks like a drawn bar.
func findBars(p *plane) []candidate {
	out := append(p.pairs(findEdges(p, clearStep)), p.pairs(findEdges(p, faintStep))...)
	slices.SortStableFunc(out, func(a, b candidate) int { return cmp.Compare(b.quality, a.quality) })
	return distinct(out)
}

// pairs examines boundaries of opposite sign that lie above one another.
func (p *plane) pairs(edges []edge) []candidate {
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Or(cmp.Compare(a.y, b.y), cmp.Compare(a.x0, b.x0)) })
	var out []candidate
	for i, a := range edges {
		pairs := 0
		n := a.x1 - a.x0
		for _, b := range edges[i+1:] {
			th := b.y - a.y
			if th > maxThick || th > 0.7*float64(n) || pairs > 3 {
				break
			}
			if b.sign == a.sign || overlap(a.x0, a.x1, b.x0, b.x1) < 0.6 {
				continue
			}
			pairs++
			if c, ok := p.examine(a, b); ok {
				out = append(out, c)
			}
		}
		// A bar that the lower border of the image cuts.
		if float64(p.h)-a.y < 24 && pairs == 0 {
			if c, ok := p.examine(a, edge{float64(p.h), a.x0, a.x1, -a.sign, a.strength}); ok {
				if c.quality *= 0.8; !p.plated(&c) {
					out = append(out, c)
				}
			}
		}
	}
	return out
}

// examine measures the rectangle between two boundaries.
func (p *plane) examine(a, b edge) (candidate, bool) {
	top, bottom := a.y, b.y
	r0, r1 := int(math.Ceil(top-0.01)), int(math.Floor(bottom+0.01))
	if th := bottom - top; th >= 5 { // away from the blur
		r0, r1 = int(math.Ceil(top+th*0.25)), int(math.Floor(bottom-th*0.25))
	} else if r1-r0 >= 3 {
		r0, r1 = r0+1, r1-1
	}
	if r1 <= r0 {
		r0 = int((top + bottom) / 2)
		r1 = r0 + 1
	}
	r0, r1 = max(r0, 0), min(r1, p.h)
	if r1 <= r0 {
		return candidate{}, false
	}
	s0, s1 := max(a.x0, b.x0), min(a.x1, b.x1)
	lo, hi := max(0, 2*s0-s1-64), min(p.w, 2*s1-s0+64)
	prof := p.profile(r0, r1, lo, hi)
	level := median(prof[s0-lo : s1-lo])
	up := p.outside(s0, s1, int(math.Floor(top))-2, -1)
	down := p.outside(s0, s1, int(math.Ceil(bottom))+1, 1)
	back := (up + down) / 2
	if math.IsNaN(up) || math.IsNaN(down) {
		back = up
		if math.IsNaN(up) {
			back = down
		}
	}
	sign := float64(a.sign)
	contrast := sign * (level - back)
	if !(contrast >= 12) {
		return candidate{}, false
	}
	c := candidate{y0: top, y1: bottom, level: level, back: back, style: StyleSolid}
	l, okL := walk(prof, s0-lo+(s1-s0)/4, -1, level, back)
	r, okR := walk(prof, s1-lo-(s1-s0)/4-1, 1, level, back)
	if l <= r {
		l, r = tighten(prof, l, r, s0-lo+(s1-s0)/4, s1-lo-(s1-s0)/4-1, level)
	}
	dev := 0.0
	for _, v := range prof[l : r+1] {
		dev += min(math.Abs(v-level)/contrast, 1)
	}
	l, r = l+lo, r+lo
	if r-l+1 < p.minBar || overlap(l, r+1, s0, s1) < 0.5 {
		return candidate{}, false
	}
	c.x0, c.x1 = float64(l), float64(r+1)
	flat := 1 - 3*dev/float64(r+1-l)
	if flat <= 0 || c.y1-c.y0 > 0.7*c.length() {
		return candidate{}, false
	}
	sharp := min(1, contrast/80)
	ends := 1.0
	if !okL {
		ends -= 0.4
	}
	if !okR {
		ends -= 0.4
	}
	support := overlap(a.x0, a.x1, l, r+1) * overlap(b.x0, b.x1, l, r+1)
	slim := 1.0
	if k := c.length() / (c.y1 - c.y0); k < 4 {
		slim = k / 4
	}
	c.quality = flat * (0.4 + 0.6*sharp) * ends * (0.3 + 0.7*support) * slim
	return c, true
}

// Plates: how many rows above a bar are looked at, and the step in grey levels at either end that shows one.
const (
	plateRows = 8
	plateStep = 40
)

// plated tells whether what is above a candidate ends where it ends: it is the lower edge of the plate that a label
// stands on.
func (p *plane) plated(c *candidate) bool {
	y1 := int(c.y0) - 2
	y0 := y1 - plateRows
	step := func(in, out int) float64 {
		if y0 < 0 || min(in, out) < 0 || max(in, out)+6 > p.w {
			return 0
		}
		return median(p.profile(y0, y1, in, in+6)) - median(p.profile(y0, y1, out, out+6))
	}
	l, r := step(int(c.x0)+4, int(c.x0)-10), step(int(c.x1)-10, int(c.x1)+4)
	return math.Abs(l) > plateStep || math.Abs(r) > plateStep
}

// profile is the mean of rows r0..r1-1 over columns x0..x1-1, column by column.
func (p *plane) profile(r0, r1, x0, x1 int) []float64 {
	out := make([]float64, x1-x0)
	for y := r0; y < r1; y++ {
		for x, v := range p.row(y)[x0:x1] {
			out[x] += float64(v)
		}
	}
	for x := range out {
		out[x] /= float64(r1 - r0)
	}
	return out
}

// outside is the median of up to three rows from y on, in the direction given; NaN beyond the image.
func (p *plane) outside(x0, x1, y, dir int) float64 {
	var hist [256]int
	n := 0
	for range 3 {
		if y >= 0 && y < p.h {
			for _, v := range p.row(y)[x0:x1] {
				hist[v]++
				n++
			}
		}
		y += dir
	}
	if n == 0 {
		return math.NaN()
	}
	at := 0
	for v, k := range hist {
		if at += k; 2*at >= n {
			return float64(v)
		}
	}
	return 255
}

// walk goes from column x in the direction given to the last column on the bar's side of half contrast; ok is
// false at the border of the image. Interruptions of up to two columns are stepped over.
func walk(prof []float64, x, dir int, level, back float64) (last int, ok bool) {
	half := (level + back) / 2
	in := func(v float64) bool { return (v > half) == (level > back) }
	last = x
	for miss := 0; x >= 0 && x < len(prof); x += dir {
		if in(prof[x]) {
			last, miss = x, 0
		} else if miss++; miss > 2 {
			return last, true
		}
	}
	return last, false
}

// tighten moves the ends l and r inwards to where the profile leaves the bar's own grey level for good, if that is
// well before the ends: the ground beyond may be nearly as bright as the bar. The walk starts at columns a and b.
func tighten(prof []float64, l, r, a, b int, level float64) (int, int) {
	off := make([]float64, 0, r-l+1)
	for _, v := range prof[l : r+1] {
		off = append(off, math.Abs(v-level))
	}
	tol := max(8, 5*median(off))
	inwards := func(from, to, dir int) int {
		last, miss := from, 0
		for x := from; x != to+dir; x += dir {
			if math.Abs(prof[x]-level) <= tol {
				last, miss = x, 0
			} else if miss++; miss > 3 {
				break
			}
		}
		if math.Abs(float64(to-last)) <= 4 {
			return to
		}
		return last + dir
	}
	if a >= l && a <= r {
		l = inwards(a, l, -1)
	}
	if b >= l && b <= r {
		r = inwards(b, r, 1)
	}
	return l, r
}

// distinct drops what lies on a better candidate, and all beyond maxCandidates.
func distinct(in []candidate) []candidate {
	var out []candidate
	for _, c := range in {
		if !slices.ContainsFunc(out, func(k candidate) bool {
			return k.bright() == c.bright() && c.y0 < k.y1 && k.y0 < c.y1 && overlap(int(c.x0), int(c.x1), int(k.x0), int(k.x1)) > 0.6
		}) {
			out = append(out, c)
		}
		if len(out) == maxCandidates {
			break
		}
	}
	return out
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	s := slices.Clone(v)
	slices.Sort(s)
	return s[len(s)/2]
}
