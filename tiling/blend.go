package tiling

import "fmt"

// Blender gathers tile predictions into planes of Height rows of a frame, from row Top on.
type Blender struct {
	Width, Height int
	Top           int
	Planes        [][]float32 // one per output channel, row-major, Width*Height; zero before the first Add
}

// Add blends one tile's prediction in. pred is [len(Planes)][t.H][t.W]. Tiles of one grid may be added in
// any order, each once, but for the last digits of a sum; Add is not safe for concurrent use.
func (b *Blender) Add(t Tile, pred []float32) error {
	if len(pred) != len(b.Planes)*t.W*t.H {
		return fmt.Errorf("tiling: prediction has %d values, want %d planes of %dx%d", len(pred), len(b.Planes), t.W, t.H)
	}
	core := t.Core()
	wx := weights(t.x)
	for y := max(core.Y0, b.Top); y < min(core.Y1, b.Top+b.Height); y++ {
		wy := weight(t.y, y)
		for c, plane := range b.Planes {
			src := pred[(c*t.H+y-t.Y0)*t.W+core.X0-t.X0:][:core.X1-core.X0]
			dst := plane[(y-b.Top)*b.Width+core.X0:][:len(src)]
			if wy == 1 {
				in, out := t.x.in1-core.X0, t.x.out0-core.X0
				addWeighted(dst[:in], src[:in], wx[:in], 1)
				copy(dst[in:out], src[in:out])
				addWeighted(dst[out:], src[out:], wx[out:], 1)
				continue
			}
			addWeighted(dst, src, wx, wy)
		}
	}
	return nil
}

// weights returns the weights over [in0, out1).
func weights(s span) []float32 {
	w := make([]float32, s.out1-s.in0)
	for i := range w {
		w[i] = weight(s, s.in0+i)
	}
	return w
}

// weight is the span's weight at frame coordinate p: complementary linear ramps.
func weight(s span, p int) float32 {
	switch {
	case p < s.in0 || p >= s.out1:
		return 0
	case p < s.in1:
		return (float32(p-s.in0) + 0.5) / float32(s.in1-s.in0)
	case p >= s.out0:
		return 1 - (float32(p-s.out0)+0.5)/float32(s.out1-s.out0)
	}
	return 1
}

// addWeighted adds src*w*k to dst, element by element.
func addWeighted(dst, src, w []float32, k float32) {
	for i := range dst {
		dst[i] += src[i] * w[i] * k
	}
}
