package scalebar

import (
	"math"
	"slices"
)

// words are what else is written in the label's line, in its ink and in its size, as on frames whose whole caption is
// drawn on the picture: "5.0kV  x50  500µm".
func (m Image) words(b *Bar) []Rect {
	h := b.digits[1] - b.digits[0]
	if b.Label == nil || h < minGlyphPx {
		return nil
	}
	y0, y1 := max(0, int(b.digits[0]-0.6*h)), min(m.Height, int(math.Ceil(b.digits[1]+0.6*h)))
	if y1-y0 < int(h) {
		return nil
	}
	band := Image{Width: m.Width, Height: y1 - y0}
	if m.Gray8 != nil {
		band.Gray8 = m.Gray8[y0*m.Width : y1*m.Width]
	} else {
		band.Gray16 = m.Gray16[y0*m.Width : y1*m.Width]
	}
	p, f := band.work()
	k := float64(f)
	t := b.TextBox
	label := box{int(t.X0 / k), int((t.Y0 - float64(y0)) / k), int(math.Ceil(t.X1 / k)), int(math.Ceil((t.Y1 - float64(y0)) / k))}
	label = box{max(label.x0, 0), max(label.y0, 0), min(label.x1, p.w), min(label.y1, p.h)}
	if label.w() < 2 || label.h() < 2 {
		return nil
	}
	ink, ground := p.extreme(label, b.bright), p.extreme(label, !b.bright)
	if math.Abs(ink-ground) < 60 {
		return nil
	}
	glyphs := p.glyphs(box{0, 0, p.w, p.h}, []box{label}, uint8(ink-0.3*(ink-ground)), b.bright)
	top, base := (b.digits[0]-float64(y0))/k, (b.digits[1]-float64(y0))/k
	return inLine(glyphs, top, base, k, float64(y0))
}

// inLine groups the glyphs that stand in a line of digits between top and base. A word has at least two glyphs as high
// as digits. Coordinates are multiplied by k, rows then moved by dy.
func inLine(glyphs []box, top, base, k, dy float64) []Rect {
	h := base - top
	near := func(a int, b float64) bool { return math.Abs(float64(a)-b) <= 0.08*h+1 }
	slices.SortFunc(glyphs, func(a, b box) int { return a.x0 - b.x0 })
	var out []Rect
	var word box
	tall := 0
	flush := func() {
		if tall >= 2 {
			out = append(out, Rect{float64(word.x0) * k, float64(word.y0)*k + dy, float64(word.x1) * k, float64(word.y1)*k + dy})
		}
		tall = 0
	}
	last := -math.MaxInt32
	for _, g := range glyphs {
		digit := near(g.y0, top) && near(g.y1, base) && float64(g.w()) < 1.3*h
		letter := float64(g.y0) > top-2 && float64(g.y1) < base+0.4*h && float64(g.w()) < 1.5*h
		if !digit && !letter {
			continue
		}
		if float64(g.x0-last) > 1.2*h {
			flush()
			word = g
		}
		word = word.union(g)
		last = max(last, g.x1)
		if digit {
			tall++
		}
	}
	flush()
	return out
}
