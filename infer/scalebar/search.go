package scalebar

import (
	"cmp"
	"math"
	"slices"
)

// search reads text; lines that several candidates share are read once.
type search struct {
	p     *plane
	net   *reader
	cache map[textLine][]reading
	seen  []textLine
	cands []candidate
	tries int
	limit int // of tries
}

// crowd reports that no candidate stands out: a rough surface has dozens of edges like a bar's, all alike.
// Measured on 130 labelled images: bars are at 0.7 and above, and few others come near them.
func crowd(cands []candidate) bool {
	if len(cands) < crowdSize || cands[0].quality > crowdQuality {
		return false
	}
	return cands[crowdSize-1].quality > 0.7*cands[0].quality
}

// covers is the candidate's box, with what its ends blur into.
func (c *candidate) covers() box {
	return box{int(c.x0) - 1, int(math.Floor(c.y0)), int(c.x1) + 2, int(math.Ceil(c.y1))}
}

// collect finds lines that read as labels beside the candidates. It stops when one leaves no doubt.
func (s *search) collect(cands []candidate) []textLine {
	s.cands = cands
	var lines []textLine
	best := 0.0
	s.limit = maxTextTries
	crowded := crowd(cands)
	if crowded {
		s.limit = crowdTextTries
	}
	for k := range cands {
		c := &cands[k]
		kinds := maskKinds
		switch {
		case k >= firstCandidates:
			if best > enoughScore || c.quality < 0.15 {
				return lines
			}
			kinds = 2
		case crowded:
			kinds = crowdMaskKinds
		}
		own := 0.0
		var ahead [2][]textLine // the first kind mostly suffices; after it two are looked at side by side
		for kind := range kinds {
			if kind == maskKinds-1 && c.quality < 0.5 || s.tries >= s.limit {
				break
			}
			switch {
			case kind == 0 && k < firstCandidates:
				ahead[0] = s.nearest(c, kind, true)
			case k < firstCandidates && kind%2 == 1 || k >= firstCandidates && kind%2 == 0:
				parallel(min(2, kinds-kind), func(n int) { ahead[(kind+n)%2] = s.nearest(c, kind+n, k < firstCandidates) })
			}
			found := s.fresh(ahead[kind%2])
			lines = append(lines, found...)
			for _, l := range found {
				for _, m := range s.match(nil, c, l) {
					own = max(own, m.score)
				}
			}
			if own > enoughScore {
				break
			}
		}
		if best = max(best, own); best > enoughScore && k >= 1 {
			break
		}
	}
	return lines
}

// nearest finds the lines beside one candidate, the nearest first, further away where the candidate is likely a bar.
func (s *search) nearest(c *candidate, kind int, likely bool) []textLine {
	p := s.p
	wx := max(0.5*c.length(), min(0.4*float64(p.w), 400), 100)
	if !likely {
		wx = max(0.5*c.length(), min(0.25*float64(p.w), 250), 100)
	}
	wy := max(60, min(0.17*float64(p.h), 160))
	win := box{int(c.x0 - wx), int(c.y0 - wy), int(c.x1 + wx), int(c.y1 + wy)}
	hide := []box{c.covers()}
	for k := range s.cands { // the other half of a line that the label interrupts
		o := &s.cands[k]
		if math.Abs(o.y0-c.y0) < 1.5 && math.Abs(o.y1-c.y1) < 1.5 && math.Abs(o.length()-c.length()) < 0.25*c.length()+3 && o.x0 != c.x0 {
			hide = append(hide, o.covers())
		}
	}
	type ranked struct {
		textLine
		near float64
	}
	var order []ranked
	for _, l := range p.findLines(win, hide, c.level, c.back, kind) {
		if n := c.nearness(l); n > 0.2 {
			order = append(order, ranked{l, n})
		}
	}
	slices.SortStableFunc(order, func(a, b ranked) int { return cmp.Compare(b.near, a.near) })
	var out []textLine
	for _, l := range order[:min(len(order), linesPerMask)] {
		out = append(out, l.textLine)
	}
	return out
}

