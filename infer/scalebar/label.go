package scalebar

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Label is a length as written beside a bar.
type Label struct {
	Text  string  // as read, with one space between number and unit
	Value float64 // in Unit
	Unit  string  // pm, A, nm, um or mm
}

// Nanometres is the label's length in nm.
func (l Label) Nanometres() float64 { return l.Value * unitNm(l.Unit) }

func unitNm(unit string) float64 {
	switch unit {
	case "pm":
		return 1e-3
	case "A":
		return 0.1
	case "nm":
		return 1
	case "um":
		return 1e3
	case "mm":
		return 1e6
	}
	return 0
}

// Longest and shortest length that a label may state, nm: 10 pm to 50 mm.
const (
	minLabelNm = 0.01
	maxLabelNm = 5e7
)

// ParseLabel reads text without spaces against the strict grammar NUMBER UNIT: one to four digits, at most one
// decimal point or comma, a unit of length (pm, A, nm, um, mm), nothing else. Scale bars state round lengths, so
// the significant digits must be one of a few; "5 1/nm" is not a length, "6.8 mm" is a working distance.
func ParseLabel(s string) (Label, bool) {
	cut := strings.IndexFunc(s, func(r rune) bool { return r != '.' && r != ',' && (r < '0' || r > '9') })
	if cut <= 0 {
		return Label{}, false
	}
	num, unit := s[:cut], s[cut:]
	if unitNm(unit) == 0 {
		return Label{}, false
	}
	value, ok := parseNumber(num)
	if !ok || !roundNumber(value) || value >= 1000 && !decade(value) {
		return Label{}, false
	}
	l := Label{Text: num + " " + shown(unit), Value: value, Unit: unit}
	if nm := l.Nanometres(); nm < minLabelNm || nm > maxLabelNm {
		return Label{}, false
	}
	return l, true
}

func shown(unit string) string {
	switch unit {
	case "um":
		return "µm"
	case "A":
		return "Å"
	}
	return unit
}

// parseNumber takes 12, 0.5, 0,5, 1.00 and 1,000.
func parseNumber(s string) (float64, bool) {
	sep := strings.IndexAny(s, ".,")
	whole, frac := s, ""
	if sep >= 0 {
		whole, frac = s[:sep], s[sep+1:]
		if frac == "" || strings.ContainsAny(frac, ".,") {
			return 0, false
		}
	}
	switch {
	case whole == "" || len(whole) > 4 || len(frac) > 3:
		return 0, false
	case len(whole) > 1 && whole[0] == '0':
		return 0, false
	case len(frac) == 3 && whole != "0": // thousands; a point there would be ambiguous
		if s[sep] != ',' {
			return 0, false
		}
		whole, frac = whole+frac, ""
	}
	v, err := strconv.ParseFloat(whole+"."+frac+"0", 64)
	return v, err == nil && v > 0
}

// roundNumber tells whether the significant digits are those of a scale bar.
func roundNumber(v float64) bool {
	m := v / math.Pow(10, math.Floor(math.Log10(v)+1e-9))
	for _, ok := range []float64{1, 1.2, 1.25, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 7.5, 8, 9} {
		if math.Abs(m-ok) < 1e-6 {
			return true
		}
	}
	return false
}

// decade tells whether a number is 1, 2 or 5 times a power of ten, as those are that take four digits.
func decade(v float64) bool {
	m := v / math.Pow(10, math.Floor(math.Log10(v)+1e-9))
	return math.Abs(m-1) < 1e-6 || math.Abs(m-2) < 1e-6 || math.Abs(m-5) < 1e-6
}

// viable tells whether s can be continued to, or is, a string of the grammar.
func viable(s string) bool {
	cut := strings.IndexFunc(s, func(r rune) bool { return r != '.' && r != ',' && (r < '0' || r > '9') })
	num, unit := s, ""
	if cut >= 0 {
		num, unit = s[:cut], s[cut:]
	}
	if len(num) == 0 || num[0] == '.' || num[0] == ',' {
		return s == ""
	}
	if sep := strings.IndexAny(num, ".,"); len(num) > 7 || sep > 4 || sep < 0 && len(num) > 4 || sep >= 0 && strings.ContainsAny(num[sep+1:], ".,") {
		return false
	}
	if unit == "" {
		return true
	}
	return slices.ContainsFunc([]string{"pm", "A", "nm", "um", "mm"}, func(u string) bool { return strings.HasPrefix(u, unit) })
}

// hyp is a prefix of the decoder: log probabilities that it ends in a blank and that it does not.
type hyp struct {
	text                string
	blank, glyph, total float64
}

// reading is a label with its probability.
type reading struct {
	Label
	p float64
}

// Decoding: prefixes kept, log probability of a character that is looked at, and of a blank that excludes all others.
const (
	beamWidth   = 12
	minGlyphLog = -9
	maxBehind   = 12 // log probability behind the best prefix at which one is given up
	sureBlank   = -1e-4
)

// decode returns the labels that the log probabilities of the classes stand for, the most probable first. The
// probabilities are those among all strings, not among labels only: what is not a label leaves little for any.
// Spellings of one length ("1.0 um", "1 um") add up.
func decode(rows [][]float32) []reading {
	ninf := math.Inf(-1)
	beam := []hyp{{"", 0, ninf, 0}}
	next := map[string]*hyp{}
	at := func(s string) *hyp {
		h := next[s]
		if h == nil {
			h = &hyp{s, ninf, ninf, ninf}
			next[s] = h
		}
		return h
	}
	for _, row := range rows {
		if row[0] > sureBlank { // as good as certain: no character here
			for k, b := range beam {
				p := b.total + float64(row[0])
				beam[k] = hyp{b.text, p, ninf, p}
			}
			continue
		}
		clear(next)
		for _, b := range beam {
			total := b.total
			same := at(b.text)
			same.blank = logAdd(same.blank, total+float64(row[0]))
			var last byte
			if n := len(b.text); n > 0 {
				last = b.text[n-1]
			}
			for k := range len(classes) {
				lp := float64(row[k+1])
				if lp < minGlyphLog {
					continue
				}
				ch := classes[k]
				from := total
				if ch == last {
					same.glyph = logAdd(same.glyph, b.glyph+lp)
					from = b.blank
				}
				if ch == '?' || ch == '/' || len(b.text) > 9 || !viable(b.text+string(ch)) {
					continue
				}
				h := at(b.text + string(ch))
				h.glyph = logAdd(h.glyph, from+lp)
			}
		}
		beam = beam[:0]
		best := ninf
		for _, h := range next {
			h.total = logAdd(h.blank, h.glyph)
			best = max(best, h.total)
		}
		for _, h := range next {
			if h.total > best-maxBehind {
				beam = append(beam, *h)
			}
		}
		slices.SortFunc(beam, func(a, b hyp) int {
			return cmp.Or(cmp.Compare(b.total, a.total), cmp.Compare(a.text, b.text))
		})
		beam = beam[:min(len(beam), beamWidth)]
	}
	var out []reading
	for _, h := range beam {
		l, ok := ParseLabel(h.text)
		if !ok {
			continue
		}
		p := math.Exp(h.total)
		k := slices.IndexFunc(out, func(r reading) bool { return math.Abs(r.Nanometres()/l.Nanometres()-1) < 1e-9 })
		if k >= 0 {
			out[k].p += p
		} else {
			out = append(out, reading{l, p})
		}
	}
	slices.SortStableFunc(out, func(a, b reading) int { return cmp.Compare(b.p, a.p) })
	return out
}

func logAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(b, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}
