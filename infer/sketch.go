package infer

import (
	"math"

	"github.com/uni-aims/aimsd/cuda"
)

// sketch is what an object looks like at its own image scale, as sums over its pixels and over the px
// edges of its outline.
type sketch struct {
	grey, grey2   float64 // normalised grey values and their squares
	size2         float64 // squares of the predicted log2 sizes
	edges, touch  float64 // px edges of the outline; those against another object
	step, step2   float64 // grey value 2 px outside less 2 px inside, over the outline
	beyond        float64 // foreground logit 2 px outside, between -6 and 6
	width, height float64 // px of the bounding box
}

const logitClip = 6

// sketchBands is how many parts of a plane are measured beside each other; on any number of cores as many, so that the
// sums are the same.
const sketchBands = 8

// sketches measures the objects of a plane. It costs one pass over the pixels.
func sketches(p *plane, f cuda.Field, seg *cuda.Segments) []sketch {
	parts := make([][]sketch, sketchBands)
	bands(sketchBands, func(from, to int) {
		for k := from; k < to; k++ {
			parts[k] = make([]sketch, len(seg.Objects)+1)
			sketchRows(parts[k], p, f, seg, seg.Height*k/sketchBands, seg.Height*(k+1)/sketchBands)
		}
	})
	out := make([]sketch, len(seg.Objects))
	for i, o := range seg.Objects {
		s := &out[i]
		for _, part := range parts {
			s.add(&part[i+1])
		}
		s.width, s.height = float64(o.X1-o.X0), float64(o.Y1-o.Y0)
	}
	return out
}

func (s *sketch) add(o *sketch) {
	s.grey, s.grey2, s.size2 = s.grey+o.grey, s.grey2+o.grey2, s.size2+o.size2
	s.edges, s.touch = s.edges+o.edges, s.touch+o.touch
	s.step, s.step2, s.beyond = s.step+o.step, s.step2+o.step2, s.beyond+o.beyond
}

// sketchRows adds rows y0..y1-1 and their edges with the rows below.
func sketchRows(out []sketch, p *plane, f cuda.Field, seg *cuda.Segments, y0, y1 int) {
	w, h := seg.Width, seg.Height
	// four rows of grey values: one above, two below
	var rows [4][]float32
	for k := range rows {
		rows[k] = make([]float32, w)
	}
	load := func(y int) { p.row(rows[y&3], 0, y) }
	for y := max(y0-1, 0); y < min(y0+2, h) && y0 < y1; y++ {
		load(y)
	}
	for y := y0; y < y1; y++ {
		if y+2 < h {
			load(y + 2)
		}
		grey := rows[y&3]
		labels := seg.Labels[y*w:][:w]
		for x, l := range labels {
			if l > 0 {
				s, v := &out[l], float64(grey[x])
				s.grey += v
				s.grey2 += v * v
				size := float64(f.Size[y*w+x])
				s.size2 += size * size
			}
			if x+1 < w && labels[x+1] != l {
				m, far, near := labels[x+1], min(x+2, w-1), max(x-1, 0)
				rise := grey[far] - grey[near]
				out[l].edge(m, rise, f.Logit[y*w+far])
				out[m].edge(l, -rise, f.Logit[y*w+near])
			}
		}
		if y+1 == h {
			return
		}
		far, near := min(y+2, h-1), max(y-1, 0)
		below, above := rows[far&3], rows[near&3]
		under := seg.Labels[(y+1)*w:][:w]
		for x, l := range labels {
			if m := under[x]; m != l {
				rise := below[x] - above[x]
				out[l].edge(m, rise, f.Logit[far*w+x])
				out[m].edge(l, -rise, f.Logit[near*w+x])
			}
		}
	}
}

// edge adds a px edge of the outline, with the object (or 0) on its other side.
func (s *sketch) edge(other int32, rise, logit float32) {
	s.edges++
	if other > 0 {
		s.touch++
	}
	s.step += float64(rise)
	s.step2 += float64(rise) * float64(rise)
	s.beyond += float64(min(max(logit, -logitClip), logitClip))
}

// deviation is the standard deviation of n values with these sums.
func deviation(sum, squares, n float64) float64 {
	if n < 1 {
		return 0
	}
	m := sum / n
	return math.Sqrt(math.Max(squares/n-m*m, 0))
}
