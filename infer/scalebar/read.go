package scalebar

import (
	"cmp"
	"math"
	"slices"
)

// Rect is a rectangle in px of the image: pixel edges, X1 and Y1 exclusive.
type Rect struct{ X0, Y0, X1, Y1 float64 }

// Bar is a burned-in scale bar. (X0, Y0) and (X1, Y1) are the ends of its centre line: X0 is the left edge of its
// first pixel, X1 the right edge of its last, sub-pixel.
type Bar struct {
	X0, Y0, X1, Y1 float64
	LengthPx       float64
	Style          Style
	Label          *Label  // nil when no text could be read beside it
	Confidence     float64 // 0..1; of the label where there is one, else of the bar
	Box            Rect    // what the bar covers
	TextBox        *Rect   // what the label covers
}

// NmPerPx is the scale that the bar states, 0 without a label.
func (b *Bar) NmPerPx() float64 {
	if b == nil || b.Label == nil || b.LengthPx <= 0 {
		return 0
	}
	return b.Label.Nanometres() / b.LengthPx
}

// Result is what Read found: Bar is nil when there is none. Reason says what is missing, "" when nothing is.
type Result struct {
	Bar    *Bar
	Reason string
}

// Reasons for a missing bar or label.
const (
	ReasonNoBar  = "no scale bar found"
	ReasonNoText = "a bar without readable text"
	ReasonUnsure = "the text beside the bar is not certain"
)

// Thresholds of the decision.
const (
	minConfidence   = 0.45
	maxRival        = 0.4 // of the confidence, for another reading of the same text
	minBareQuality  = 0.75
	enoughScore     = 0.55
	maxTextTries    = 60
	linesPerMask    = 8
	firstCandidates = 3
	maxReadNmPerPx  = 1e5
	minReadNmPerPx  = 1e-4
)

// match is a label read beside a candidate.
type match struct {
	cand  *candidate
	line  textLine
	label reading
	score float64
}

// Read finds the scale bar of an image and reads its label. It never guesses: without a bar, or without text
// that is read with confidence, the result says so. The error is for images that cannot be looked at.
func Read(img Image) (Result, error) {
	if err := img.validate(); err != nil {
		return Result{}, err
	}
	net, err := loadReader()
	if err != nil {
		return Result{}, err
	}
	p, f := img.work()
	cands := findBars(p)
	cands = append(findRulers(p), cands...)
	s := search{p: p, net: net, cache: map[textLine][]reading{}}
	lines := s.collect(cands)
	var matches []match
	for k := range cands {
		for _, l := range lines {
			matches = s.match(matches, &cands[k], l)
		}
	}
	slices.SortStableFunc(matches, func(a, b match) int { return cmp.Compare(b.score, a.score) })
	if len(matches) > 0 {
		m := widest(matches)
		bar := img.measureBar(*m.cand, f)
		rs := s.confirm(m.line)
		rival := 0.0
		if len(rs) > 1 {
			rival = rs[1].p
		}
		if len(rs) > 0 && rs[0].p >= needed(m, rs[0].Label) && rival < maxRival*rs[0].p && plausible(rs[0].Label, bar) &&
			(m.cand.hides(m.line) || s.alone(m.line, rs[0].Label)) {
			bar.Label, bar.Confidence = &rs[0].Label, rs[0].p
			bar.TextBox = rect(m.line.box, f)
			return Result{Bar: bar}, nil
		}
		if m.cand.quality >= minBareQuality || m.label.p >= minConfidence && m.cand.quality >= 0.4 {
			bar.Confidence = min(m.cand.quality, 1)
			return Result{Bar: bar, Reason: ReasonUnsure}, nil
		}
	}
	var bare *candidate
	for k := range cands {
		if c := &cands[k]; c.plain(p) && (bare == nil || c.quality > bare.quality) {
			bare = c
		}
	}
	if bare == nil {
		return Result{Reason: ReasonNoBar}, nil
	}
	bar := img.measureBar(*bare, f)
	bar.Confidence = bare.quality
	return Result{Bar: bar, Reason: ReasonNoText}, nil
}

// widest is the best match, or one of its bar whose line holds the best one's and more to the left, where that
// reads as another label: 0.5 um rather than 5 um.
func widest(matches []match) match {
	m := matches[0]
	for _, o := range matches[1:] {
		if h := m.line.size(); o.label.p >= 0.25 && float64(m.line.x0-o.line.x0) > 0.3*h && math.Abs(float64(o.line.x1-m.line.x1)) < 0.5*h &&
			math.Abs(o.line.base-m.line.base) < 0.3*h && o.cand.style == m.cand.style && o.cand.x0 == m.cand.x0 && o.cand.y0 == m.cand.y0 {
			m = o
		}
	}
	return m
}

