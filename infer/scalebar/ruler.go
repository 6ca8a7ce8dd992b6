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
	bright bool
}

// findRulers finds rows of eleven equidistant marks, bright or dark.
func findRulers(p *plane) []candidate {
	var out []candidate
	line := make([]uint8, p.w)
	var marks []mark
	for _, bright := range []bool{true, false} {
		var open, done []ruler
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
					r.y0, r.y1, r.bright = y, y+1, bright
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
	}
	return out[:min(len(out), 4)]
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

// equidistant finds runs of exactly eleven marks of equal height and spacing. Weaker marks between them, from
// the image behind a ruler, are left out.
func equidistant(all []mark) []ruler {
	if len(all) < rulerMarks {
		return nil
	}
	top := 0.0
	for _, m := range all {
		top = max(top, m.level)
	}
	m := make([]mark, 0, len(all))
	for _, k := range all {
		if k.level >= 0.6*top {
			m = append(m, k)
		}
	}
	var out []ruler
	for i := 0; i+rulerMarks <= len(m); i++ {
		pitch := (m[i+rulerMarks-1].x - m[i].x) / (rulerMarks - 1)
		if pitch < minRulerPitch {
			continue
		}
		tol := max(1.1, 0.07*pitch)
		ok := true
		for k := 1; ok && k < rulerMarks; k++ {
			ok = math.Abs(m[i+k].x-m[i].x-float64(k)*pitch) <= tol
		}
		more := func(x float64) bool {
			return slices.ContainsFunc(m, func(k mark) bool { return math.Abs(k.x-x) <= tol })
		}
		if ok && !more(m[i].x-pitch) && !more(m[i+rulerMarks-1].x+pitch) {
			out = append(out, ruler{x0: m[i].x, x1: m[i+rulerMarks-1].x})
		}
	}
	return out
}
