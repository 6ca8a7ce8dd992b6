package metrics

import "slices"

// intersect returns what two rectangles have in common; its area is 0 when they have nothing.
func (r Rect) intersect(o Rect) Rect {
	return Rect{X0: max(r.X0, o.X0), Y0: max(r.Y0, o.Y0), X1: min(r.X1, o.X1), Y1: min(r.Y1, o.Y1)}
}

// AnalysedArea is the number of analysed pixels of a frame: those of the analysed rectangle that are not excluded.
func (opt *Options) AnalysedArea(width, height int) int {
	a := opt.Analysed
	if a == (Rect{}) {
		a = Rect{X1: width, Y1: height}
	}
	return a.Area() - coveredArea(opt.Excluded, a)
}

// coveredArea is the area of a window that rectangles cover, each pixel counted once.
func coveredArea(rects []Rect, window Rect) int {
	var in []Rect
	var rows []int
	for _, r := range rects {
		if r = r.intersect(window); r.Area() > 0 {
			in = append(in, r)
			rows = append(rows, r.Y0, r.Y1)
		}
	}
	switch len(in) {
	case 0:
		return 0
	case 1:
		return in[0].Area()
	}
	slices.Sort(rows)
	slices.SortFunc(in, func(a, b Rect) int { return a.X0 - b.X0 })
	area := 0
	for k := 1; k < len(rows); k++ { // the same rectangles cover all rows of a band
		y, width, reach := rows[k-1], 0, window.X0
		for _, r := range in {
			if r.Y0 <= y && y < r.Y1 {
				width += max(0, r.X1-max(r.X0, reach))
				reach = max(reach, r.X1)
			}
		}
		area += width * (rows[k] - y)
	}
	return area
}

// besideExcluded tells whether an object has a pixel in an excluded rectangle or beside it.
func (g *gauge) besideExcluded(box Rect, spans []span) bool {
	for _, r := range g.excluded {
		r = Rect{X0: r.X0 - 1, Y0: r.Y0 - 1, X1: r.X1 + 1, Y1: r.Y1 + 1}
		if r.intersect(box).Area() == 0 {
			continue
		}
		for _, s := range spans {
			if int(s.y) >= r.Y0 && int(s.y) < r.Y1 && int(s.x0) < r.X1 && int(s.x1) > r.X0 {
				return true
			}
		}
	}
	return false
}

// milesLantuejoul is the number of places a bounding box could take in the analysed area's interior, over those
// where it would not touch the border: the pixel-exact form, unbiased when touching means having a pixel in the first
// or last row or column. An excluded rectangle takes its own area from the places, and from those without touching all
// where the bounding box would overlap it or lie beside it.
func milesLantuejoul(box, analysed Rect, excluded []Rect) float64 {
	inner := Rect{X0: analysed.X0 + 1, Y0: analysed.Y0 + 1, X1: analysed.X1 - 1, Y1: analysed.Y1 - 1}
	w, h := box.X1-box.X0, box.Y1-box.Y0
	free := Rect{X0: inner.X0, Y0: inner.Y0, X1: inner.X1 - w + 1, Y1: inner.Y1 - h + 1} // of the upper left corner
	all, clear := inner.Area(), free.Area()
	if len(excluded) > 0 {
		touching := make([]Rect, len(excluded))
		for k, r := range excluded {
			touching[k] = Rect{X0: r.X0 - w, Y0: r.Y0 - h, X1: r.X1 + 1, Y1: r.Y1 + 1}
		}
		all -= coveredArea(excluded, inner)
		clear -= coveredArea(touching, free)
	}
	return float64(all) / float64(max(clear, 1))
}
