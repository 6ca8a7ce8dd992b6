package agent

import (
	"io"
	"math"
	"slices"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// picture is a grey image of its own; width 0 is none.
type picture struct {
	width, height int
	gray8         []uint8
	gray16        []uint16
	reducedBy     int // pixels of the original along a side of one
}

func (p picture) bytes() int64 { return int64(len(p.gray8)) + 2*int64(len(p.gray16)) }

func (p picture) save(path string) error {
	return writeFile(path, func(w io.Writer) error {
		if p.gray16 != nil {
			return tiff.EncodeGray16(w, p.gray16, p.width, p.height, tiff.GrayOptions{})
		}
		return tiff.EncodeGray8(w, p.gray8, p.width, p.height, tiff.GrayOptions{})
	})
}

// reduced copies a frame's pixels, averaged over squares so that at most maxBytes are left; 0: as they are.
func reduced(f *stream.Frame, maxBytes int) picture {
	if f == nil || !hasPixels(f) {
		return picture{}
	}
	by := 1
	if size := len(f.Gray8) + 2*len(f.Gray16); maxBytes > 0 && size > maxBytes {
		by = int(math.Ceil(math.Sqrt(float64(size) / float64(maxBytes))))
	}
	p := picture{width: f.Width, height: f.Height, reducedBy: by}
	if by == 1 {
		p.gray8, p.gray16 = slices.Clone(f.Gray8), slices.Clone(f.Gray16)
		return p
	}
	p.width, p.height = max(f.Width/by, 1), max(f.Height/by, 1)
	if f.Gray16 != nil {
		p.gray16 = binned(f.Gray16, f.Width, f.Height, p.width, p.height, by)
	} else {
		p.gray8 = binned(f.Gray8, f.Width, f.Height, p.width, p.height, by)
	}
	return p
}

// binned averages squares of by x by pixels, fewer at a side shorter than that.
func binned[T uint8 | uint16](pix []T, width, height, toWidth, toHeight, by int) []T {
	out := make([]T, toWidth*toHeight)
	if by == 2 && width > 1 && height > 1 { // the common case, four times as fast
		for y := range toHeight {
			a, b := pix[2*y*width:][:2*toWidth], pix[(2*y+1)*width:][:2*toWidth]
			to := out[y*toWidth:][:toWidth]
			for x := range to {
				to[x] = T((uint32(a[2*x]) + uint32(a[2*x+1]) + uint32(b[2*x]) + uint32(b[2*x+1])) / 4)
			}
		}
		return out
	}
	sums := make([]uint32, toWidth)
	rows, columns := min(by, height), min(by, width)
	for y := range toHeight {
		clear(sums)
		for dy := range rows {
			row := pix[(y*by+dy)*width:]
			for x := range sums {
				var sum uint32
				for _, v := range row[x*by : x*by+columns] {
					sum += uint32(v)
				}
				sums[x] += sum
			}
		}
		n := uint32(rows * columns)
		for x, sum := range sums {
			out[y*toWidth+x] = T(sum / n)
		}
	}
	return out
}
