package agent

import (
	"context"
	"fmt"
	"io"
)

// What the matrix has where no sizes are given, and the density of objects of its first table, per 2^20 px.
const (
	matrixDensity     = 135
	matrixObjectsSide = 2048
	matrixFrames      = 5 // at most
)

// benchMatrix is how the cost grows with the pixels, at a constant density of objects, and with the objects, at a
// constant size.
type benchMatrix struct {
	pixels  []benchCase
	objects [][]benchCase // by size
}

// newBenchMatrix takes the sizes; the second table is over those of fixed, or over its own one where that is empty.
func newBenchMatrix(sizes, fixed []benchCase) (m benchMatrix) {
	for _, c := range sizes {
		c.Objects = max(int(float64(c.Width)*float64(c.Height)/(1<<20)*matrixDensity), 1)
		c.Frames = min(c.frames(), matrixFrames)
		m.pixels = append(m.pixels, c)
	}
	if len(fixed) == 0 {
		fixed = []benchCase{{Width: matrixObjectsSide, Height: matrixObjectsSide, Frames: sizes[0].Frames}}
	}
	for _, c := range fixed {
		var cases []benchCase
		c.Frames = min(c.frames(), matrixFrames)
		for c.Objects = 100; c.validate() == nil && c.Objects <= 1e6; c.Objects *= 10 {
			if sparse := c.Width * c.Height / c.Objects; sparse <= 1<<16 { // a frame with next to nothing on it tells nothing
				cases = append(cases, c)
			}
		}
		m.objects = append(m.objects, cases)
	}
	return m
}

// frames is how many are measured.
func (m benchMatrix) frames() (n int) {
	for _, cases := range append([][]benchCase{m.pixels}, m.objects...) {
		for _, c := range cases {
			n += c.frames()
		}
	}
	return n
}

// Run measures and prints.
func (m benchMatrix) Run(ctx context.Context, b *bench, w io.Writer, each func(int)) error {
	table := func(title string, cases []benchCase) error {
		for i, c := range cases {
			r, err := b.measure(ctx, c, "", each)
			if err != nil {
				return err
			}
			if i == 0 {
				printMatrixHead(w, title)
			}
			r.printMatrixRow(w)
		}
		return nil
	}
	if err := table(fmt.Sprintf("cost against pixels, %d objects per 2^20 px", matrixDensity), m.pixels); err != nil {
		return err
	}
	for _, cases := range m.objects {
		if err := table("cost against objects", cases); err != nil {
			return err
		}
	}
	return nil
}
