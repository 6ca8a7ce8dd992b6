package scalebar

import (
	"math"
	"slices"
)

// crop resamples a line to the reader's rows: stretched grey levels, and their number of columns. Where the
// ground is uneven it adds a second picture from which the grey levels on the ground's side are cut: burned-in text
// is of one grey level, what is behind it is not. pad is the margin on either side, in units of the digits' height.
func (p *plane) crop(l textLine, pad float64) (plain, cut []uint8, cols int) {
	z := (lineBase - lineTop) / l.size()
	xa := float64(l.x0) - pad*l.size()
	cols = int(math.Round((float64(l.w())+2*pad*l.size())*z/4)) * 4
	cols = min(max(cols, lineRows), maxLineCols)
	ya := l.top - lineTop/z
	n := max(1, int(math.Ceil(1/z)))
	out := make([]float64, lineRows*cols)
	for y := range lineRows {
		for x := range cols {
			var s float64
			for ky := range n {
				for kx := range n {
					s += p.bilinear(xa+(float64(x)+(float64(kx)+0.5)/float64(n))/z, ya+(float64(y)+(float64(ky)+0.5)/float64(n))/z)
				}
			}
			if s /= float64(n * n); !l.bright {
				s = 255 - s
			}
			out[y*cols+x] = s
		}
	}
	plain = stretch(out)
	s := slices.Clone(out)
	slices.Sort(s)
	low, top, ground := s[len(s)*2/100], s[len(s)*98/100], s[len(s)*6/10]
	floor := top - 0.3*(top-low)
	if ground < low+0.35*(top-low) {
		return plain, nil, cols
	}
	for k, v := range out {
		out[k] = max(v, floor)
	}
	return plain, stretch(out), cols
}

// stretch maps the 2nd and 98th percentile to 32 and 224.
func stretch(v []float64) []uint8 {
	s := slices.Clone(v)
	slices.Sort(s)
	at := func(q float64) float64 {
		r := q * float64(len(s)-1)
		k := int(r)
		return s[k] + (r-float64(k))*(s[min(k+1, len(s)-1)]-s[k])
	}
	lo, hi := at(0.02), at(0.98)
	gain := 192 / max(hi-lo, 4)
	out := make([]uint8, len(v))
	for k, x := range v {
		out[k] = uint8(min(max((x-lo)*gain+32, 0), 255))
	}
	return out
}

// bilinear samples at image coordinates (the first pixel's centre is 0.5, 0.5); beyond the border its pixels repeat.
func (p *plane) bilinear(x, y float64) float64 {
	x, y = x-0.5, y-0.5
	fx, fy := math.Floor(x), math.Floor(y)
	ax, ay := x-fx, y-fy
	x0, y0 := int(fx), int(fy)
	x1, y1 := min(max(x0+1, 0), p.w-1), min(max(y0+1, 0), p.h-1)
	x0, y0 = min(max(x0, 0), p.w-1), min(max(y0, 0), p.h-1)
	r0, r1 := p.pix[y0*p.w:], p.pix[y1*p.w:]
	return (1-ay)*((1-ax)*float64(r0[x0])+ax*float64(r0[x1])) + ay*((1-ax)*float64(r1[x0])+ax*float64(r1[x1]))
}
