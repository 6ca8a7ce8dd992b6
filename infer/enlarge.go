package infer

import "math"

// outlineSigma smooths the outline of objects found at a coarse scale, in px of that scale. Without it they
// would keep its stairs, which make perimeters 15 % too long at scale 1/2.
const outlineSigma = 0.7

// enlarge brings a label image of w x h px to width x height px. Each pixel takes the label with the most
// weight among the 3 x 3 coarse pixels around it, weighted by a Gaussian of outlineSigma; background counts
// as a label. A label image that has the size already is returned as it is.
func enlarge(labels []int32, w, h, width, height int) []int32 {
	if w == width && h == height {
		return labels
	}
	out := make([]int32, width*height)
	cols, rows := phases(w, width), phases(h, height)
	bands(height, func(y0, y1 int) {
		for y := y0; y < y1; y++ {
			r := &rows[y]
			var near [3][]int32
			for k, j := range r.near {
				near[k] = labels[j*w:][:w]
			}
			dst := out[y*width:][:width]
			for x := range dst {
				c := &cols[x]
				dst[x] = vote(&near, r, c)
			}
		}
	})
	return out
}

// phase is where a full-size coordinate lies among coarse ones.
type phase struct {
	near   [3]int // coarse coordinates around it, clamped to the image
	weight [3]float32
}

// phases returns the phase of each of size full-size coordinates over n coarse ones.
func phases(n, size int) []phase {
	out := make([]phase, size)
	for i := range out {
		at := (float64(i)+0.5)*float64(n)/float64(size) - 0.5
		middle := int(math.Floor(at + 0.5))
		for k := range 3 {
			d := float64(middle+k-1) - at
			out[i].near[k] = min(max(middle+k-1, 0), n-1)
			out[i].weight[k] = float32(math.Exp(-d * d / (2 * outlineSigma * outlineSigma)))
		}
	}
	return out
}

// vote returns the label with the most weight. Most pixels lie inside an object or the background, where
// all nine agree.
func vote(near *[3][]int32, r, c *phase) int32 {
	first := near[0][c.near[0]]
	same := true
	for _, row := range near {
		same = same && row[c.near[0]] == first && row[c.near[1]] == first && row[c.near[2]] == first
	}
	if same {
		return first
	}
	var labels [9]int32
	var weights [9]float32
	n := 0
	for j, row := range near {
		for k, x := range c.near {
			l, i := row[x], 0
			for i < n && labels[i] != l {
				i++
			}
			if i == n {
				labels[n], n = l, n+1
			}
			weights[i] += r.weight[j] * c.weight[k]
		}
	}
	best := 0
	for i := 1; i < n; i++ {
		if weights[i] > weights[best] {
			best = i
		}
	}
	return labels[best]
}
