package simulate

import (
	"math"
	"math/rand/v2"
)

// pattern is the milled rectangle in frame 1's px, and the way its points are counted: along from the starting edge
// toward the far one, across from its left (or upper) side.
type pattern struct {
	Rect
	direction         string
	left, top         float64 // px
	right, bottom     float64
	length, breadth   float64 // along and across
	alongX, alongY    float64 // unit vector along the scan direction; the one across is positive
	originX, originY  float64 // where along and across are 0
	acrossX, acrossY  float64
	imageW, imageRows float64
}

// newPattern places the pattern of a run: the given one, or one drawn with room around it.
func newPattern(rng *rand.Rand, s Milling) pattern {
	p := pattern{Rect: s.Pattern, direction: s.ScanDirection, imageW: float64(s.Width), imageRows: float64(s.imageRows())}
	f := func(lo, hi float64) float64 { return lo + (hi-lo)*rng.Float64() }
	direction := ScanDirections()[rng.IntN(4)]
	along, across := f(0.24, 0.46), f(0.28, 0.55)
	atAlong, atAcross := f(0.18, 0.82-along), f(0.18, 0.82-across)
	if p.direction == "" {
		p.direction = direction
	}
	upright := p.direction == TopToBottom || p.direction == BottomToTop
	if p.Rect == (Rect{}) {
		p.Rect = Rect{Left: atAlong, Width: along, Top: atAcross, Height: across}
		if upright {
			p.Rect = Rect{Left: atAcross, Width: across, Top: atAlong, Height: along}
		}
	}
	p.left, p.top = p.Left*p.imageW, p.Top*p.imageRows
	p.right, p.bottom = p.left+p.Width*p.imageW, p.top+p.Height*p.imageRows
	p.originX, p.originY = p.left, p.top
	p.length, p.breadth = p.bottom-p.top, p.right-p.left
	p.acrossX, p.alongY = 1, 1
	if !upright {
		p.length, p.breadth = p.breadth, p.length
		p.acrossX, p.acrossY, p.alongX, p.alongY = 0, 1, 1, 0
	}
	switch p.direction {
	case BottomToTop:
		p.originY, p.alongY = p.bottom, -1
	case RightToLeft:
		p.originX, p.alongX = p.right, -1
	}
	return p
}

// place turns a point of the sample (frame 1's px) into along and across.
func (p pattern) place(x, y float64) (along, across float64) {
	x, y = x-p.originX, y-p.originY
	return x*p.alongX + y*p.alongY, x*p.acrossX + y*p.acrossY
}

// apart is how far a point of the sample lies from the pattern, px; 0 inside.
func (p pattern) apart(x, y float64) float64 {
	return math.Hypot(max(p.left-x, 0, x-p.right), max(p.top-y, 0, y-p.bottom))
}
