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

	digits [2]float64 // top and baseline of the label's digits, px
	bright bool       // the label's ink
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
	minConfidence = 0.45
	maxRival      = 0.4 // of the confidence, for another reading of the same text
	// Less is enough beside a bar that is one without doubt, where nothing else can be read.
	minLonelyConfidence = 0.33
	maxLonelyRival      = 0.12
	minLonelyQuality    = 0.85

	minScore        = 0.15 // of the match between label and bar
	minPanelScore   = 0.05 // in a panel, where there is little else to match
	minBareQuality  = 0.75
	enoughScore     = 0.55
	maxTextTries    = 26
	crowdTextTries  = 8 // where nothing looks like a bar more than the rest
	crowdMaskKinds  = 2
	crowdSize       = 12
	crowdQuality    = 0.8
	linesPerMask    = 8
	firstCandidates = 3
	maxReadNmPerPx  = 1e5
	minReadNmPerPx  = 1e-4
	minNmNmPerPx    = 4e-3 // with a label in nm
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
	p, f := img.work()
	return img.read(p, f, func(*candidate) bool { return true })
}

// read looks at the candidates in the image, reduced by f to p, that allowed allows.
func (m Image) read(p *plane, f int, allowed func(*candidate) bool) (Result, error) {
	net, err := loadReader()
	if err != nil {
		return Result{}, err
	}
	cands := slices.DeleteFunc(append(findRulers(p), findBars(p)...), func(c candidate) bool { return !allowed(&c) })
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
		best := widest(matches)
		bar := m.measureBar(*best.cand, f)
		rs := s.confirm(best.line)
		rival := 0.0
		if len(rs) > 1 {
			rival = rs[1].p
		}
		if len(rs) > 0 && s.accepts(best, rs[0], rival) && plausible(rs[0].Label, bar) {
			bar.Label, bar.Confidence = &rs[0].Label, trust(rs[0].p, best.score)
			bar.TextBox = rect(best.line.box, f)
			bar.digits, bar.bright = [2]float64{best.line.top * float64(f), best.line.base * float64(f)}, best.line.bright
			return Result{Bar: bar}, nil
		}
		if best.cand.quality >= minBareQuality || best.label.p >= minConfidence && best.cand.quality >= 0.4 {
			bar.Confidence = min(best.cand.quality, 1)
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
	bar := m.measureBar(*bare, f)
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

// accepts tells whether a confirmed reading of the best match is used.
func (s *search) accepts(best match, r reading, rival float64) bool {
	switch {
	case best.score < minScore && (!s.p.panel || best.score < minPanelScore):
		return false
	case rival >= maxRival*r.p:
		return false
	case r.p < needed(best, r.Label) && (r.p < minLonelyConfidence || rival > maxLonelyRival*r.p ||
		best.cand.quality < minLonelyQuality || needed(best, r.Label) > minConfidence):
		return false
	}
	return best.cand.hides(best.line) || s.alone(best.line, r)
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

// plausible tells whether a label gives a scale that an electron microscope has. Below 4 pm a pixel, labels are written
// in pm or Å; an nm there is a µm misread.
func plausible(l Label, b *Bar) bool {
	nm := l.Nanometres() / b.LengthPx
	return nm >= minReadNmPerPx && nm <= maxReadNmPerPx && (l.Unit != "nm" || nm >= minNmNmPerPx)
}

// plain tells whether a candidate is believed without text: a flat slim bar clear of the borders.
func (c *candidate) plain(p *plane) bool {
	return c.quality >= minBareQuality && c.x0 > 1 && c.x1 < float64(p.w)-1 && c.y0 > 1 &&
		c.length() < 0.7*float64(p.w) && c.y1-c.y0 >= 3
}

func rect(b box, f int) *Rect {
	return &Rect{float64(b.x0 * f), float64(b.y0 * f), float64(b.x1 * f), float64(b.y1 * f)}
}
