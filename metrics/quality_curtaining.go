package metrics

import (
	"math"
	"slices"
)

// steepestStripes is how far stripes may be off the vertical, in degrees.
const steepestStripes = 15

// curtaining returns the share of the variance, at periods of 8 to 64 px, that lies in straight stripes through whole
// blocks, and the stripes' direction, in degrees off the vertical, positive where they lean to the right downwards.
//
// A block's upper and lower half are each averaged along the stripes: what the two averages share is stripes, as
// noise, objects and edges of less than half a block, and all that changes only down the picture, are not in both.
// (The projection-slice theorem: these are the elements of the power spectrum on the axis across the stripes.) The
// median of all blocks counts, so that long edges in some do not. Stripes at equal distances are a grating, not
// curtaining.
func curtaining(blocks []pyramid) (share, deg float64) {
	const scale = 1 // 4 px
	variances := make([]float64, len(blocks))
	each(len(blocks), func(i int) { variances[i] = blocks[i][scale].variance() })
	count := 2*steepestStripes + 1
	shares := make([]float64, count)
	each(count, func(k int) {
		slope := math.Tan(float64(k-steepestStripes) * math.Pi / 180)
		values := make([]float64, len(blocks))
		for i := range blocks {
			if variances[i] > 0 {
				values[i] = blocks[i][scale].shared(slope) / variances[i]
			}
		}
		slices.Sort(values)
		shares[k] = values[len(values)/2]
	})
	best := 0
	for k := range shares {
		if shares[k] > shares[best] {
			best = k
		}
	}
	return max(0, shares[best]), float64(best - steepestStripes)
}

// variance returns the mean square of the rows, their slow changes removed.
func (p *plane) variance() float64 {
	sum := 0.0
	row := make([]float64, p.side)
	for y := range p.side {
		for x := range row {
			row[x] = float64(p.v[y*p.side+x])
		}
		flatten(row)
		for _, v := range row {
			sum += v * v
		}
	}
	return sum / float64(p.side*p.side)
}

// shared returns the covariance of the upper and the lower half, each averaged along lines of the given slope, px
// across per px down.
func (p *plane) shared(slope float64) float64 {
	lead := int(math.Ceil(math.Abs(slope) * float64(p.side) / 2))
	n := p.side - 2*lead
	upper, lower := make([]float64, n), make([]float64, n)
	for y := range p.side {
		to := upper
		if y >= p.side/2 {
			to = lower
		}
		x0 := lead + int(math.Round(slope*(float64(y)+0.5-float64(p.side)/2)))
		x0 = min(max(x0, 0), 2*lead)
		for x, v := range p.v[y*p.side+x0:][:n] {
			to[x] += float64(v)
		}
	}
	flatten(upper)
	flatten(lower)
	sum := 0.0
	for x := range upper {
		sum += upper[x] * lower[x]
	}
	rows := float64(p.side) / 2
	return sum / float64(n) / rows / rows
}

// flatten subtracts from each value the mean of those around it, 8 to either side where there are so many.
func flatten(v []float64) {
	const reach = 8
	sums := make([]float64, len(v)+1)
	for i, x := range v {
		sums[i+1] = sums[i] + x
	}
	for i := range v {
		k := min(reach, i, len(v)-1-i)
		if k == 0 {
			k = 1
		}
		lo, hi := max(0, i-k), min(len(v), i+k+1)
		v[i] -= (sums[hi] - sums[lo]) / float64(hi-lo)
	}
}
