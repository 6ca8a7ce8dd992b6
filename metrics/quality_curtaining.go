package metrics

import (
	"math"
	"slices"
)

const (
	steepestStripes = 15   // degrees off the vertical that stripes may be
	firmShare       = 0.33 // of positions across a block, where all strips agree on what a stripe is
	otherShare      = 0.25 // of the stripes' variance, in another direction, from which they are a lattice
	strips          = 8    // parts of a block, one below the other, in each of which a stripe must be seen
)

// curtaining returns the share of the variance, at periods of 8 to 64 px, that lies in straight stripes through whole
// blocks, and the stripes' direction, in degrees off the vertical, positive where they lean to the right downwards.
// least is the standard deviation, in grey levels, from which stripes are more than the steps of a gradient.
//
// A block is cut into strips one below the other, and each is averaged along the stripes: what the averages share is
// stripes, as noise, objects, and all that changes only down the picture, are not in all. (By the projection-slice
// theorem these are the elements of the power spectrum on the axis across the stripes.) The median of all blocks
// counts, so that long edges in some do not. There are none (share 0) where they are a few edges, with little between
// them, or a lattice, which has rows in other directions too.
func curtaining(blocks []pyramid, least float64) (share, deg float64) {
	planes := make([]plane, len(blocks))
	for i := range blocks {
		planes[i] = blocks[i][1] // 4 px
	}
	variances := make([]float64, len(planes))
	each(len(planes), func(i int) { variances[i] = planes[i].variance() })
	inAll := func(of []plane, degrees float64) (share, firm float64) {
		shares, firms := make([]float64, len(of)), make([]float64, len(of))
		p := newProjection(of[0].side, math.Tan(degrees*math.Pi/180))
		for i := range of {
			p.take(&of[i])
			if v := p.shared(); variances[i] > 0 && v > least*least {
				shares[i] = v / variances[i]
				firms[i] = p.firm()
			}
		}
		return middle(shares), middle(firms)
	}
	shares, firms := make([]float64, 2*steepestStripes+1), make([]float64, 2*steepestStripes+1)
	each(len(shares), func(k int) { shares[k], firms[k] = inAll(planes, float64(k-steepestStripes)) })
	best := 0
	for k := range shares {
		if shares[k] > shares[best] {
			best = k
		}
	}
	if shares[best] <= 0 || firms[best] < firmShare {
		return 0, 0
	}
	deg = float64(best - steepestStripes)
	across := make([]plane, len(planes))
	for i := range planes {
		across[i] = planes[i].transposed()
	}
	const step = 5
	others := make([]float64, 2*(2*40/step+1))
	each(len(others), func(k int) {
		from, at := planes, float64(k/2*step-40)
		off := math.Abs(at - deg)
		if k%2 == 1 { // lines nearer to the horizontal, from which this is their angle
			from, off = across, min(math.Abs(90-at-deg), math.Abs(-90-at-deg))
		}
		if off >= 25 {
			others[k], _ = inAll(from, at)
		}
	})
	if slices.Max(others) > otherShare*shares[best] {
		return 0, 0
	}
	return min(1, shares[best]), deg
}

// middle returns the median of values; it sorts them.
func middle(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// variance returns the mean square of the rows, their slow changes removed.
func (p *plane) variance() float64 {
	sum := 0.0
	row := make([]float64, p.side)
	sums := make([]float64, p.side+1)
	for y := range p.side {
		for x := range row {
			row[x] = float64(p.v[y*p.side+x])
		}
		flatten(row, sums)
		for _, v := range row {
			sum += v * v
		}
	}
	return sum / float64(p.side*p.side)
}

// transposed returns the plane with rows and columns exchanged.
func (p *plane) transposed() plane {
	v := make([]float32, len(p.v))
	for i, x := range p.v {
		v[i%p.side*p.side+i/p.side] = x
	}
	return plane{p.side, p.px, v}
}

// projection holds the strips of a plane, averaged along lines of one slope, px across per px down.
type projection struct {
	first []int // of each row, the element under the projection's first
	parts [strips][]float64
	mean  []float64
	sums  []float64
}

func newProjection(side int, slope float64) *projection {
	lead := int(math.Ceil(math.Abs(slope) * float64(side) / 2))
	n := side - 2*lead
	p := &projection{first: make([]int, side), mean: make([]float64, n), sums: make([]float64, n+1)}
	for y := range p.first {
		p.first[y] = min(max(lead+int(math.Round(slope*(float64(y)+0.5-float64(side)/2))), 0), 2*lead)
	}
	for i := range p.parts {
		p.parts[i] = make([]float64, n)
	}
	return p
}

func (p *projection) take(of *plane) {
	n, rows := len(p.mean), of.side/strips
	clear(p.mean)
	for i, part := range p.parts {
		clear(part)
		for y := i * rows; y < (i+1)*rows; y++ {
			for x, v := range of.v[y*of.side+p.first[y]:][:n] {
				part[x] += float64(v)
			}
		}
		for x := range part {
			part[x] /= float64(rows)
		}
		flatten(part, p.sums)
		for x, v := range part {
			p.mean[x] += v / strips
		}
	}
}

// shared returns the covariance of a strip with the mean of the others: of the strips, all but a quarter have more.
func (p *projection) shared() float64 {
	var covariances [strips]float64
	for i, part := range p.parts {
		for x, v := range part {
			covariances[i] += v * (p.mean[x]*strips - v)
		}
	}
	slices.Sort(covariances[:])
	return covariances[strips/4] / float64((strips-1)*len(p.mean))
}

// firm returns the share of positions where the strips' mean is more than three times its standard error.
func (p *projection) firm() float64 {
	n := 0
	for x, m := range p.mean {
		square := 0.0
		for _, part := range p.parts {
			square += (part[x] - m) * (part[x] - m)
		}
		if m*m*strips > 9*square/(strips-1) {
			n++
		}
	}
	return float64(n) / float64(len(p.mean))
}

// flatten subtracts from each value the mean of those around it, 8 to either side where there are so many. sums has
// room for one value more.
func flatten(v, sums []float64) {
	const reach = 8
	for i, x := range v {
		sums[i+1] = sums[i] + x
	}
	for i := range v {
		k := max(1, min(reach, i, len(v)-1-i))
		lo, hi := max(0, i-k), min(len(v), i+k+1)
		v[i] -= (sums[hi] - sums[lo]) / float64(hi-lo)
	}
}
