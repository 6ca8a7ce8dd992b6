package metrics

import "math"

// Turns of a crack contour: what the boundary does at the end of each pixel side.
const (
	straight uint8 = iota
	rightTurn
	leftTurn
)

// outline is the outer boundary of an 8-connected component as the closed path along pixel sides
// (cracks), clockwise as seen with the object on the right. It starts along the top side, eastward, of
// the component's first pixel (x0, y0).
//
// The same walk is the Moore trace through pixel centres: going straight moves one pixel along, a left
// turn moves diagonally, a right turn stays on the pixel.
type outline struct {
	x0, y0 int
	turns  []uint8 // turns[k] is what happens between side k and side k+1

	even, odd, changes int // Moore chain: axial steps, diagonal steps, direction changes around the loop
}

// canvas is the label image that outlines are traced on.
type canvas struct {
	labels        []int32
	width, height int
}

// trace walks the outer boundary that starts at pixel (x, y), which must be the first pixel of its
// component in raster order. turns is scratch that is reused.
func (c canvas) trace(x, y int, turns []uint8) outline {
	o := outline{x0: x, y0: y, turns: turns[:0]}
	id := c.labels[y*c.width+x]
	inside := func(x, y int) bool {
		return uint(x) < uint(c.width) && uint(y) < uint(c.height) && c.labels[y*c.width+x] == id
	}
	dx, dy := 1, 0 // heading; its left is (dy, -dx) as y points down
	first, last := -1, -1
	step := func(move int) {
		if move&1 == 0 {
			o.even++
		} else {
			o.odd++
		}
		if first < 0 {
			first = move
		} else if move != last {
			o.changes++
		}
		last = move
	}
	for d := 0; ; {
		fx, fy := x+dx, y+dy
		switch lx, ly := fx+dy, fy-dx; {
		case inside(lx, ly):
			o.turns = append(o.turns, leftTurn)
			step((2*d + 7) & 7)
			x, y = lx, ly
			d, dx, dy = (d+3)&3, dy, -dx
		case inside(fx, fy):
			o.turns = append(o.turns, straight)
			step(2 * d)
			x, y = fx, fy
		default:
			o.turns = append(o.turns, rightTurn)
			d, dx, dy = (d+1)&3, -dy, dx
		}
		if d == 0 && x == o.x0 && y == o.y0 {
			break
		}
	}
	if first != last {
		o.changes++
	}
	return o
}

// perimeter estimates the boundary's length in px after Vossepoel and Smeulders (Computer Graphics and
// Image Processing 20, 1982) from the Moore chain, plus pi for the half pixel around the chain: within
// 1 % on discs of radius 2 px and more; pi for a single pixel.
func (o *outline) perimeter() float64 {
	return 0.980*float64(o.even) + 1.406*float64(o.odd) - 0.091*float64(o.changes) + math.Pi
}

// taps is how many contour vertices on each side enter the smoothed position: 3.5 px and more.
const taps = 5

// smoothingWeights returns exp(-s²/2) for s = i + j sqrt(1/2) px: sigma is 1 px.
func smoothingWeights() (g [taps + 1][taps + 1]float64) {
	for i := range g {
		for j := range g[i] {
			s := float64(i) + float64(j)*math.Sqrt2/2
			g[i][j] = math.Exp(-s * s / 2)
		}
	}
	return g
}

// smoothed returns the perimeter of the smoothed contour and that of its convex hull, in px. The contour
// is the 0.5 level polygon (the middles of the pixel sides, as marching squares draws it), each vertex
// replaced by the Gaussian mean, sigma = 1 px of arc, of the contour around it. The hull is never longer.
func (o *outline) smoothed(g *[taps + 1][taps + 1]float64, buf *hullBuffer) (contour, hull float64) {
	// Vertices in half pixels. A vertex counts with half the length of its two segments, each 1 px
	// straight on and sqrt(1/2) px across a corner.
	type vertex struct {
		x, y           float64
		length         float64
		axial, corners int // segments of either kind up to here
	}
	const ring = 2*taps + 1
	var window [ring]vertex
	n := len(o.turns)
	buf.reset()

	v := vertex{x: 1, y: 0}
	dx, dy := 1.0, 0.0
	turn := 0
	before := segment(o.turns[n-1])
	var first, last point
	for k := range n + 2*taps {
		after := segment(o.turns[turn])
		v.length = before + after
		window[k%ring] = v
		if k >= 2*taps {
			mid := &window[(k-taps)%ring]
			var sx, sy, sw float64
			for i := range window {
				u := &window[i]
				a, b := u.axial-mid.axial, u.corners-mid.corners
				w := g[max(a, -a)][max(b, -b)] * u.length
				sx += w * u.x
				sy += w * u.y
				sw += w
			}
			p := point{sx / sw / 2, sy / sw / 2}
			if k == 2*taps {
				first = p
			} else {
				contour += p.distance(last)
			}
			last = p
			buf.add(p)
		}

		switch o.turns[turn] {
		case straight:
			v.x, v.y, v.axial = v.x+2*dx, v.y+2*dy, v.axial+1
		case rightTurn:
			v.x, v.y, v.corners = v.x+dx-dy, v.y+dy+dx, v.corners+1
			dx, dy = -dy, dx
		default:
			v.x, v.y, v.corners = v.x+dx+dy, v.y+dy-dx, v.corners+1
			dx, dy = dy, -dx
		}
		before = after
		if turn++; turn == n {
			turn = 0
		}
	}
	return contour + first.distance(last), buf.perimeter()
}

func segment(turn uint8) float64 {
	if turn == straight {
		return 1
	}
	return math.Sqrt2 / 2
}
