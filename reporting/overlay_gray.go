package reporting

import "github.com/uni-aims/aimsd/metrics"

// Palette of overlays: greys first, then marks, then object colours.
const (
	grays        = 240
	indexBlack   = grays
	indexWhite   = grays + 1
	indexBox     = grays + 2
	indexObject  = grays + 3 // first object colour
	objectColors = 6
	plainGray    = grays / 5 // background without a picture
)

// dimmed is how bright the picture outside the analysed area is shown, in 1/256.
const dimmed = 150

// drawGray fills the image with the stretched picture, averaged over factor x factor px.
func (d *drawing) drawGray() {
	switch {
	case d.Gray8 != nil:
		drawStretched(d, d.Gray8, 1<<8)
	case d.Gray16 != nil:
		drawStretched(d, d.Gray16, 1<<16)
	default:
		for i := range d.img.Pix {
			d.img.Pix[i] = plainGray
		}
	}
}

func drawStretched[T uint8 | uint16](d *drawing, src []T, levels int) {
	lut := stretch(histogramOf(src, levels, d.Width, d.Analysed))
	parallelRows(d.h, func(y0, y1 int) {
		for y := y0; y < y1; y++ {
			dst := d.img.Pix[y*d.img.Stride:][:d.w]
			if d.factor == 1 {
				for x, v := range src[y*d.Width:][:d.Width] {
					dst[x] = lut[v]
				}
			} else {
				averageRow(dst, src, lut, y, d.factor, d.Width, d.Height)
			}
			d.dimOutside(dst, y)
		}
	})
}

// averageRow reduces the frame's rows y*f..y*f+f-1 to one row; the frame's last, incomplete blocks are
// averaged over what there is.
func averageRow[T uint8 | uint16](dst []uint8, src []T, lut []uint8, y, f, width, height int) {
	rows := src[y*f*width : min((y+1)*f, height)*width]
	for x := range dst {
		left, right := x*f, min((x+1)*f, width)
		sum, n := 0, 0
		for at := 0; at < len(rows); at += width {
			for _, v := range rows[at+left : at+right] {
				sum += int(lut[v])
			}
			n += right - left
		}
		dst[x] = uint8((sum + n/2) / n)
	}
}

// dimOutside darkens what was not analysed.
func (d *drawing) dimOutside(row []uint8, y int) {
	x0, x1 := d.Analysed.X0/d.factor, (d.Analysed.X1+d.factor-1)/d.factor
	if y < d.Analysed.Y0/d.factor || y >= (d.Analysed.Y1+d.factor-1)/d.factor {
		x0, x1 = d.w, d.w
	}
	dim := func(row []uint8) {
		for x, v := range row {
			row[x] = uint8(int(v) * dimmed >> 8)
		}
	}
	dim(row[:max(0, min(x0, d.w))])
	dim(row[max(0, min(x1, d.w)):])
	for _, r := range d.Excluded {
		if a0, b0, a1, b1 := d.reduced(r); y >= b0 && y < b1 && a0 < a1 {
			dim(row[a0:a1])
		}
	}
}

// histogramOf counts the grey values of the analysed area, of at most about four million pixels of it.
func histogramOf[T uint8 | uint16](src []T, levels, width int, area metrics.Rect) []int {
	counts := make([]int, levels)
	step := max(1, area.Area()>>22)
	for y := area.Y0; y < area.Y1; y += step {
		for _, v := range src[y*width+area.X0 : y*width+area.X1] {
			counts[v]++
		}
	}
	return counts
}

// stretch returns the table from grey value to palette index that shows the 1st percentile black and the
// 99th white. A constant picture keeps its own brightness.
func stretch(counts []int) []uint8 {
	total := 0
	for _, c := range counts {
		total += c
	}
	lo, hi, seen := -1, len(counts)-1, 0
	for v, c := range counts {
		seen += c
		if lo < 0 && seen > total/100 {
			lo = v
		}
		if seen >= total-total/100 {
			hi = v
			break
		}
	}
	lo = max(lo, 0)
	if hi <= lo {
		lo, hi = 0, len(counts)-1
	}
	lut := make([]uint8, len(counts))
	for v := range lut {
		lut[v] = uint8(min(max(v-lo, 0), hi-lo) * (grays - 1) / (hi - lo))
	}
	return lut
}
