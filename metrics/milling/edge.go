package milling

import (
	"math"
	"slices"
)

// Where exactly the front's edge is: the mean profile across it.
const (
	profilePx = 24  // on both sides of the front
	searchPx  = 10  // that a column's front is moved by at most
	aheadPx   = 12  // from here on the profile is that of the surface
	clearSD   = 4.0 // standard deviations of the surface's profile that an edge stands out by
)

// profile is the mean difference of frame and reference across the front: at index profilePx+k, k px ahead of it.
type profile struct {
	level [2*profilePx + 1]float64
	count [2*profilePx + 1]float64
}

// difference is frame minus reference by column and distance, averaged over the column's px.
type difference struct {
	length, columns int
	mean            []float64 // NaN: not seen
	count           []float64
}

// across averages the differences along a path.
func (d *difference) across(u []float64) (p profile) {
	for b, front := range u {
		row := d.mean[b*d.length : (b+1)*d.length]
		for k := -profilePx; k <= profilePx; k++ {
			if at := int(front) + k; at >= 0 && at < d.length && !math.IsNaN(row[at]) {
				p.level[profilePx+k] += row[at]
				p.count[profilePx+k]++
			}
		}
	}
	for i := range p.level {
		if p.count[i] > 0 {
			p.level[i] /= p.count[i]
		}
	}
	return p
}

// align moves each column's front to where its differences are most like the profile, neighbours holding each other.
func (d *difference) align(u []float64, p *profile) []float64 {
	const wide = 2*searchPx + 1
	n := len(u)
	fits := make([]float64, n*wide)
	var spread float64
	for b, front := range u {
		row := d.mean[b*d.length : (b+1)*d.length]
		for s := range wide {
			sum, m := 0.0, 0.0
			for k := -aheadPx * 2; k <= aheadPx; k++ {
				at := int(front) + s - searchPx + k
				if i := profilePx + k; at >= 0 && at < d.length && p.count[i] > 0 && !math.IsNaN(row[at]) {
					e := row[at] - p.level[i]
					sum, m = sum+e*e, m+1
				}
			}
			if m < aheadPx || front+float64(s-searchPx) < 0 {
				sum, m = math.Inf(1), 1
			}
			fits[b*wide+s] = -sum / m
		}
		spread += -fits[b*wide+searchPx]
	}
	if !(spread > 0) || math.IsInf(spread, 0) {
		return u
	}
	scale := 3 * aheadPx * float64(n) / (2 * spread) // a misfit as large as the present one costs as much as that many px of noise
	for i := range fits {
		fits[i] *= scale
	}
	best := viterbi(fits, n, wide, jumpPrice, func(b, from, to int) int {
		return int(math.Abs(u[b] + float64(to) - u[b-1] - float64(from)))
	})
	moved := make([]float64, n)
	for b := range moved {
		moved[b] = u[b] + float64(best[b]-searchPx)
	}
	return moved
}

// viterbi returns the choice of each step with the greatest sum of its scores, less price for each px of a jump.
func viterbi(scores []float64, steps, choices int, price float64, jump func(step, from, to int) int) []int {
	best, from := slices.Clone(scores[:choices]), make([]int, steps*choices)
	next := make([]float64, choices)
	for b := 1; b < steps; b++ {
		for to := range choices {
			next[to] = math.Inf(-1)
			for k := range choices {
				if v := best[k] - price*float64(jump(b, k, to)); v > next[to] {
					next[to], from[b*choices+to] = v, k
				}
			}
			next[to] += scores[b*choices+to]
		}
		best, next = next, best
	}
	at := 0
	for k, v := range best {
		if v > best[at] {
			at = k
		}
	}
	path := make([]int, steps)
	for b := steps - 1; b >= 0; b-- {
		path[b] = at
		at = from[b*choices+at]
	}
	return path
}

// edges are the places of the profile's step down, where it is half done, and of the bright line that edges have in
// secondary electrons (Seiler 1983), px ahead of the path; NaN for what does not stand out of the surface. The edge
// is where the line is.
func (p *profile) edges() (step, line float64) {
	step, line = math.NaN(), math.NaN()
	var surface []float64
	for k := aheadPx; k <= profilePx; k++ {
		if i := profilePx + k; p.count[i] > 0 {
			surface = append(surface, p.level[i])
		}
	}
	first := -profilePx
	for first < 0 && p.count[profilePx+first] == 0 {
		first++
	}
	if len(surface) < 4 || first > -3 {
		return step, line
	}
	level := median(slices.Clone(surface))
	for i, v := range surface {
		surface[i] = math.Abs(v - level)
	}
	limit := max(clearSD*madToSD*median(surface), sigmaFloor)
	e := func(k int) float64 { return p.level[profilePx+k] - level }
	deepest := first
	for k := first; k < aheadPx; k++ {
		if e(k) < e(deepest) {
			deepest = k
		}
	}
	peak := first + 1
	if deep := e(deepest); deep < -limit {
		k := deepest
		for k < aheadPx && e(k) < deep/2 {
			k++
		}
		step = float64(k) - (e(k)-deep/2)/(e(k)-e(k-1))
		peak = max(k, peak)
	}
	for k := peak; k < aheadPx; k++ {
		if e(k) > e(peak) {
			peak = k
		}
	}
	if e(peak) < limit {
		return step, line
	}
	left, right := e(peak-1), e(peak+1)
	line = float64(peak)
	if bend := left - 2*e(peak) + right; bend < 0 {
		line += min(max((left-right)/(2*bend), -0.5), 0.5)
	}
	return step, line
}