// needed is the confidence that a label needs: more for a digit and an Å, which are read into texture most
// easily, and beside a bar that is hardly one.
func needed(m match, l Label) float64 {
	if l.Unit == "A" && l.Value < 10 || m.cand.quality < 0.4 {
		return 0.8
	}
	return minConfidence
}

// hides tells whether the bar itself ends where a character before the label would stand.
func (c *candidate) hides(l textLine) bool {
	return c.style == StyleSplit || c.x1 <= float64(l.x0) && float64(l.x0)-c.x1 < 1.4*l.size()
}

// plausible tells whether a label gives a scale that an electron microscope has.
func plausible(l Label, b *Bar) bool {
	nm := l.Nanometres() / b.LengthPx
	return nm >= minReadNmPerPx && nm <= maxReadNmPerPx
}

// plain tells whether a candidate is believed without text: a flat slim bar clear of the borders.
func (c *candidate) plain(p *plane) bool {
	return c.quality >= minBareQuality && c.x0 > 1 && c.x1 < float64(p.w)-1 && c.y0 > 1 &&
		c.length() < 0.7*float64(p.w) && c.y1-c.y0 >= 3
}

func rect(b box, f int) *Rect {
	return &Rect{float64(b.x0 * f), float64(b.y0 * f), float64(b.x1 * f), float64(b.y1 * f)}
}

// search reads text; lines that several candidates share are read once.
type search struct {
	p     *plane
	net   *reader
	cache map[textLine][]reading
	seen  []textLine
	cands []candidate
	tries int
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
	for k := range cands {
		c := &cands[k]
		kinds := maskKinds
		if k >= firstCandidates {
			if best > enoughScore || c.quality < 0.15 {
				break
			}
			kinds = 2
		}
		own := 0.0
		for kind := range kinds {
			if kind == maskKinds-1 && c.quality < 0.5 {
				break
			}
			found := s.lines(c, kind)
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

// lines finds the lines beside one candidate that read as a label.
func (s *search) lines(c *candidate, kind int) []textLine {
	p := s.p
	wx := max(0.5*c.length(), min(0.3*float64(p.w), 320), 100)
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
	for k, l := range order {
		if k >= linesPerMask {
			break
		}
		if l.among(s.seen, 0.08) {
			continue
		}
		s.seen = append(s.seen, l.textLine)
		if r := s.read(l.textLine); len(r) > 0 && r[0].p > 0.02 {
			out = append(out, l.textLine)
		}
	}
	return out
}

// match appends what a line says if it is the candidate's label.
func (s *search) match(out []match, c *candidate, l textLine) []match {
	near := c.nearness(l)
	if near < 0.05 {
		return out
	}
	if whole, ok := s.p.across(c, l); ok {
		c, near = &whole, 1
	} else if c.x0 < 1.5 || c.x1 > float64(s.p.w)-1.5 {
		near *= 0.6 // a panel's border rather than a bar
	}
	if c.bright() != l.bright {
		near *= 0.8
	}
	for _, r := range s.cache[l] {
		if r.p > 0.02 {
			out = append(out, match{c, l, r, r.p * near * (0.1 + 0.9*c.quality)})
		}
	}
	return out
}

// read decodes a line.
func (s *search) read(l textLine) []reading {
	if r, ok := s.cache[l]; ok {
		return r
	}
	if s.tries >= maxTextTries {
		return nil
	}
	s.tries++
	r := s.look(l, 0.35)
	s.cache[l] = r
	return r
}

// nearness weighs where a label lies against its bar: 1 right above or below and within its extent, less with
// distance, 0 where no label would be.
func (c *candidate) nearness(l textLine) float64 {
	h := l.size()
	gapY := max(float64(l.y0)-c.y1, c.y0-l.base, 0)
	gapX := max(float64(l.x0)-c.x1, c.x0-float64(l.x1), 0)
	mid := (l.top + l.base) / 2
	if mid := (c.y0 + c.y1) / 2; gapX == 0 && mid > l.top-1 && mid < l.base+1 || c.length() < 1.2*h {
		return 0 // a stroke of the text itself
	}
	if gapX > 0 && gapY == 0 && mid > c.y0-h && mid < c.y1+h { // beside
		return 0.95 * math.Exp(-max(0, gapX/h-0.5)/1.5)
	}
	centre := math.Abs(float64(l.x0+l.x1)/2-(c.x0+c.x1)/2) / max(c.length(), float64(l.w()))
	return math.Exp(-max(0, gapY/h-0.6)/1.2) * math.Exp(-gapX/h) * (1 - 0.3*min(centre, 1))
}
