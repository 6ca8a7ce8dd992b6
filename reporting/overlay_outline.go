package reporting

import "math"

// drawOutlines colours the pixels of every object that lie within its stroke of something else.
func (d *drawing) drawOutlines() {
	if len(d.Objects) == 0 {
		return
	}
	labels := d.reducedLabels()
	pens := d.pens(labels)
	parallelRows(d.h, func(y0, y1 int) {
		for y := y0; y < y1; y++ {
			row := labels[y*d.w:][:d.w]
			dst := d.img.Pix[y*d.img.Stride:][:d.w]
			for x, l := range row {
				if l <= 0 || int(l) >= len(pens) {
					continue
				}
				p := pens[l]
				if !isOutline(labels, d.w, d.h, x, y, l, p.stroke) {
					continue
				}
				dst[x] = p.colour
				if p.dash > 0 && (x/p.dash+y/p.dash)%2 == 1 {
					dst[x] = indexBlack
				}
			}
		}
	})
}

// pen is how one object is outlined.
type pen struct {
	colour uint8
	stroke int
	dash   int // px of colour and of black in turn; 0: solid
}

// pens chooses stroke and colour of every label. Small objects get a thin line, or they would be all
// outline.
func (d *drawing) pens(labels []int32) []pen {
	top := 0
	for i := range d.Objects {
		top = max(top, d.Objects[i].Label)
	}
	if top > len(d.Labels) { // a label beyond the pixels that could carry it
		top = 0
	}
	stroke := line(max(d.w, d.h))
	colours := colourNeighbours(adjacent(labels, d.w, d.h, reach(d.w, d.h)), top)
	pens := make([]pen, top+1)
	for i := range d.Objects {
		o := &d.Objects[i]
		if o.Label <= 0 || o.Label > top {
			continue
		}
		p := pen{colour: indexObject + colours[o.Label], stroke: stroke}
		if diameter := math.Sqrt(max(o.Area, 0)) / float64(d.factor); diameter < float64(10*stroke) {
			p.stroke = max(1, int(diameter/10))
		}
		if o.Edge {
			p.dash = 3 * stroke
		}
		pens[o.Label] = p
	}
	return pens
}

// reducedLabels takes the label at the middle of every block of the overlay's reduction.
func (d *drawing) reducedLabels() []int32 {
	if d.factor == 1 {
		return d.Labels
	}
	out := make([]int32, d.w*d.h)
	parallelRows(d.h, func(y0, y1 int) {
		for y := y0; y < y1; y++ {
			src := d.Labels[min(y*d.factor+d.factor/2, d.Height-1)*d.Width:][:d.Width]
			dst := out[y*d.w:][:d.w]
			for x := range dst {
				dst[x] = src[min(x*d.factor+d.factor/2, d.Width-1)]
			}
		}
	})
	return out
}

// isOutline reports whether something other than label l, the frame's border included, lies within stroke
// px of (x, y) along an axis or, for wide strokes, along a diagonal.
func isOutline(labels []int32, w, h, x, y int, l int32, stroke int) bool {
	if x < stroke || y < stroke || x >= w-stroke || y >= h-stroke {
		return true
	}
	at := y*w + x
	for k := 1; k <= stroke; k++ {
		if labels[at-k] != l || labels[at+k] != l || labels[at-k*w] != l || labels[at+k*w] != l {
			return true
		}
	}
	for k := 1; k < stroke; k++ {
		if labels[at-k*w-k] != l || labels[at-k*w+k] != l || labels[at+k*w-k] != l || labels[at+k*w+k] != l {
			return true
		}
	}
	return false
}
