package scalebar

import (
	"cmp"
	"math"
	"slices"
)

// minLineWidth is the least width of a label in units of its digits' height, as "1 Å" has it.
const minLineWidth = 1.5

// maxBigGlyphs bounds the glyphs of one window that are high enough to be digits.
const maxBigGlyphs = 500

// group chains glyphs whose gaps are below gap times their height, left to right.
func group(glyphs []box, gap float64) []textLine {
	least := minLowerPx
	big := slices.DeleteFunc(slices.Clone(glyphs), func(b box) bool { return b.h() < least })
	if len(big) > maxBigGlyphs {
		least = minGlyphPx
		big = slices.DeleteFunc(big, func(b box) bool { return b.h() < least })
	}
	if len(big) > maxBigGlyphs {
		return nil
	}
	slices.SortFunc(big, func(a, b box) int { return cmp.Or(cmp.Compare(a.x0, b.x0), cmp.Compare(a.y0, b.y0)) })
	parent := make([]int, len(big))
	for k := range parent {
		parent[k] = k
	}
	root := func(k int) int {
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
			out = append(out, measure(m)...)
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
// as anything in the line and stand on the baseline; the letter µ is as tall but hangs lower. Where the tall glyphs
// do not agree on the baseline there are two answers.
func measure(m []box) []textLine {
	all := m[0]
	tall := 0
	for _, b := range m {
		all = all.union(b)
	}
	top := all.y0
	high := func(b box) bool { return float64(b.y0-top) <= 0.13*float64(all.h())+1 }
	for _, b := range m {
		if high(b) {
			tall = max(tall, b.h())
		}
	}
	var tops, bases []float64
	for _, b := range m {
		if high(b) && float64(b.h()) >= 0.65*float64(tall) {
			tops = append(tops, float64(b.y0))
			bases = append(bases, float64(b.y1))
		}
	}
	if len(tops) == 0 || len(m) > 24 {
		return nil
	}
	slices.Sort(tops)
	slices.Sort(bases)
	l := textLine{box: all, top: tops[(len(tops)-1)/2], base: bases[(len(bases)-1)/2], glyphs: len(m)}
	var out []textLine
	if l.readable(m) {
		out = append(out, l)
	}
	if last := bases[len(bases)-1]; last-l.base > 0.12*l.size() {
		if l.base = last; l.readable(m) {
			out = append(out, l)
		}
	}
	return out
}

// readable tells whether most glyphs stand on the baseline or hang from it, in a line of a label's shape.
func (l textLine) readable(m []box) bool {
	standing := 0
	for _, b := range m {
		if d := float64(b.y1) - l.base; math.Abs(d) <= 0.16*l.size()+1 || d > 0 && d < 0.5*l.size() && float64(b.y0)-l.top > 0.1*l.size() {
			standing++
		}
	}
	w := float64(l.w())
	return l.size() >= minGlyphPx && w >= minLineWidth*l.size() && w <= 16*l.size() && 3*standing >= 2*len(m)
}
