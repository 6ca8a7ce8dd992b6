package metrics

import (
	"math"
	"slices"
)

const (
	steepestStripes = 15   // degrees off the vertical that stripes may be
	firmShare       = 0.37 // of positions across a block, where all strips agree on what a stripe is
	filledShare     = 0.2  // of positions, what stripes take; edges take less
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
	const scale = 1 // 4 px
	variances := make([]float64, len(blocks))
	upright, across := make([]plane, len(blocks)), make([]plane, len(blocks))
	each(len(blocks), func(i int) {
		variances[i] = blocks[i][scale].variance()
		upright[i], across[i] = blocks[i][scale].rowPairs(), blocks[i][scale].transposed().rowPairs()
	})
	inAll := func(of []plane, degrees float64, value func(p *projection, i int) float64) float64 {
		p, values := newProjection(&of[0], math.Tan(degrees*math.Pi/180)), make([]float64, len(of))
		for i := range of {
			p.take(&of[i])
			values[i] = value(p, i)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	shareOf := func(p *projection, i int) float64 {
		if v := p.shared(); variances[i] > 0 && v > least*least {
			return v / variances[i]
		}
		return 0
	}
	shares := make([]float64, 2*steepestStripes+1)
	look := func(ks ...int) {
		each(len(ks), func(i int) { shares[ks[i]] = inAll(upright, float64(ks[i]-steepestStripes), shareOf) })
	}
	look(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29) // every other degree
	best := slices.Index(shares, slices.Max(shares))
	if shares[best] == 0 {
		return 0, 0
	}
	look(best-1, best+1)
	best = slices.Index(shares, slices.Max(shares))
	deg = float64(best - steepestStripes)
	if inAll(upright, deg, func(p *projection, _ int) float64 { return p.firm() }) < firmShare ||
		inAll(upright, deg, func(p *projection, _ int) float64 { return p.filled() }) < filledShare {
		return 0, 0
	}
	const step = 5
	others := make([]float64, 2*(2*40/step+1))
	each(len(others), func(k int) {
		from, at := upright, float64(k/2*step-40)
		off := math.Abs(at - deg)
		if k%2 == 1 { // lines nearer to the horizontal, from which this is their angle
			from, off = across, min(math.Abs(90-at-deg), math.Abs(-90-at-deg))
		}
		if off >= 25 {
			others[k] = inAll(from, at, shareOf)
		}
	})
	if slices.Max(others) > otherShare*shares[best] {
		return 0, 0
	}
	return min(1, shares[best]), deg
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

// rowPairs returns the plane with the mean of every two rows: half as many, of the same width.
func (p plane) rowPairs() plane {
	v := make([]float32, len(p.v)/2)
	for i := range v {
		at := i/p.side*2*p.side + i%p.side
		v[i] = (p.v[at] + p.v[at+p.side]) / 2
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

// newProjection makes room for planes of row pairs such as of.
func newProjection(of *plane, slope float64) *projection {
	side := of.side
	lead := int(math.Ceil(math.Abs(slope) * float64(side) / 2))
	n := side - 2*lead
	p := &projection{first: make([]int, len(of.v)/side), mean: make([]float64, n), sums: make([]float64, n+1)}
	for y := range p.first {
		p.first[y] = min(max(lead+int(math.Round(slope*(float64(2*y+1)-float64(side)/2))), 0), 2*lead)
	}
	for i := range p.parts {
		p.parts[i] = make([]float64, n)
	}
	return p
}

func (p *projection) take(of *plane) {
	n, rows := len(p.mean), len(p.first)/strips
	clear(p.mean)
	for i, part := range p.parts {
		clear(part)
		part = part[:n]
		for y := i * rows; y < (i+1)*rows; y++ {
			row := of.v[y*of.side+p.first[y]:][:n]
			for x := range part {
				part[x] += float64(row[x])
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

// filled returns the share of positions that the stripes take: near 1/3 for a random profile, a tenth for an edge.
func (p *projection) filled() float64 {
	square, fourth := 0.0, 0.0
	for _, m := range p.mean {
		square += m * m
		fourth += m * m * m * m
	}
	if fourth == 0 {
		return 0
	}
	return square * square / fourth / float64(len(p.mean))
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
