package infer

import (
	"fmt"
	"math"
	"runtime"
	"sync"
)

// Image is a view of grey pixels; one of Gray8 and Gray16 is set. Stride is in pixels.
type Image struct {
	Width, Height, Stride int
	Gray8                 []uint8
	Gray16                []uint16
}

// Crop returns the view of a rectangle of the image.
func (m Image) Crop(x0, y0, x1, y1 int) Image {
	c := Image{Width: x1 - x0, Height: y1 - y0, Stride: m.Stride}
	at := y0*m.Stride + x0
	if m.Gray8 != nil {
		c.Gray8 = m.Gray8[at:]
	} else {
		c.Gray16 = m.Gray16[at:]
	}
	return c
}

func (m Image) validate() error {
	need := (m.Height-1)*m.Stride + m.Width
	if m.Width < NetworkStride || m.Height < NetworkStride {
		return fmt.Errorf("an image of %dx%d px is smaller than %dx%d", m.Width, m.Height, NetworkStride, NetworkStride)
	}
	if m.Stride < m.Width || max(len(m.Gray8), len(m.Gray16)) < need {
		return fmt.Errorf("image buffer does not hold %dx%d px", m.Width, m.Height)
	}
	return nil
}

// Range returns the grey values at the 1st and 99th percentile, interpolated linearly between ranks.
func (m Image) Range() (lo, hi float64) {
	levels := 1 << 16
	if m.Gray8 != nil {
		levels = 1 << 8
	}
	hist := make([]int, levels)
	var adding sync.Mutex
	bands(m.Height, func(y0, y1 int) {
		own := make([]int, levels)
		for y := y0; y < y1; y++ {
			if m.Gray8 != nil {
				for _, v := range m.Gray8[y*m.Stride:][:m.Width] {
					own[v]++
				}
			} else {
				for _, v := range m.Gray16[y*m.Stride:][:m.Width] {
					own[v]++
				}
			}
		}
		adding.Lock()
		defer adding.Unlock()
		for v, c := range own {
			hist[v] += c
		}
	})
	n := m.Width * m.Height
	return percentile(hist, n, 0.01), percentile(hist, n, 0.99)
}

// percentile is the quantile p of a histogram of n values, linear between ranks p(n-1).
func percentile(hist []int, n int, p float64) float64 {
	rank := p * float64(n-1)
	k := int(rank)
	frac := rank - float64(k)
	value := func(k int) float64 {
		seen := 0
		for v, c := range hist {
			if seen += c; seen > k {
				return float64(v)
			}
		}
		return float64(len(hist) - 1)
	}
	a := value(k)
	if frac == 0 || k+1 >= n {
		return a
	}
	return a + frac*(value(k+1)-a)
}

// normaliser maps grey values to (v-lo)/(hi-lo).
type normaliser struct{ lo, k float32 }

func newNormaliser(lo, hi float64) normaliser {
	return normaliser{float32(lo), float32(1 / math.Max(hi-lo, 1e-3))}
}

// plane is a normalised image at one scale: either the frame itself, read on the fly, or a resampled copy.
type plane struct {
	w, h int
	src  Image      // used when data is nil
	norm normaliser // of src
	data []float32
}

// rows is the view of rows y0..y1-1.
func (p *plane) rows(y0, y1 int) *plane {
	part := *p
	part.h = y1 - y0
	if p.data != nil {
		part.data = p.data[y0*p.w : y1*p.w]
	} else {
		part.src = p.src.Crop(0, y0, p.w, y1)
	}
	return &part
}

// row writes the plane's row y, columns x0.., to dst.
func (p *plane) row(dst []float32, x0, y int) {
	switch {
	case p.data != nil:
		copy(dst, p.data[y*p.w+x0:][:len(dst)])
	case p.src.Gray8 != nil:
		for i, v := range p.src.Gray8[y*p.src.Stride+x0:][:len(dst)] {
			dst[i] = (float32(v) - p.norm.lo) * p.norm.k
		}
	default:
		for i, v := range p.src.Gray16[y*p.src.Stride+x0:][:len(dst)] {
			dst[i] = (float32(v) - p.norm.lo) * p.norm.k
		}
	}
}

// tile writes w x h px from (x0, y0) to dst; beyond the plane's right and lower edge it is mirrored without
// repeating the edge, as the network was trained and measured.
func (p *plane) tile(dst []float32, x0, y0, w, h int) {
	inside := min(w, p.w-x0)
	bands(h, func(from, to int) {
		for y := from; y < to; y++ {
			row := dst[y*w:][:w]
			p.row(row[:inside], x0, mirror(y0+y, p.h))
			for x := inside; x < w; x++ {
				row[x] = p.at(mirror(x0+x, p.w), mirror(y0+y, p.h))
			}
		}
	})
}

