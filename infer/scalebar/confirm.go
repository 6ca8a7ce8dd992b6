package scalebar

import (
	"cmp"
	"math"
	"slices"
)

// sure is the probability from which a single look at a line is enough.
const sure = 0.97

// minAlone is the probability that a label must keep when more of what is before it is seen.
const minAlone = 0.25

// confirm reads a line again in slightly different crops and averages the probabilities: what only one crop
// says is not certain. It returns the readings, the most probable first.
func (s *search) confirm(l textLine) []reading {
	first := s.cache[l]
	if len(first) > 0 && first[0].p >= sure {
		return first
	}
	h := l.size()
	shifts := [][3]float64{{-0.08, 0, 0.35}, {0, 0.08, 0.35}, {0.05, -0.05, 0.3}, {-0.05, 0.05, 0.5}}
	all := make([][]reading, 1+len(shifts))
	all[0] = first
	parallel(len(shifts), func(i int) {
		k, d := l, shifts[i]
		k.top += d[0] * h
		k.base += d[1] * h
		all[1+i] = s.look(k, d[2])
	})
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

// minDigit is the probability that some column is a digit below which a line is no label, whatever its ground.
const minDigit = 0.3

// look decodes one crop of a line, in both its pictures.
func (s *search) look(l textLine, pad float64) []reading {
	plain, cut, cols := s.p.crop(l, pad)
	rows := s.net.run(plain, cols)
	if digit(rows) < minDigit {
		return nil
	}
	r := decode(rows)
	if cut != nil && (len(r) == 0 || r[0].p < 0.9) {
		if c := decode(s.net.run(cut, cols)); len(c) > 0 && (len(r) == 0 || c[0].p > r[0].p) {
			return c
		}
	}
	return r
}

// alone tells whether a label begins its word: with a digit's width more of what is before it, as the 6 before the
// 8 of "6.8 mm", it still reads the same. The edge of a plate before it, much taller than a digit, is no character.
func (s *search) alone(l textLine, want reading) bool {
	const pad = 0.35
	h := l.size()
	first := l.x0 - int((0.9+pad)*h)
	x0 := max(first, s.p.barrier(l, first)) + int(pad*h)
	if x0 >= l.x0 {
		return true
	}
	l.x0 = x0
	for _, r := range s.look(l, pad) {
		if math.Abs(r.Nanometres()/want.Nanometres()-1) < 1e-9 {
			return r.p >= minAlone*min(1, want.p/minConfidence)*min(1, want.p/minConfidence)
		}
	}
	return false
}

// barrier is the column behind the last upright edge in columns first.. before a line that is half as high again as its
// digits; first where there is none.
func (p *plane) barrier(l textLine, first int) int {
	h := l.size()
	y0, y1 := max(0, int(l.top-0.25*h)), min(p.h, int(l.base+0.25*h))
	if y1-y0 < int(1.3*h) { // no room to tell
		return first
	}
	for x := l.x0 - 2; x > max(first, 1); x-- {
		steps, sign := 0, 0
		for y := y0; y < y1; y++ {
			if d := int(p.pix[y*p.w+x+1]) - int(p.pix[y*p.w+x-1]); d > 40 {
				steps, sign = steps+1, sign+1
			} else if d < -40 {
				steps, sign = steps+1, sign-1
			}
		}
		if 10*steps >= 9*(y1-y0) && max(sign, -sign) == steps {
			return x + 2
		}
	}
	return first
}

// digit is the largest probability of a digit in any column.
func digit(rows [][]float32) float64 {
	most := 0.0
	for _, row := range rows {
		p := 0.0
		for _, v := range row[1:11] {
			if v > -6 {
				p += math.Exp(float64(v))
			}
		}
		most = max(most, p)
	}
	return most
}
