package scalebar

import (
	"math"
	"slices"
)

// box is a range of pixels, x1 and y1 exclusive.
type box struct{ x0, y0, x1, y1 int }

func (b box) w() int { return b.x1 - b.x0 }
func (b box) h() int { return b.y1 - b.y0 }

func (b box) union(o box) box {
	return box{min(b.x0, o.x0), min(b.y0, o.y0), max(b.x1, o.x1), max(b.y1, o.y1)}
}

// textLine is a group of glyphs: where it is, the digits' top and the baseline, the glyphs' polarity.
type textLine struct {
	box
	top, base float64
	bright    bool
	glyphs    int
}

func (l textLine) size() float64 { return l.base - l.top }

// Text sizes searched, px of the plane: height of the digits.
const (
	minGlyphPx = 5
	minLowerPx = 4 // of letters without ascenders
	maxGlyphPx = 110
	minDotPx   = 2
)

// maskKinds are the ways to tell text from ground, the likeliest first: thresholds between the ground's and the
// bar's grey level, then the one that splits the window's grey levels best, with text like the bar and unlike it,
// then between the ground and what differs from it most on the other side than the bar, then what is thin.
const maskKinds = 7

// findLines groups what is darker or brighter than a threshold within win into lines of text. Pixels of hide
// count as background. Near-identical lines are kept once.
func (p *plane) findLines(win box, hide []box, level, back float64, kind int) []textLine {
	win = box{max(win.x0, 0), max(win.y0, 0), min(win.x1, p.w), min(win.y1, p.h)}
	if win.w() < 8 || win.h() < 6 {
		return nil
	}
	bright := level > back
	var threshold float64
	switch kind {
	case 0, 1, 2:
		threshold = back + []float64{0.6, 0.85, 0.4}[kind]*(level-back)
	case 3:
		threshold = p.otsu(win)
	case 4:
		threshold, bright = p.otsu(win), !bright
	case 5:
		other := p.extreme(win, !bright)
		if math.Abs(other-back) < minOtherInk {
			return nil
		}
		threshold, bright = (other+back)/2, !bright
	default:
		return p.thinLines(win, hide, bright)
	}
	threshold = math.Round(threshold)
	if threshold <= 0 || threshold >= 255 {
		return nil
	}
	return p.chain(win, p.glyphs(win, hide, uint8(threshold), bright), bright)
}

// thinLines finds text on ground as bright as the text, where no one threshold tells them apart.
func (p *plane) thinLines(win box, hide []box, bright bool) []textLine {
	t := p.topHat(win, bright, min(max(p.w/110, 4), 14))
	inner := box{0, 0, t.w, t.h}
	threshold := math.Round(max(t.otsu(inner), 10))
	hide = slices.Clone(hide)
	for k, b := range hide {
		hide[k] = box{b.x0 - win.x0, b.y0 - win.y0, b.x1 - win.x0, b.y1 - win.y0}
	}
	glyphs := t.glyphs(inner, hide, uint8(min(threshold, 254)), true)
	for k, g := range glyphs {
		glyphs[k] = box{g.x0 + win.x0, g.y0 + win.y0, g.x1 + win.x0, g.y1 + win.y0}
	}
	return p.chain(win, glyphs, bright)
}

// chain makes lines of glyphs, at several widths of the gap between words.
func (p *plane) chain(win box, glyphs []box, bright bool) []textLine {
	var out []textLine
	for _, gap := range []float64{0.5, 0.7, 0.95, 1.5} {
		for _, l := range group(glyphs, gap) {
			if l.x0 == win.x0 && win.x0 > 0 || l.x1 == win.x1 && win.x1 < p.w || l.y0 == win.y0 && win.y0 > 0 || l.y1 == win.y1 && win.y1 < p.h {
				continue // cut by the window
			}
			l.bright = bright
			out = appendLine(out, l)
		}
	}
	return out
}

func appendLine(out []textLine, l textLine) []textLine {
	if l.among(out, 0.12) {
		return out
	}
	return append(out, l)
}

