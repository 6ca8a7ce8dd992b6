package scalebar

import (
	"cmp"
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
	maxGlyphPx = 110
	minDotPx   = 2
)

// maskKinds are the ways to tell text from ground, the likeliest first: thresholds between the ground's and the
// bar's grey level, then the one that splits the window's grey levels best, with text like the bar and unlike it.
const maskKinds = 5

// findLines groups what is darker or brighter than a threshold within win into lines of text. Pixels of hide
// count as background. Near-identical lines are kept once.
func (p *plane) findLines(win, hide box, level, back float64, kind int) []textLine {
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
	default:
		threshold, bright = p.otsu(win), !bright
	}
	threshold = math.Round(threshold)
	if threshold <= 0 || threshold >= 255 {
		return nil
	}
	glyphs := p.glyphs(win, hide, uint8(threshold), bright)
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
	tol := 0.12 * l.size()
	for _, k := range out {
		if k.bright == l.bright && math.Abs(k.top-l.top) <= tol && math.Abs(k.base-l.base) <= tol &&
			math.Abs(float64(k.x0-l.x0)) <= 2*tol && math.Abs(float64(k.x1-l.x1)) <= 2*tol {
			return out
		}
	}
	return append(out, l)
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

const maxGlyphs = 3000

// glyphs are the boxes of the 8-connected components of the mask that may be characters.
func (p *plane) glyphs(win, hide box, threshold uint8, bright bool) []box {
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
		if yy := win.y0 + y; yy >= hide.y0 && yy < hide.y1 {
			a, b := max(hide.x0-win.x0, 0), min(hide.x1-win.x0, w)
			if b > a {
				clear(dst[a:b])
			}
		}
	}
	var out []box
	var stack []int
	steps := [8]int{-pw - 1, -pw, -pw + 1, -1, 1, pw - 1, pw, pw + 1}
	for at, m := range mask {
		if m == 0 {
			continue
		}
		b := box{pw, h + 2, 0, 0}
		n := 0
		mask[at] = 0
		stack = append(stack[:0], at)
		for len(stack) > 0 {
			k := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			x, y := k%pw, k/pw
			b = b.union(box{x, y, x + 1, y + 1})
			n++
			for _, s := range steps {
				if mask[k+s] != 0 {
					mask[k+s] = 0
					stack = append(stack, k+s)
				}
			}
		}
		if b.h() < minDotPx || b.h() > maxGlyphPx || b.w() > 9*b.h() || b.w() > 6*maxGlyphPx ||
			2*b.w() > 5*b.h() && 5*n < b.w()*b.h() { // the last: a line with end marks
			continue
		}
		if out = append(out, box{b.x0 - 1 + win.x0, b.y0 - 1 + win.y0, b.x1 - 1 + win.x0, b.y1 - 1 + win.y0}); len(out) == maxGlyphs {
			break
		}
	}
	return out
}

// group chains glyphs whose gaps are below gap times their height, left to right.
func group(glyphs []box, gap float64) []textLine {
	big := slices.DeleteFunc(slices.Clone(glyphs), func(b box) bool { return b.h() < minGlyphPx })
	slices.SortFunc(big, func(a, b box) int { return cmp.Or(cmp.Compare(a.x0, b.x0), cmp.Compare(a.y0, b.y0)) })
	parent := make([]int, len(big))
	for k := range parent {
		parent[k] = k
	}
	var root func(int) int
	root = func(k int) int {
		for parent[k] != k {
			parent[k] = parent[parent[k]]
			k = parent[k]
		}
		return k
	}
	for i, a := range big {
		for j := i + 1; j < len(big); j++ {
			b := big[j]
			tall, low := max(a.h(), b.h()), min(a.h(), b.h())
			if b.x0-a.x1 > int(gap*maxGlyphPx) {
				break
			}
			common := min(a.y1, b.y1) - max(a.y0, b.y0)
			if float64(b.x0-a.x1) <= gap*float64(tall) && float64(common) >= 0.7*float64(low) && 10*tall <= 23*low {
				parent[root(j)] = root(i)
			}
		}
	}
	members := map[int][]box{}
	for k, b := range big {
		members[root(k)] = append(members[root(k)], b)
	}
	joinWords(members, gap)
	var out []textLine
	for k := range big { // in order, for the same result every time
		if m := members[k]; m != nil {
			if l, ok := measure(m); ok {
				out = append(out, l)
			}
		}
	}
	return out
}

// joinWords merges groups whose gap is below gap times the height of the taller: a broken letter is lower than
// its line.
func joinWords(members map[int][]box, gap float64) {
	type word struct {
		box
		key int
	}
	var words []word
	for k, m := range members {
		w := word{m[0], k}
		for _, b := range m[1:] {
			w.box = w.union(b)
		}
		words = append(words, w)
	}
	slices.SortFunc(words, func(a, b word) int { return cmp.Or(cmp.Compare(a.x0, b.x0), cmp.Compare(a.key, b.key)) })
	for i := range words {
		for j := i + 1; j < len(words); {
			a, b := words[i], words[j]
			tall, low := max(a.h(), b.h()), min(a.h(), b.h())
			space := float64(b.x0 - a.x1)
			if space > gap*maxGlyphPx {
				break
			}
			common := min(a.y1, b.y1) - max(a.y0, b.y0)
			if space > gap*float64(tall) || 10*common < 7*low || 10*tall > 23*low {
				j++
				continue
			}
			members[a.key] = append(members[a.key], members[b.key]...)
			delete(members, b.key)
			words[i].box = a.union(b.box)
			words = slices.Delete(words, j, j+1)
			j = i + 1
		}
		if i+1 >= len(words) {
			break
		}
	}
}

