package tiling

import "fmt"

// Rect is a half-open pixel rectangle: columns X0..X1-1, rows Y0..Y1-1.
type Rect struct{ X0, Y0, X1, Y1 int }

// Grid says how a frame is cut. All values are px.
type Grid struct {
	Width, Height int // of the frame
	Tile          int // longest side of a tile, a multiple of Stride
	Margin        int // at each inner tile edge, without weight
	Fade          int // cross-fade between two neighbours' margins
	Stride        int // of the network: tiles start at its multiples
	Shift         int // moves the inner tile borders; for tests of the seams
}

// Tile is one tile of a grid. It may reach over the frame's right and lower edge (padding).
type Tile struct {
	X0, Y0 int // origin in the frame
	W, H   int
	x, y   span
}

// span is one tile's extent along an axis: weight rises from 0 to 1 over [in0, in1) and falls to 0 over
// [out0, out1), in frame px. Neighbouring spans' ramps are complementary.
type span struct{ start, length, in0, in1, out0, out1 int }

// Core returns the part of the frame where the tile has weight.
func (t Tile) Core() Rect { return Rect{t.x.in0, t.y.in0, t.x.out1, t.y.out1} }

// Validate reports what is wrong with the grid.
func (g Grid) Validate() error {
	switch {
	case g.Width <= 0 || g.Height <= 0:
		return fmt.Errorf("tiling: frame of %dx%d px is empty", g.Width, g.Height)
	case g.Stride <= 0 || g.Tile%g.Stride != 0:
		return fmt.Errorf("tiling: tile of %d px is not a multiple of the network's stride %d", g.Tile, g.Stride)
	case g.Margin < 0 || g.Fade < 0 || g.Shift < 0:
		return fmt.Errorf("tiling: negative margin, fade or shift")
	case g.Tile < g.least():
		return fmt.Errorf("tiling: tile of %d px is too small for margin %d and fade %d: use at least %d",
			g.Tile, g.Margin, g.Fade, g.least())
	}
	return nil
}

// overlap of two neighbouring tiles, a multiple of the stride.
func (g Grid) overlap() int { return g.up(2*g.Margin + g.Fade) }

// least is the smallest side of a tile with neighbours: shorter, and the cross-fades of three could meet.
func (g Grid) least() int { return g.up(g.overlap() + 2*(g.Fade+g.Stride)) }

// up rounds up to the stride, down rounds down.
func (g Grid) up(v int) int   { return (v + g.Stride - 1) / g.Stride * g.Stride }
func (g Grid) down(v int) int { return v / g.Stride * g.Stride }

// side is the shortest side that covers n px, a multiple of the stride, in no more tiles than the longest does:
// long tiles have fewer margins, tiles that fit overlap no more than they must.
func (g Grid) side(n int) int {
	o := g.overlap()
	count := (n - o + g.Tile - o - 1) / (g.Tile - o)
	return max(g.up((n+(count-1)*o+count-1)/count), g.least())
}

// Tiles returns the tiles in row order. A frame that fits into one tile gives a single tile as large as the
// frame, rounded up to the stride.
func (g Grid) Tiles() ([]Tile, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	xs, ys := g.spans(g.Width), g.spans(g.Height)
	tiles := make([]Tile, 0, len(xs)*len(ys))
	for _, y := range ys {
		for _, x := range xs {
			tiles = append(tiles, Tile{X0: x.start, Y0: y.start, W: x.length, H: y.length, x: x, y: y})
		}
	}
	return tiles, nil
}

// spans cuts one axis of n px.
func (g Grid) spans(n int) []span {
	padded := g.up(n)
	if padded <= g.Tile {
		return []span{{start: 0, length: padded, in0: 0, in1: 0, out0: n, out1: n}}
	}
	side := g.side(padded)
	starts := g.starts(padded-side, side-g.overlap())
	spans := make([]span, len(starts))
	for i, s := range starts {
		spans[i] = span{start: s, length: side, in0: 0, in1: 0, out0: n, out1: n}
		if i == 0 {
			continue
		}
		mid := (s + starts[i-1] + side) / 2
		spans[i-1].out0, spans[i-1].out1 = mid-g.Fade/2, mid-g.Fade/2+g.Fade
		spans[i].in0, spans[i].in1 = spans[i-1].out0, spans[i-1].out1
	}
	return spans
}

// starts returns the tiles' origins from 0 to last, no further apart than a step and evenly spaced, so
// that no two tiles overlap much more than the others. With a Shift, the second tile is drawn in by it.
func (g Grid) starts(last, step int) []int {
	starts := []int{0}
	if g.Shift > 0 {
		first := g.down(step - g.Shift%step)
		if first > g.Fade && first+g.Fade < last {
			starts = append(starts, first)
		}
	}
	from := starts[len(starts)-1]
	count := (last - from + step - 1) / step
	for i := 1; i <= count; i++ {
		starts = append(starts, from+g.down((last-from)*i/count))
	}
	return starts
}
