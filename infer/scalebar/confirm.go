package scalebar

import (
	"cmp"
	"math"
	"slices"
)

// sure is the probability from which a single look at a line is enough.
const sure = 0.97

// confirm reads a line again in slightly different crops and averages the probabilities: what only one crop
// says is not certain. It returns the readings, the most probable first.
func (s *search) confirm(l textLine) []reading {
	first := s.read(l)
	if len(first) > 0 && first[0].p >= sure {
		return first
	}
	h := l.size()
	all := [][]reading{first}
	for _, d := range [][3]float64{{-0.08, 0, 0.35}, {0, 0.08, 0.35}, {0.05, -0.05, 0.3}, {-0.05, 0.05, 0.5}} {
		k := l
		k.top += d[0] * h
		k.base += d[1] * h
		all = append(all, s.look(k, d[2]))
	}
	var out []reading
	for _, rs := range all {
		for _, r := range rs {
			r.p /= float64(len(all))
			k := slices.IndexFunc(out, func(o reading) bool { return math.Abs(o.Nanometres()/r.Nanometres()-1) < 1e-9 })
			if k >= 0 {
				out[k].p += r.p
			} else {
				out = append(out, r)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b reading) int { return cmp.Compare(b.p, a.p) })
	return out
}

// look decodes one crop of a line, in both its pictures.
func (s *search) look(l textLine, pad float64) []reading {
	plain, cut, cols := s.p.crop(l, pad)
	r := decode(s.net.run(plain, cols))
	if cut != nil && (len(r) == 0 || r[0].p < 0.9) {
		if c := decode(s.net.run(cut, cols)); len(c) > 0 && (len(r) == 0 || c[0].p > r[0].p) {
			return c
		}
	}
	return r
}

// alone tells whether a label begins its word: no character stands within a digit's height before it, as the 6
// does before the 8 of "6.8 mm".
func (s *search) alone(l textLine, want Label) bool {
	l.x0 -= int(0.75 * l.size())
	plain, cut, cols := s.p.crop(l, 0.35)
	for _, line := range [][]uint8{plain, cut} {
		if line == nil {
			continue
		}
		text := greedy(s.net.run(line, cols))
		for k := 1; k < len(text); k++ {
			if got, ok := ParseLabel(text[k:]); ok && math.Abs(got.Nanometres()/want.Nanometres()-1) < 1e-9 {
				return false
			}
		}
	}
	return true
}

// greedy is the best path's text, without what is less likely than not.
func greedy(rows [][]float32) string {
	var out []byte
	last := 0
	for _, row := range rows {
		best := 0
		for k, v := range row {
			if v > row[best] {
				best = k
			}
		}
		if best != last && best > 0 && row[best] > -0.5 {
			out = append(out, classes[best-1])
		}
		last = best
	}
	return string(out)
}
