package milling

import (
	"math"

	"github.com/uni-aims/aimsd/metrics"
)

// orientedRect is a rectangle seen along the scan direction: u from the edge where milling begins, v across.
type orientedRect struct {
	metrics.Rect
	length, across int
	alongY, ahead  bool
}

// oriented turns r along the plan's scan direction.
func (p *Plan) oriented(r metrics.Rect) orientedRect {
	o := orientedRect{Rect: r}
	o.alongY, o.ahead = p.along()
	o.length, o.across = r.X1-r.X0, r.Y1-r.Y0
	if o.alongY {
		o.length, o.across = o.across, o.length
	}
	return o
}

// at is the px at distance u and v.
func (o *orientedRect) at(u, v int) (x, y int) {
	switch {
	case o.alongY && o.ahead:
		return o.X0 + v, o.Y0 + u
	case o.alongY:
		return o.X0 + v, o.Y1 - 1 - u
	case o.ahead:
		return o.X0 + u, o.Y0 + v
	}
	return o.X1 - 1 - u, o.Y0 + v
}

// extended adds n px at the far edge.
func (o orientedRect) extended(n int) orientedRect {
	o.length += n
	switch {
	case o.alongY && o.ahead:
		o.Y1 += n
	case o.alongY:
		o.Y0 -= n
	case o.ahead:
		o.X1 += n
	default:
		o.X0 -= n
	}
	return o
}

// inner leaves out n px on both sides of the scan direction.
func (o orientedRect) inner(n int) orientedRect {
	o.across -= 2 * n
	if o.alongY {
		o.X0, o.X1 = o.X0+n, o.X1-n
	} else {
		o.Y0, o.Y1 = o.Y0+n, o.Y1-n
	}
	return o
}

// columnPx is how many px across one column of the front has.
func (o *orientedRect) columnPx() int { return max(1, (o.across+columns-1)/columns) }

// part is the rectangle between two distances.
func (o *orientedRect) part(from, to int) metrics.Rect {
	x0, y0 := o.at(from, 0)
	x1, y1 := o.at(to-1, o.across-1)
	return metrics.Rect{X0: min(x0, x1), Y0: min(y0, y1), X1: max(x0, x1) + 1, Y1: max(y0, y1) + 1}
}

// component is the part of a displacement along the scan direction.
func (o *orientedRect) component(dx, dy float64) float64 {
	v := dx
	if o.alongY {
		v = dy
	}
	if !o.ahead {
		return -v
	}
	return v
}

// region is the plan's region in a frame, whole px.
func (p *Plan) region(area metrics.Rect) orientedRect {
	w, h := float64(area.X1-area.X0), float64(area.Y1-area.Y0)
	round := func(v float64) int { return int(math.Round(v)) }
	return p.oriented(metrics.Rect{
		X0: area.X0 + round(p.ROI.Left*w), Y0: area.Y0 + round(p.ROI.Top*h),
		X1: area.X0 + round((p.ROI.Left+p.ROI.Width)*w), Y1: area.Y0 + round((p.ROI.Top+p.ROI.Height)*h),
	})
}
