package milling

import (
	"math"
)

// evidence holds the summed weights of a frame: column b at distance u is sum[b*(length+1)+u].
type evidence struct {
	length, columns int
	sum             []float64
	difference      difference
}

// weigh sums the evidence of cur against ref over region, which begins where milling does and reaches beyond.
func weigh(cur, ref *window, region orientedRect, sigma float64, milled [grayBins]float64) evidence {
	across, width := region.across, region.columnPx()
	e := evidence{length: region.length, columns: (across + width - 1) / width}
	e.sum = make([]float64, e.columns*(e.length+1))
	e.difference = difference{e.length, e.columns, make([]float64, e.columns*e.length), make([]float64, e.columns*e.length), sigma, width}
	norm := (1 - outliers) / (sigma * math.Sqrt(2*math.Pi))
	const floor = outliers / (grayHigh - grayLow)
	half := -0.5 / (sigma * sigma)
	for u := range e.length {
		for v := range across {
			x, y := region.at(u, v)
			if !cur.has(x, y) {
				continue
			}
			c := float64(cur.row(y)[x-cur.X0])
			d := c - float64(ref.row(y)[x-ref.X0])
			w := math.Log(milled[grayBin(c)] / (norm*math.Exp(half*d*d) + floor))
			e.sum[(v/width)*(e.length+1)+u+1] += min(max(w, -mostWeight), mostWeight)
			i := (v/width)*e.length + u
			e.difference.mean[i] += d
			e.difference.count[i]++
		}
	}
	for i, n := range e.difference.count {
		e.difference.mean[i] /= n // not a number where nothing is seen
	}
	for b := range e.columns {
		s := e.sum[b*(e.length+1) : (b+1)*(e.length+1)]
		for u := 1; u < len(s); u++ {
			s[u] += s[u-1]
		}
	}
	return e
}

func grayBin(v float64) int {
	return min(max(int((v-grayLow)/(grayHigh-grayLow)*grayBins), 0), grayBins-1)
}

// agreement tells how sure the front is, 0..1: of pieces of eight columns by eight px on either side of it, the share
// that speak for their side, from half (0) to all of them (1), on the worse side.
func (e *evidence) agreement(u []float64) float64 {
	const piece, group = 8, 8
	var right, all [2]float64
	n := e.length + 1
	for b := 0; b < e.columns; b += group {
		for k := piece; k <= behindPx; k += piece {
			var behind, ahead float64
			var has [2]bool
			for c := b; c < min(b+group, e.columns); c++ {
				s, at := e.sum[c*n:(c+1)*n], int(u[c])
				if at-k >= 0 {
					behind += s[at-k+piece] - s[at-k]
					has[0] = true
				}
				if at+k < n {
					ahead += s[at+k] - s[at+k-piece]
					has[1] = true
				}
			}
			for side, good := range [2]bool{behind > 0, ahead < 0} {
				if has[side] {
					all[side]++
					if good {
						right[side]++
					}
				}
			}
		}
	}
	worst := 1.0
	for side := range all {
		if all[side] >= 4 {
			worst = min(worst, right[side]/all[side])
		}
	}
	return max(0, 2*worst-1)
}
