package scalebar

import "math"

// Cover returns what a bar and its label take away from the picture, in whole px clipped to it: the bar with its end
// marks, the label, both with a margin for what blurs around them, the plate that they may stand on, and the other
// words of the label's line. Boxes that lie close together come as one.
func Cover(img Image, b *Bar) []Rect {
	if b == nil || img.validate() != nil {
		return nil
	}
	th := b.Box.Y1 - b.Box.Y0
	bar := b.Box
	if b.Style == StyleTicks {
		th = 4 // marks run from centre to centre
	}
	reach := max(3*th, 12)
	if b.TextBox != nil {
		reach = max(reach, 1.2*(b.TextBox.Y1-b.TextBox.Y0))
	}
	up, down := img.markReach(b, -1, reach), img.markReach(b, 1, reach)
	bar.Y0, bar.Y1 = bar.Y0-up, bar.Y1+down
	margin := min(max(2, 0.4*th), 6)
	boxes := []Rect{img.whole(bar, margin)}
	if t := b.TextBox; t != nil {
		text := img.whole(*t, min(max(2, 0.15*(t.Y1-t.Y0)), 8))
		all := Rect{min(text.X0, boxes[0].X0), min(text.Y0, boxes[0].Y0), max(text.X1, boxes[0].X1), max(text.Y1, boxes[0].Y1)}
		if all.area() <= 1.2*(text.area()+boxes[0].area()) {
			boxes = []Rect{all}
		} else if plate, ok := img.plate(all); ok {
			boxes = []Rect{plate}
		} else {
			boxes = append(boxes, text)
		}
	}
	for k, r := range boxes {
		if plate, ok := img.plate(r); ok {
			boxes[k] = plate
		}
	}
	for _, w := range img.words(b) {
		boxes = append(boxes, img.whole(w, min(max(2, 0.15*(w.Y1-w.Y0)), 8)))
	}
	return boxes
}

func (r Rect) area() float64 { return max(0, r.X1-r.X0) * max(0, r.Y1-r.Y0) }

// whole grows a rectangle by a margin to whole px within the image.
func (m Image) whole(r Rect, margin float64) Rect {
	return Rect{
		max(math.Floor(r.X0-margin), 0), max(math.Floor(r.Y0-margin), 0),
		min(math.Ceil(r.X1+margin), float64(m.Width)), min(math.Ceil(r.Y1+margin), float64(m.Height)),
	}
}

// markReach is how far upright strokes at both ends go beyond the bar's long side, in the direction given.
func (m Image) markReach(b *Bar, dir int, reach float64) float64 {
	if b.Style == StyleTicks || b.Style == StyleSolid {
		return 0
	}
	r0, r1 := coreRows(b.Box.Y0, b.Box.Y1, m.Height)
	v, _ := m.columnMeans(int(b.X0)+3, int(b.X0)+3+max(3, int(b.span()/10)), r0, r1)
	if len(v) == 0 {
		return 0
	}
	level := median(v)
	from := int(math.Ceil(b.Box.Y1)) + 1
	if dir < 0 {
		from = int(math.Floor(b.Box.Y0)) - 2
	}
	n := 0.0
	for k := range int(reach) {
		y := from + dir*k
		_, l := m.stroke(b.X0, 1, y, y+1, level, 12)
		_, r := m.stroke(b.X1, -1, y, y+1, level, 12)
		if !l && !r {
			break
		}
		n = float64(k + 2)
	}
	return n
}

// Plates: how alike their ground is in 8-bit grey levels, the share of it along a side, and beyond the plate.
const (
	plateTol    = 12
	minPlate    = 0.85
	maxBeyond   = 0.4
	maxPlateRel = 0.35 // of the image's width and height together
)

// plate is the even rectangle that a box stands on: the box is grown on each side while what is added has the
// ground's level. It is one only if it ends at once on every side, there or at the image's border.
func (m Image) plate(r Rect) (Rect, bool) {
	x0, y0, x1, y1 := int(r.X0), int(r.Y0), int(r.X1), int(r.Y1)
	ring := m.line(x0, y0, x1, y0+1)
	for _, l := range [][]uint16{m.line(x0, y1-1, x1, y1), m.line(x0, y0, x0+1, y1), m.line(x1-1, y0, x1, y1)} {
		ring = append(ring, l...)
	}
	tol := plateTol
	if m.Gray16 != nil {
		tol = max(1, int(plateTol/m.strips().gain))
	}
	ground, share := level16(ring, tol)
	if share < minPlate {
		return r, false
	}
	even := func(ax, ay, bx, by int) float64 {
		if ax < 0 || ay < 0 || bx > m.Width || by > m.Height {
			return -1
		}
		n := 0
		l := m.line(ax, ay, bx, by)
		for _, v := range l {
			if int(v) >= ground-tol && int(v) <= ground+tol {
				n++
			}
		}
		return float64(n) / float64(len(l))
	}
	for grown := true; grown; {
		grown = false
		for even(x0-1, y0, x0, y1) >= minPlate {
			x0, grown = x0-1, true
		}
		for even(x1, y0, x1+1, y1) >= minPlate {
			x1, grown = x1+1, true
		}
		for even(x0, y0-1, x1, y0) >= minPlate {
			y0, grown = y0-1, true
		}
		for even(x0, y1, x1, y1+1) >= minPlate {
			y1, grown = y1+1, true
		}
		if float64((x1-x0)*(y1-y0)) > maxPlateRel*float64(m.Width*m.Height) {
			return r, false
		}
	}
	// One line may be blurred.
	for _, beyond := range []float64{
		even(x0-2, y0, x0-1, y1), even(x1+1, y0, x1+2, y1), even(x0, y0-2, x1, y0-1), even(x0, y1+1, x1, y1+2),
	} {
		if beyond > maxBeyond {
			return r, false
		}
	}
	return m.whole(Rect{float64(x0), float64(y0), float64(x1), float64(y1)}, 2), true
}

// line copies a stretch of pixels.
func (m Image) line(x0, y0, x1, y1 int) []uint16 {
	var out []uint16
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			if m.Gray8 != nil {
				out = append(out, uint16(m.Gray8[y*m.Width+x]))
			} else {
				out = append(out, m.Gray16[y*m.Width+x])
			}
		}
	}
	return out
}

// level16 is the level about which most values lie within tol, and their share.
func level16(v []uint16, tol int) (level int, share float64) {
	if len(v) == 0 {
		return 0, 0
	}
	f := make([]float64, len(v))
	for k, x := range v {
		f[k] = float64(x)
	}
	level = int(median(f))
	n := 0
	for _, x := range v {
		if int(x) >= level-tol && int(x) <= level+tol {
			n++
		}
	}
	return level, float64(n) / float64(len(v))
}