// fresh reads the lines that were not seen before and returns those that read as a label.
func (s *search) fresh(lines []textLine) []textLine {
	var fresh []textLine
	for _, l := range lines {
		if !l.among(s.seen, 0.08) {
			s.seen = append(s.seen, l)
			fresh = append(fresh, l)
		}
	}
	s.readAll(fresh)
	return slices.DeleteFunc(fresh, func(l textLine) bool {
		r := s.cache[l]
		return len(r) == 0 || r[0].p <= 0.02
	})
}

// readAll decodes lines into the cache, side by side.
func (s *search) readAll(lines []textLine) {
	lines = lines[:min(len(lines), max(0, s.limit-s.tries))]
	s.tries += len(lines)
	readings := make([][]reading, len(lines))
	parallel(len(lines), func(k int) { readings[k] = s.look(lines[k], 0.35) })
	for k, l := range lines {
		s.cache[l] = readings[k]
	}
}

// minBarToLabel is how short a bar that is hardly one may be beside its label, as a share of the label's width.
const minBarToLabel = 0.33

// stroke tells whether a candidate is a stroke of a glyph: short, and within a line of text much higher than it.
func (s *search) stroke(c *candidate) bool {
	return slices.ContainsFunc(s.seen, func(l textLine) bool {
		return l.bright == c.bright() && l.glyphs > 1 && c.length() < 2.2*l.size() && 2.5*(c.y1-c.y0) < l.size() &&
			c.x0 > float64(l.x0)-2 && c.x1 < float64(l.x1)+2 && c.y0 > l.top-1.5 && c.y1 < l.base+1.5
	})
}

// match appends what a line says if it is the candidate's label.
func (s *search) match(out []match, c *candidate, l textLine) []match {
	near := c.nearness(l)
	if near < 0.05 {
		return out
	}
	if whole, ok, cut := s.p.across(c, l); cut {
		return out
	} else if ok {
		c, near = &whole, 1
	} else if c.x0 < 1.5 || c.x1 > float64(s.p.w)-1.5 {
		near *= 0.6 // a panel's border rather than a bar
	}
	if c.bright() != l.bright {
		if s.p.panel {
			return out
		}
		near *= 0.8
	}
	if s.stroke(c) || c.style == StyleSolid && c.length() < minBarToLabel*float64(l.w()) && c.quality < 0.7 {
		return out
	}
	for _, r := range s.cache[l] {
		if r.p > 0.02 {
			out = append(out, match{c, l, r, r.p * near * (0.1 + 0.9*c.quality)})
		}
	}
	return out
}

// maxInsideThick is how thick a bar with its label inside may be, in units of the digits' height.
const maxInsideThick = 3

// nearness weighs where a label lies against its bar: 1 right above or below and within its extent, less with
// distance, 0 where no label would be.
func (c *candidate) nearness(l textLine) float64 {
	h := l.size()
	gapY := max(float64(l.y0)-c.y1, c.y0-l.base, 0)
	gapX := max(float64(l.x0)-c.x1, c.x0-float64(l.x1), 0)
	mid := (l.top + l.base) / 2
	if c.y1-c.y0 > maxInsideThick*h && mid > c.y0 && mid < c.y1 {
		return 0 // the plate that the text stands on
	}
	if mid := (c.y0 + c.y1) / 2; gapX == 0 && mid > l.top-1 && mid < l.base+1 || c.length() < 1.2*h && gapY < 0.1*h || c.length() < 0.9*h {
		return 0 // a stroke of the text itself
	}
	if gapX > 0 && gapY == 0 && mid > c.y0-h && mid < c.y1+h { // beside
		return 0.95 * math.Exp(-max(0, gapX/h-0.5)/1.5)
	}
	centre := math.Abs(float64(l.x0+l.x1)/2-(c.x0+c.x1)/2) / max(c.length(), float64(l.w()))
	return math.Exp(-max(0, gapY/h-0.6)/1.2) * math.Exp(-gapX/h) * (1 - 0.3*min(centre, 1))
}
