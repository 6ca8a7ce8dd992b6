package drift

import "math"

const flattenHalf = 16 // half width of the moving averages, px of the reduced frame

// flatten takes from an image its moving averages along rows and along columns, (1-Bx)(1-By), and divides by the local
// contrast. Straight vertical stripes (curtains) and line offsets vanish with the averages, and a bright particle counts no more
// than a faint one. mask, nil or 0/1 per pixel, tells which values are known; the others become 0. Two buffers of
// the image's size are overwritten. It returns the mean energy before the division: 0 for a blank image.
func flatten(v []float64, w, h int, mask, a, b []float64) float64 {
	norm := func(dst []float64, average func(dst, src []float64, w, h int)) {
		average(a, v, w, h)
		if mask != nil {
			average(b, mask, w, h)
		}
		for i := range dst {
			switch {
			case mask == nil:
				dst[i] = v[i] - a[i]
			case mask[i] > 0:
				dst[i] = v[i] - a[i]/b[i]
			default:
				dst[i] = 0
			}
		}
	}
	for i, m := range mask {
		v[i] *= m
	}
	norm(v, averageRows)
	norm(v, averageColumns)
	for i, x := range v {
		b[i] = x * x
	}
	averageRows(a, b, w, h)
	averageColumns(b, a, w, h)
	var mean float64
	for _, x := range b {
		mean += x
	}
	mean /= float64(len(b))
	if mean <= 0 {
		return 0
	}
	for i := range v {
		v[i] /= math.Sqrt(b[i] + mean)
	}
	return mean
}

// averageRows is the moving average along each row over what lies inside the image.
func averageRows(dst, src []float64, w, h int) {
	for y := range h {
		in, out := src[y*w:(y+1)*w], dst[y*w:(y+1)*w]
		var sum float64
		n := min(flattenHalf, w)
		for _, x := range in[:n] {
			sum += x
		}
		for x := range out {
			if x+flattenHalf < w {
				sum += in[x+flattenHalf]
				n++
			}
			if x > flattenHalf {
				sum -= in[x-flattenHalf-1]
				n--
			}
			out[x] = sum / float64(n)
		}
	}
}

// averageColumns is the moving average along each column over what lies inside the image.
func averageColumns(dst, src []float64, w, h int) {
	sums := make([]float64, w)
	n := min(flattenHalf, h)
	for y := range n {
		for x, v := range src[y*w : (y+1)*w] {
			sums[x] += v
		}
	}
	for y := range h {
		if e := y + flattenHalf; e < h {
			for x, v := range src[e*w : (e+1)*w] {
				sums[x] += v
			}
			n++
		}
		if s := y - flattenHalf - 1; s >= 0 {
			for x, v := range src[s*w : (s+1)*w] {
				sums[x] -= v
			}
			n--
		}
		scale := 1 / float64(n)
		out := dst[y*w : (y+1)*w]
		for x, v := range sums {
			out[x] = v * scale
		}
	}
}