// among tells whether a line is one of those known, within tol of the digits' height.
func (l textLine) among(known []textLine, tol float64) bool {
	tol *= l.size()
	for _, k := range known {
		if k.bright == l.bright && math.Abs(k.top-l.top) <= tol && math.Abs(k.base-l.base) <= tol &&
			math.Abs(float64(k.x0-l.x0)) <= 2*tol && math.Abs(float64(k.x1-l.x1)) <= 2*tol {
			return true
		}
	}
	return false
}

// minOtherInk is how far text that is unlike the bar must be from the ground, grey levels.
const minOtherInk = 25

// extreme is the level of the window's brightest or darkest pixels, one in a hundred.
func (p *plane) extreme(win box, bright bool) float64 {
	var hist [256]int
	for y := win.y0; y < win.y1; y++ {
		for _, v := range p.row(y)[win.x0:win.x1] {
			hist[v]++
		}
	}
	n := 0
	for k := range hist {
		v := k
		if bright {
			v = 255 - k
		}
		if n += hist[v]; 100*n >= win.w()*win.h() {
			return float64(v)
		}
	}
	return 0
}

// otsu is the threshold that separates the window's grey levels best.
func (p *plane) otsu(win box) float64 {
	var hist [256]int
	for y := win.y0; y < win.y1; y++ {
		for _, v := range p.row(y)[win.x0:win.x1] {
			hist[v]++
		}
	}
	n := float64(win.w() * win.h())
	var total float64
	for v, k := range hist {
		total += float64(v * k)
	}
	var n0, s0, best, at float64
	for v, k := range hist {
		n0 += float64(k)
		s0 += float64(v * k)
		if n0 == 0 || n0 == n {
			continue
		}
		d := s0/n0 - (total-s0)/(n-n0)
		if between := n0 * (n - n0) * d * d; between > best {
			best, at = between, float64(v)
		}
	}
	return at + 0.5
}

// maxGlyphs bounds the marks of one window: with more it is texture.
const maxGlyphs = 1200

// glyphs are the boxes of the 8-connected components of the mask that may be characters.
func (p *plane) glyphs(win box, hide []box, threshold uint8, bright bool) []box {
	w, h := win.w(), win.h()
	pw := w + 2 // a frame of background spares the bounds checks
	mask := make([]uint8, pw*(h+2))
	for y := range h {
		src := p.row(win.y0 + y)[win.x0:win.x1]
		dst := mask[(y+1)*pw+1:][:w]
		for x, v := range src {
			if (v >= threshold) == bright {
				dst[x] = 1
			}
		}
		for _, k := range hide {
			if a, b := max(k.x0-win.x0, 0), min(k.x1-win.x0, w); b > a && win.y0+y >= k.y0 && win.y0+y < k.y1 {
				clear(dst[a:b])
			}
		}
	}
	var out []box
	type stretch struct{ x0, x1, y int } // of set pixels in one row
	var stack []stretch
	take := func(x, y int) { // takes the stretch that holds a set pixel out of the mask
		row := mask[y*pw : (y+1)*pw]
		x0, x1 := x, x
		for row[x0-1] != 0 {
			x0--
		}
		for row[x1] != 0 {
			x1++
		}
		clear(row[x0:x1])
		stack = append(stack, stretch{x0, x1, y})
	}
	for at, m := range mask {
		if m == 0 {
			continue
		}
		b := box{pw, h + 2, 0, 0}
		n := 0
		stack = stack[:0]
		take(at%pw, at/pw)
		for len(stack) > 0 {
			s := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			b = b.union(box{s.x0, s.y, s.x1, s.y + 1})
			n += s.x1 - s.x0
			for _, y := range [2]int{s.y - 1, s.y + 1} {
				row := mask[y*pw : (y+1)*pw]
				for x := s.x0 - 1; x <= s.x1; x++ {
					if row[x] != 0 {
						take(x, y)
					}
				}
			}
		}
		if b.h() < minDotPx || b.h() > maxGlyphPx || b.w() > 9*b.h() || b.w() > 6*maxGlyphPx ||
			2*b.w() > 3*b.h() && 10*n < 3*b.w()*b.h() { // the last: a line with end marks
			continue
		}
		if out = append(out, box{b.x0 - 1 + win.x0, b.y0 - 1 + win.y0, b.x1 - 1 + win.x0, b.y1 - 1 + win.y0}); len(out) == maxGlyphs {
			break
		}
	}
	return out
}
