package scalebar

import (
	"fmt"
	"math"
)

// Image is a grey image; exactly one of Gray8 and Gray16 is set, row-major, without padding.
type Image struct {
	Width, Height int
	Gray8         []uint8
	Gray16        []uint16
}

// Limits of what is read. maxWorkPx is the longer side, in px, of the image that candidates are searched in.
const (
	minSidePx = 32
	maxSidePx = 1 << 16
	maxWorkPx = 2600
)

func (m Image) validate() error {
	if m.Width < minSidePx || m.Height < minSidePx || m.Width > maxSidePx || m.Height > maxSidePx {
		return fmt.Errorf("scale bar: image of %dx%d px: give one of %d..%d px a side", m.Width, m.Height, minSidePx, maxSidePx)
	}
	if (m.Gray8 == nil) == (m.Gray16 == nil) {
		return fmt.Errorf("scale bar: give either 8-bit or 16-bit pixels")
	}
	if n := max(len(m.Gray8), len(m.Gray16)); n < m.Width*m.Height {
		return fmt.Errorf("scale bar: %d pixels do not fill %dx%d: give all rows, without padding", n, m.Width, m.Height)
	}
	return nil
}

// plane is an 8-bit image, row-major, and the least length of a bar in it.
type plane struct {
	w, h   int
	pix    []uint8
	minBar int
	panel  bool // bars and text are drawn in the same ink
}

func (p *plane) row(y int) []uint8 { return p.pix[y*p.w : (y+1)*p.w] }

// work reduces the image to 8 bits and, by averaging blocks, to at most maxWorkPx a side. It returns the
// factor by which coordinates of the result are multiplied to get those of the image.
func (m Image) work() (*plane, int) {
	f := (max(m.Width, m.Height) + maxWorkPx - 1) / maxWorkPx
	if m.Gray8 != nil {
		if f <= 1 {
			return &plane{w: m.Width, h: m.Height, pix: m.Gray8[:m.Width*m.Height], minBar: minBarPx}, 1
		}
		return shrink(m.Gray8, m.Width, m.Height, f, 0, 1), f
	}
	lo, hi := range16(m.Gray16[:m.Width*m.Height])
	return shrink(m.Gray16, m.Width, m.Height, max(f, 1), float64(lo), 255/math.Max(1, float64(hi-lo))), max(f, 1)
}

// shrink averages f x f blocks and maps v to (v-lo)*gain, clipped to 0..255.
func shrink[T uint8 | uint16](src []T, w, h, f int, lo, gain float64) *plane {
	out := &plane{w: w / f, h: h / f, minBar: minBarPx}
	out.pix = make([]uint8, out.w*out.h)
	bands(out.h, func(y0, y1 int) { shrinkRows(out, src, w, f, lo, gain, y0, y1) })
	return out
}

// shrinkRows fills rows y0..y1-1 of out.
func shrinkRows[T uint8 | uint16](out *plane, src []T, w, f int, lo, gain float64, y0, y1 int) {
	sums := make([]uint32, out.w)
	for y := y0; y < y1; y++ {
		clear(sums)
		for k := range f {
			row := src[(y*f+k)*w:][:out.w*f]
			for x := range sums {
				var s uint32
				for _, v := range row[x*f:][:f] {
					s += uint32(v)
				}
				sums[x] += s
			}
		}
		dst, scale := out.row(y), 1/float64(f*f)
		for x, s := range sums {
			dst[x] = uint8(min(max((float64(s)*scale-lo)*gain+0.5, 0), 255))
		}
	}
}

// range16 is the grey range that holds all but one in two thousand pixels at either end.
func range16(pix []uint16) (lo, hi uint16) {
	hist := make([]int, 1<<16)
	for _, v := range pix {
		hist[v]++
	}
	cut := len(pix) / 2000
	for n, k := 0, 0; k < 1<<16; k++ {
		if n += hist[k]; n > cut {
			lo = uint16(k)
			break
		}
	}
	for n, k := 0, 1<<16-1; k >= 0; k-- {
		if n += hist[k]; n > cut {
			hi = uint16(k)
			break
		}
	}
	return lo, hi
}

// columnMeans averages rows y0..y1-1 of the image at full resolution over columns x0..x1-1 (all clipped to
// the image). The first value belongs to the returned column.
func (m Image) columnMeans(x0, x1, y0, y1 int) ([]float64, int) {
	x0, x1 = max(x0, 0), min(x1, m.Width)
	y0, y1 = max(y0, 0), min(y1, m.Height)
	if x1 <= x0 || y1 <= y0 {
		return nil, x0
	}
	out := make([]float64, x1-x0)
	for y := y0; y < y1; y++ {
		at := y * m.Width
		if m.Gray8 != nil {
			for x, v := range m.Gray8[at+x0 : at+x1] {
				out[x] += float64(v)
			}
		} else {
			for x, v := range m.Gray16[at+x0 : at+x1] {
				out[x] += float64(v)
			}
		}
	}
	for x := range out {
		out[x] /= float64(y1 - y0)
	}
	return out, x0
}
