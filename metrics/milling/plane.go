package milling

import (
	"math"

	"github.com/uni-aims/aimsd/metrics"
)

// plane is a frame's analysed area, averaged over squares of bin px and smoothed a little.
type plane struct {
	w, h int
	pix  []float32
}

func (p *plane) reset(w, h int) {
	p.w, p.h = w, h
	if n := w * h; cap(p.pix) < n {
		p.pix = make([]float32, n)
	} else {
		p.pix = p.pix[:n]
	}
}

// take reads a frame's area.
func (p *plane) take(f *Frame, area metrics.Rect, bin int, scratch *plane) {
	scratch.reset((area.X1-area.X0)/bin, (area.Y1-area.Y0)/bin)
	unit := 1 / float32(bin*bin)
	if f.Gray8 != nil {
		binned(scratch, f.Gray8, f.Width, area, bin, unit/255)
	} else {
		binned(scratch, f.Gray16, f.Width, area, bin, unit/65535)
	}
	p.smooth(scratch)
}

func binned[T uint8 | uint16](dst *plane, pix []T, width int, area metrics.Rect, bin int, unit float32) {
	for y := range dst.h {
		row := dst.pix[y*dst.w : (y+1)*dst.w]
		clear(row)
		for k := range bin {
			src := pix[(area.Y0+y*bin+k)*width+area.X0:]
			if bin == 1 {
				for x := range row {
					row[x] = float32(src[x])
				}
				break
			}
			for x := range row {
				var s float32
				for _, v := range src[x*bin : (x+1)*bin] {
					s += float32(v)
				}
				row[x] += s
			}
		}
		for x := range row {
			row[x] *= unit
		}
	}
}

// smooth convolves src twice with 1 4 6 4 1 in both directions, a Gaussian of 1.4 px: noise of single px says
// nothing of where things are. The border repeats.
func (p *plane) smooth(src *plane) {
	p.reset(src.w, src.h)
	w, h := src.w, src.h
	line := make([]float32, max(w, h)+8)
	pass := func(n int, at func(i int) *float32) {
		for i := range n {
			line[4+i] = *at(i)
		}
		for i := range 4 {
			line[i], line[4+n+i] = line[4], line[3+n]
		}
		for i := range n {
			l := line[i : i+9]
			*at(i) = (l[0] + l[8] + 8*(l[1]+l[7]) + 28*(l[2]+l[6]) + 56*(l[3]+l[5]) + 70*l[4]) * (1.0 / 256)
		}
	}
	copy(p.pix, src.pix)
	for y := range h {
		row := p.pix[y*w : (y+1)*w]
		pass(w, func(i int) *float32 { return &row[i] })
	}
	p.columns()
}

// columns convolves along y, whole rows at a time.
func (p *plane) columns() {
	w, h := p.w, p.h
	src := append([]float32(nil), p.pix...)
	kernel := [9]float32{1, 8, 28, 56, 70, 56, 28, 8, 1}
	for y := range h {
		dst := p.pix[y*w : (y+1)*w]
		clear(dst)
		for k, c := range kernel {
			c *= 1.0 / 256
			row := src[min(max(y+k-4, 0), h-1)*w:]
			for x := range dst {
				dst[x] += c * row[x]
			}
		}
	}
}

// reduced averages squares of n px.
func (p *plane) reduced(src *plane, n int) {
	p.reset(src.w/n, src.h/n)
	for y := range p.h {
		for x := range p.w {
			var s float32
			for k := range n {
				for _, v := range src.pix[(y*n+k)*src.w+x*n : (y*n+k)*src.w+x*n+n] {
					s += v
				}
			}
			p.pix[y*p.w+x] = s / float32(n*n)
		}
	}
}

// noise is the variance of the noise from px to px, from the second differences in both directions (Immerkaer 1996), of
// every other row.
func (p *plane) noise() float64 {
	var sum, n float64
	for y := 1; y < p.h-1; y += 2 {
		a, b, c := p.pix[(y-1)*p.w:y*p.w], p.pix[y*p.w:(y+1)*p.w], p.pix[(y+1)*p.w:(y+2)*p.w]
		for x := 1; x < p.w-1; x++ {
			d := a[x-1] - 2*a[x] + a[x+1] - 2*(b[x-1]-2*b[x]+b[x+1]) + c[x-1] - 2*c[x] + c[x+1]
			sum += math.Abs(float64(d))
			n++
		}
	}
	if n == 0 {
		return 0
	}
	sd := sum / n * math.Sqrt(math.Pi/2) / 6
	return sd * sd
}
