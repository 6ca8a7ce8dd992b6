package drift

import (
	"fmt"

	"github.com/uni-aims/aimsd/metrics"
)

// Image is one grey frame; exactly one of Gray8 and Gray16 is set, row-major, stride Width.
type Image struct {
	Width, Height int
	Gray8         []uint8
	Gray16        []uint16
}

// validate tells whether sizes and slices fit each other.
func (m *Image) validate() error {
	n := len(m.Gray8) + len(m.Gray16)
	switch {
	case m.Width <= 0 || m.Height <= 0:
		return fmt.Errorf("drift: image of %dx%d px: width and height must be positive", m.Width, m.Height)
	case (m.Gray8 == nil) == (m.Gray16 == nil):
		return fmt.Errorf("drift: image of %dx%d px: set exactly one of Gray8 and Gray16", m.Width, m.Height)
	case n%m.Width != 0 || n/m.Width != m.Height:
		return fmt.Errorf("drift: image of %dx%d px: %d pixels given, width times height are needed", m.Width, m.Height, n)
	}
	return nil
}

// row copies pixels x0..x0+len(dst)-1 of row y.
func (m *Image) row(dst []float64, x0, y int) {
	at := y*m.Width + x0
	if m.Gray8 != nil {
		for i, v := range m.Gray8[at : at+len(dst)] {
			dst[i] = float64(v)
		}
		return
	}
	for i, v := range m.Gray16[at : at+len(dst)] {
		dst[i] = float64(v)
	}
}

// reduce averages s x s pixels of the area into one value, row-major in dst.
func (m *Image) reduce(dst []float64, area metrics.Rect, s, width, height, workers int) {
	parallel(workers, height, func(_, y int) {
		sums := dst[y*width : (y+1)*width]
		clear(sums)
		for dy := range s {
			at := (area.Y0+y*s+dy)*m.Width + area.X0
			if m.Gray8 != nil {
				addBlocks(sums, m.Gray8[at:at+width*s], s)
			} else {
				addBlocks(sums, m.Gray16[at:at+width*s], s)
			}
		}
		scale := 1 / float64(s*s)
		for x := range sums {
			sums[x] *= scale
		}
	})
}

func addBlocks[T uint8 | uint16](sums []float64, line []T, s int) {
	for x := range sums {
		var n int
		for _, v := range line[x*s : x*s+s] {
			n += int(v)
		}
		sums[x] += float64(n)
	}
}
