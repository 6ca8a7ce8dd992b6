package agent

import "slices"

// fillReach is how many px beyond a box its surroundings are averaged over, along and across its sides.
const fillReach = 3

// filled is a copy of the pixels whose excluded boxes hold a smooth blend of their surroundings; nil for nil.
func filled[T uint8 | uint16](pix []T, width int, a Area) []T {
	if pix == nil {
		return nil
	}
	out := slices.Clone(pix)
	for _, r := range a.Excluded {
		// The means beside each pixel of the sides; a side at the area's border has none.
		side := func(n, from, to, least, most int, at func(along, across int) int) []float64 {
			from, to = max(from, least), min(to, most)
			if from >= to {
				return nil
			}
			v := make([]float64, n)
			for k := range n {
				sum, count := 0, 0
				for along := max(0, k-fillReach); along <= min(n-1, k+fillReach); along++ {
					for across := from; across < to; across++ {
						sum += int(out[at(along, across)])
						count++
					}
				}
				v[k] = float64(sum) / float64(count)
			}
			return v
		}
		row := func(along, across int) int { return across*width + r.X0 + along }
		column := func(along, across int) int { return (r.Y0+along)*width + across }
		w, h := r.X1-r.X0, r.Y1-r.Y0
		top := side(w, r.Y0-fillReach, r.Y0, a.Y0, a.Y1, row)
		bottom := side(w, r.Y1, r.Y1+fillReach, a.Y0, a.Y1, row)
		left := side(h, r.X0-fillReach, r.X0, a.X0, a.X1, column)
		right := side(h, r.X1, r.X1+fillReach, a.X0, a.X1, column)
		for y := range h {
			for x := range w {
				var sum, weight float64
				add := func(v []float64, k, distance int) {
					if v != nil {
						q := 1 / float64(distance*distance)
						sum += q * v[k]
						weight += q
					}
				}
				add(top, x, y+1)
				add(bottom, x, h-y)
				add(left, y, x+1)
				add(right, y, w-x)
				if weight > 0 {
					out[(r.Y0+y)*width+r.X0+x] = T(sum/weight + 0.5)
				}
			}
		}
	}
	return out
}
