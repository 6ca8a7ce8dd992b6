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

// sketches measures the objects of a plane. It costs one pass over the pixels.
func sketches(p *plane, f cuda.Field, seg *cuda.Segments) []sketch {
	out := make([]sketch, len(seg.Objects)+1)
	w, h := seg.Width, seg.Height
	// four rows of grey values: two above the edge that is looked at and two below
	rows := make([][]float32, h)
	free := [][]float32{}
	row := func(y int) []float32 {
		y = min(max(y, 0), h-1)
		if rows[y] == nil {
			if n := len(free); n > 0 {
				rows[y], free = free[n-1], free[:n-1]
			} else {
				rows[y] = make([]float32, w)
			}
			p.row(rows[y], 0, y)
		}
		return rows[y]
	}
	for y := range h {
		if old := y - 3; old >= 0 {
			free, rows[old] = append(free, rows[old]), nil
		}
		grey := row(y)
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
			break
		}
		far, near := min(y+2, h-1), max(y-1, 0)
		below, above := row(far), row(near)
		under := seg.Labels[(y+1)*w:][:w]
		for x, l := range labels {
			if m := under[x]; m != l {
				rise := below[x] - above[x]
				out[l].edge(m, rise, f.Logit[far*w+x])
				out[m].edge(l, -rise, f.Logit[near*w+x])
			}
		}
	}
	for i, o := range seg.Objects {
		out[i+1].width, out[i+1].height = float64(o.X1-o.X0), float64(o.Y1-o.Y0)
	}
	return out[1:]
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