func (p *plane) at(x, y int) float32 {
	var v [1]float32
	p.row(v[:], x, y)
	return v[0]
}

// mirror folds i back into 0..n-1.
func mirror(i, n int) int {
	for i < 0 || i >= n {
		if i < 0 {
			i = -i
		} else {
			i = 2*(n-1) - i
		}
	}
	return i
}

// resample returns the image at w x h px: itself, read on the fly, where that is its size.
func resample(m Image, norm normaliser, w, h int) *plane {
	switch {
	case w > m.Width || h > m.Height:
		return widen(m, norm, w, h)
	case w < m.Width || h < m.Height:
		return shrink(m, norm, w, h)
	}
	return &plane{w: m.Width, h: m.Height, src: m, norm: norm}
}

// coarser returns the image at w x h px, of which p is twice as large: each value the mean of four. It is what resample
// gives, but for rounding, in a sixteenth of the time where p is much smaller than the image.
func (p *plane) coarser(w, h int) *plane {
	out := &plane{w: w, h: h, data: make([]float32, w*h)}
	bands(h, func(y0, y1 int) {
		upper, lower := make([]float32, p.w), make([]float32, p.w)
		for y := y0; y < y1; y++ {
			p.row(upper, 0, 2*y)
			p.row(lower, 0, 2*y+1)
			dst := out.data[y*w:][:w]
			for x := range dst {
				dst[x] = (upper[2*x] + upper[2*x+1] + (lower[2*x] + lower[2*x+1])) * 0.25
			}
		}
	})
	return out
}

// widen returns the image at w x h px, larger than it is, by bilinear interpolation between pixel centres.
func widen(m Image, norm normaliser, w, h int) *plane {
	out := &plane{w: w, h: h, data: make([]float32, w*h)}
	full := &plane{w: m.Width, h: m.Height, src: m, norm: norm}
	type between struct {
		a, b int
		t    float32
	}
	at := func(n, size int) []between {
		out := make([]between, size)
		for i := range out {
			v := min(max((float64(i)+0.5)*float64(n)/float64(size)-0.5, 0), float64(n-1))
			k := min(int(v), max(n-2, 0))
			out[i] = between{k, min(k+1, n-1), float32(v - float64(k))}
		}
		return out
	}
	xs, ys := at(m.Width, w), at(m.Height, h)
	bands(h, func(y0, y1 int) {
		upper, lower := make([]float32, m.Width), make([]float32, m.Width)
		for y := y0; y < y1; y++ {
			full.row(upper, 0, ys[y].a)
			full.row(lower, 0, ys[y].b)
			for i := range upper {
				upper[i] += (lower[i] - upper[i]) * ys[y].t
			}
			dst := out.data[y*w:][:w]
			for x := range dst {
				dst[x] = upper[xs[x].a] + (upper[xs[x].b]-upper[xs[x].a])*xs[x].t
			}
		}
	})
	return out
}

// shrink returns the image at w x h px, each value the mean over the area it covers.
func shrink(m Image, norm normaliser, w, h int) *plane {
	out := &plane{w: w, h: h, data: make([]float32, w*h)}
	xs, ys := areaWeights(m.Width, w), areaWeights(m.Height, h)
	full := &plane{w: m.Width, h: m.Height, src: m, norm: norm}
	bands(h, func(y0, y1 int) {
		line, sum := make([]float32, m.Width), make([]float32, m.Width)
		for y := y0; y < y1; y++ {
			clear(sum)
			for i, wy := range ys[y].weight {
				full.row(line, 0, ys[y].first+i)
				for x, v := range line {
					sum[x] += v * wy
				}
			}
			dst := out.data[y*w:][:w]
			for x := range dst {
				var v float32
				for i, wx := range xs[x].weight {
					v += sum[xs[x].first+i] * wx
				}
				dst[x] = v
			}
		}
	})
	return out
}

// cover is the source samples that one output sample averages.
type cover struct {
	first  int
	weight []float32 // sum 1
}

func areaWeights(from, to int) []cover {
	scale := float64(from) / float64(to)
	covers := make([]cover, to)
	for i := range covers {
		a, b := float64(i)*scale, math.Min(float64(i+1)*scale, float64(from))
		first, last := int(a), min(int(math.Ceil(b-1e-9)), from)
		c := cover{first: first}
		for s := first; s < last; s++ {
			part := math.Min(b, float64(s+1)) - math.Max(a, float64(s))
			c.weight = append(c.weight, float32(part/(b-a)))
		}
		covers[i] = c
	}
	return covers
}

// bands calls fn for equal bands of rows, one per core, and waits.
func bands(height int, fn func(y0, y1 int)) {
	n := min(runtime.GOMAXPROCS(0), height)
	var wg sync.WaitGroup
	for k := range n {
		wg.Go(func() { fn(height*k/n, height*(k+1)/n) })
	}
	wg.Wait()
}
