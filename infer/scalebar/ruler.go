package scalebar

import (
	"math"
	"slices"
)

// A Hitachi ruler has eleven equidistant marks; the label gives the distance between the first and the last.
const (
	rulerMarks    = 11
	minRulerPitch = 6.0
	maxMarkPx     = 12
	markStep      = 30 // grey levels between a mark and what is beside it
)

// mark is a narrow peak of a row: its centre and its height above the valleys.
type mark struct{ x, level float64 }

// ruler is a row of marks, found in rows y0..y1-1.
type ruler struct {
	x0, x1 float64
	y0, y1 int
}

// findRulers finds rows of eleven equidistant marks, bright or dark.
func findRulers(p *plane) []candidate {
	var both [2][]candidate
	parallel(2, func(k int) { both[k] = rulersOf(p, k == 0) })
	out := append(both[0], both[1]...)
	return out[:min(len(out), 4)]
}

// rulersOf finds those of bright or of dark marks.
func rulersOf(p *plane, bright bool) []candidate {
	var open, done []ruler
	var marks []mark
	line := make([]uint8, p.w)
	for y := range p.h {
		row := p.row(y)
		if !bright {
			for x, v := range row {
				line[x] = 255 - v
			}
			row = line
		}
		marks = rowMarks(marks[:0], row)
		for _, r := range equidistant(marks) {
			k := slices.IndexFunc(open, func(o ruler) bool {
				return o.y1 == y && math.Abs(o.x0-r.x0) < 2 && math.Abs(o.x1-r.x1) < 2
			})
			if k < 0 {
				r.y0, r.y1 = y, y+1
				open = append(open, r)
				continue
			}
			n := float64(open[k].y1 - open[k].y0)
			open[k].x0 += (r.x0 - open[k].x0) / (n + 1)
			open[k].x1 += (r.x1 - open[k].x1) / (n + 1)
			open[k].y1 = y + 1
		}
		open = slices.DeleteFunc(open, func(o ruler) bool {
			if o.y1 <= y {
				done = append(done, o)
				return true
			}
			return false
		})
	}
	var out []candidate
	for _, r := range append(done, open...) {
		if r.y1-r.y0 < 2 {
			continue
		}
		c := candidate{x0: r.x0, x1: r.x1, y0: float64(r.y0), y1: float64(r.y1), level: 255, quality: 0.95, style: StyleTicks}
		if !bright {
			c.level, c.back = 0, 255
		}
		out = append(out, c)
	}
	return out
}

// rowMarks appends the narrow peaks of a row.
func rowMarks(out []mark, row []uint8) []mark {
	for x := 1; x+1 < len(row); x++ {
		if int(row[x])-int(row[x-1]) < markStep/2 {
			continue
		}
		// Up from the valley before x, down again within maxMarkPx columns.
		foot := x - 1
		for foot > 0 && x-foot < 3 && row[foot-1] < row[foot] {
			foot--
		}
		low := int(row[foot])
		top, end := 0, -1
		for k := x; k < min(len(row), x+maxMarkPx+3); k++ {
			v := int(row[k])
			top = max(top, v)
			if top-low >= markStep && 2*(v-low) < top-low {
				end = k
				break
			}
		}
		if end < 0 {
			continue
		}
		for end+1 < len(row) && row[end+1] < row[end] && 4*(int(row[end])-low) > top-low {
			end++
		}
		var sum, weight float64
		half := (top + low) / 2
		for k := foot; k <= end; k++ {
			if w := float64(int(row[k]) - low); w > 0 {
				sum += w * (float64(k) + 0.5)
				weight += w
			}
		}
		if weight > 0 && top > half {
			out = append(out, mark{sum / weight, float64(top - low)})
		}
		x = end
	}
	return out
}

// Rulers in part: marks that may be missing, because something bright lies behind them, and strong marks of the image
// that may stand between them. Strokes of text are closer to one another.
const (
	maxMissingMarks  = 2
	maxOtherMarks    = 2
	minPartPitch     = 12.0
	weakMark         = 0.45 // of the ruler's median mark
	minPartMarkLevel = 0.7
)

// equidistant finds runs of eleven marks of about equal height and equal spacing, no more and hardly fewer. Weaker
// marks between them, from the image behind a ruler, do not count.
func equidistant(m []mark) []ruler {
	const least = rulerMarks - maxMissingMarks
	if len(m) < least {
		return nil
	}
	if len(m) > rulerMarks { // noise has many marks, but low ones
		levels := make([]float64, len(m))
		for k := range m {
			levels[k] = m[k].level
		}
		slices.Sort(levels)
		weak := weakMark * levels[len(levels)-least]
		m = slices.DeleteFunc(slices.Clone(m), func(k mark) bool { return k.level < weak })
	}
	var out []ruler
	for i := range m {
		for last := i + rulerMarks - 1 - maxMissingMarks; last < min(len(m), i+rulerMarks+maxOtherMarks+2); last++ {
			if m[last].x-m[i].x >= (rulerMarks-1)*minRulerPitch && isRuler(m, i, last) {
				out = append(out, ruler{x0: m[i].x, x1: m[last].x})
			}
		}
	}
	return out
}

// isRuler tells whether marks i and last are the first and the last of a ruler.
func isRuler(m []mark, i, last int) bool {
	pitch := (m[last].x - m[i].x) / (rulerMarks - 1)
	tol := max(1.1, 0.07*pitch)
	if math.Abs(m[i+1].x-m[i].x-pitch) > tol && math.Abs(m[last].x-m[last-1].x-pitch) > tol {
		return false // one end at least is regular: the quickest look
	}
	// The marks in order and the places of the ruler's, side by side.
	var levels [rulerMarks]float64
	n, found := i, 0
	for k := range rulerMarks {
		x := m[i].x + float64(k)*pitch
		for n <= last && m[n].x < x-tol {
			n++
		}
		if n <= last && m[n].x <= x+tol {
			levels[found] = m[n].level
			found++
			n++
		} else if k+1-found > maxMissingMarks {
			return false
		}
	}
	typical := median(levels[:found])
	strong := 0
	for _, k := range m[i : last+1] {
		if k.level >= weakMark*typical {
			strong++
		}
	}
	if m[i].level < weakMark*typical || m[last].level < weakMark*typical || strong-found > maxOtherMarks {
		return false
	}
	if found < rulerMarks { // a ruler in part must look all the more like one
		if pitch < minPartPitch {
			return false
		}
		for _, l := range levels[:found] {
			if l < minPartMarkLevel*typical || l > typical/minPartMarkLevel {
				return false
			}
		}
	}
	for n := range m { // no more beyond
		d := min(math.Abs(m[n].x-m[i].x+pitch), math.Abs(m[n].x-m[last].x-pitch))
		if d <= tol && m[n].level >= weakMark*typical {
			return false
		}
	}
	return true
}