// measure finds the digits' top and the baseline of a group: a label begins with a digit, digits are as tall
// as anything in the line and stand on the baseline; the letter µ is as tall but hangs lower.
func measure(m []box) (textLine, bool) {
	all := m[0]
	tall := 0
	for _, b := range m {
		all = all.union(b)
	}
	top := all.y0
	for _, b := range m {
		if float64(b.y0-top) <= 0.13*float64(all.h())+1 {
			tall = max(tall, b.h())
		}
	}
	var tops, bases []float64
	for _, b := range m {
		if float64(b.y0-top) <= 0.13*float64(all.h())+1 && float64(b.h()) >= 0.75*float64(tall) {
			tops = append(tops, float64(b.y0))
			bases = append(bases, float64(b.y1))
		}
	}
	if len(tops) == 0 {
		return textLine{}, false
	}
	l := textLine{box: all, top: median(tops), base: median(bases), glyphs: len(m)}
	w := float64(all.w())
	standing := 0
	for _, b := range m {
		if d := float64(b.y1) - l.base; math.Abs(d) <= 0.16*l.size()+1 || d > 0 && d < 0.5*l.size() && float64(b.y0-top) > 0.1*l.size() {
			standing++
		}
	}
	return l, l.size() >= minGlyphPx && w >= 1.2*l.size() && w <= 16*l.size() && 3*standing >= 2*len(m) && len(m) <= 24
}

// crop resamples a line to the reader's rows: stretched grey levels, and their number of columns. Where the
// ground is uneven it adds a second picture from which the grey levels on the ground's side are cut: burned-in text
// is of one grey level, what is behind it is not. pad is the margin on either side, in units of the digits' height.
func (p *plane) crop(l textLine, pad float64) (plain, cut []uint8, cols int) {
	z := (lineBase - lineTop) / l.size()
	xa := float64(l.x0) - pad*l.size()
	cols = int(math.Round((float64(l.w())+2*pad*l.size())*z/4)) * 4
	cols = min(max(cols, lineRows), maxLineCols)
	ya := l.top - lineTop/z
	n := max(1, int(math.Ceil(1/z)))
	out := make([]float64, lineRows*cols)
	for y := range lineRows {
		for x := range cols {
			var s float64
			for ky := range n {
				for kx := range n {
					s += p.bilinear(xa+(float64(x)+(float64(kx)+0.5)/float64(n))/z, ya+(float64(y)+(float64(ky)+0.5)/float64(n))/z)
				}
			}
			if s /= float64(n * n); !l.bright {
				s = 255 - s
			}
			out[y*cols+x] = s
		}
	}
	plain = stretch(out)
	s := slices.Clone(out)
	slices.Sort(s)
	low, top, ground := s[len(s)*2/100], s[len(s)*98/100], s[len(s)*6/10]
	floor := top - 0.3*(top-low)
	if ground < low+0.35*(top-low) {
		return plain, nil, cols
	}
	for k, v := range out {
		out[k] = max(v, floor)
	}
	return plain, stretch(out), cols
}

// stretch maps the 2nd and 98th percentile to 32 and 224.
func stretch(v []float64) []uint8 {
	s := slices.Clone(v)
	slices.Sort(s)
	at := func(q float64) float64 {
		r := q * float64(len(s)-1)
		k := int(r)
		return s[k] + (r-float64(k))*(s[min(k+1, len(s)-1)]-s[k])
	}
	lo, hi := at(0.02), at(0.98)
	gain := 192 / max(hi-lo, 4)
	out := make([]uint8, len(v))
	for k, x := range v {
		out[k] = uint8(min(max((x-lo)*gain+32, 0), 255))
	}
	return out
}

// bilinear samples at image coordinates (the first pixel's centre is 0.5, 0.5); beyond the border its pixels repeat.
func (p *plane) bilinear(x, y float64) float64 {
	x, y = x-0.5, y-0.5
	fx, fy := math.Floor(x), math.Floor(y)
	ax, ay := x-fx, y-fy
	x0, y0 := int(fx), int(fy)
	x1, y1 := min(max(x0+1, 0), p.w-1), min(max(y0+1, 0), p.h-1)
	x0, y0 = min(max(x0, 0), p.w-1), min(max(y0, 0), p.h-1)
	r0, r1 := p.pix[y0*p.w:], p.pix[y1*p.w:]
	return (1-ay)*((1-ax)*float64(r0[x0])+ax*float64(r0[x1])) + ay*((1-ax)*float64(r1[x0])+ax*float64(r1[x1]))
}
