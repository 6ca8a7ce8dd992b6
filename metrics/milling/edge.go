package milling

import (
	"math"
	"slices"
)

// Where exactly the front's edge is: the mean profile across it.
const (
	profilePx = 24  // on both sides of the front
	searchPx  = 6   // that a column's front is moved by at most
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
	sigma           float64 // of one px
	columnPx        int
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

// line follows the bright line that edges have in secondary electrons (Seiler 1983) near a path: the brightest way along
// it. strength tells by what factor it stands out more than the best way of the surface ahead, since noise and grains
// have bright ways as well; 0 where there is none.
func (d *difference) line(u []float64) (path []float64, strength float64) {
	const behind, ahead, control = -4, 28, 34 // px from the path
	path, level := d.brightest(u, behind, ahead)
	_, other := d.brightest(u, control, control+ahead-behind)
	surface := d.level(path, control/2, control)
	if math.IsNaN(level) || math.IsNaN(surface) {
		return nil, 0
	}
	if math.IsNaN(other) {
		other = surface + 2*d.noise()
	}
	p := d.across(path)
	at := 0.0
	if left, top, right := p.level[profilePx-1], p.level[profilePx], p.level[profilePx+1]; left-2*top+right < 0 {
		at = min(max((left-right)/(2*(left-2*top+right)), -0.5), 0.5)
	}
	for b := range path {
		path[b] = max(0, path[b]+at+0.5) // px k spans k..k+1
	}
	return path, (level - surface) / max(other-surface, d.noise())
}

// Strengths of a line: one that may be the edge's, one that probably is, and one that is. The first counts where the step
// is about there, the second also where it is as far behind as a cut face is wide.
const (
	weakLine  = 1.3
	fairLine  = 1.6
	clearLine = 3
	agreePx   = 6  // px
	facePx    = 18 // that the cut face may be wide: its inner edge is a step as well
)

// brightest is the way of the greatest mean difference between from and to px ahead of a path, neighbours holding each
// other; NaN where hardly anything is seen there.
func (d *difference) brightest(u []float64, from, to int) (path []float64, level float64) {
	wide := to - from + 1
	scores := make([]float64, len(u)*wide)
	noise, seen := d.noise(), 0
	for b, front := range u {
		row := d.mean[b*d.length : (b+1)*d.length]
		for s := range wide {
			sum, n := 0.0, 0.0
			for at := int(front) + from + s - 1; at <= int(front)+from+s+1; at++ {
				if at >= 0 && at < d.length && !math.IsNaN(row[at]) {
					sum, n = sum+row[at], n+1
				}
			}
			if n == 3 {
				scores[b*wide+s] = sum / n / noise
				seen++
			} else {
				scores[b*wide+s] = -mostWeight
			}
		}
	}
	if seen < len(scores)/2 {
		return nil, math.NaN()
	}
	choice := viterbi(scores, len(u), wide, linePrice, func(b, i, k int) int {
		return int(math.Abs(u[b] + float64(k) - u[b-1] - float64(i)))
	})
	path = make([]float64, len(u))
	for b, k := range choice {
		path[b] = max(0, math.Floor(u[b])+float64(from+k))
		level += scores[b*wide+k] * noise / float64(len(u))
	}
	return path, level
}

// linePrice is what a px of a jump of the line costs, standard deviations of one column's noise.
const linePrice = 1

// level is the mean difference between from and to px ahead of a path; NaN where nothing is seen.
func (d *difference) level(u []float64, from, to int) float64 {
	sum, n := 0.0, 0.0
	for b, front := range u {
		row := d.mean[b*d.length : (b+1)*d.length]
		for at := int(front) + from; at < int(front)+to; at++ {
			if at >= 0 && at < d.length && !math.IsNaN(row[at]) {
				sum, n = sum+row[at], n+1
			}
		}
	}
	return sum / n
}

// noise is the standard deviation of one column's px.
func (d *difference) noise() float64 { return d.sigma / math.Sqrt(float64(d.columnPx)) }

// align moves each column's front to where its differences are most like the mean profile, neighbours holding each
// other.
func (d *difference) align(u []float64) []float64 {
	const wide = 2*searchPx + 1
	p := d.across(u)
	n, unit := len(u), 1/(2*d.noise()*d.noise())
	fits := make([]float64, n*wide)
	for b, front := range u {
		row := d.mean[b*d.length : (b+1)*d.length]
		for s := range wide {
			sum, m := 0.0, 0.0
			for k := -aheadPx; k <= aheadPx; k++ {
				at := int(front) + s - searchPx + k
				if i := profilePx + k; at >= 0 && at < d.length && p.count[i] > 0 && !math.IsNaN(row[at]) {
					e := row[at] - p.level[i]
					sum, m = sum+e*e, m+1
				}
			}
			if fits[b*wide+s] = -sum * unit / max(m, 1) * aheadPx; m < aheadPx || front+float64(s-searchPx) < 0 {
				fits[b*wide+s] = -1e6
			}
		}
	}
	best := viterbi(fits, n, wide, linePrice, func(b, from, to int) int {
		return int(math.Abs(u[b] + float64(to) - u[b-1] - float64(from)))
	})
	moved := make([]float64, n)
	for b := range moved {
		moved[b] = max(0, u[b]+float64(best[b]-searchPx))
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

// step is where the profile comes up to the surface, px ahead of the path; NaN where it does not stand out of it. Between
// floor and surface the cut face may lie, with a step on either side: the outer one is the edge's. Its top is hidden by the
// bright line, which is too weak to show, for about a px.
func (p *profile) step() float64 {
	const share, hiddenPx = 0.15, 1.0
	var surface []float64
	for k := aheadPx; k <= profilePx; k++ {
		if i := profilePx + k; p.count[i] > 0 {
			surface = append(surface, p.level[i])
		}
	}
	if len(surface) < 4 {
		return math.NaN()
	}
	level := median(slices.Clone(surface))
	for i, v := range surface {
		surface[i] = math.Abs(v - level)
	}
	limit := max(clearSD*madToSD*median(surface), sigmaFloor)
	deepest := level
	for k := -profilePx; k < aheadPx; k++ {
		if p.count[profilePx+k] > 0 {
			deepest = min(deepest, p.level[profilePx+k])
		}
	}
	if level-deepest < limit {
		return math.NaN()
	}
	limit = level - max(limit, share*(level-deepest))
	for k := aheadPx - 1; k > -profilePx && p.count[profilePx+k-1] > 0; k-- {
		if v, next := p.level[profilePx+k], p.level[profilePx+k+1]; v < limit && p.level[profilePx+k-1] < limit {
			return float64(k) + (limit-v)/max(next-v, sigmaFloor) + 0.5 + hiddenPx
		}
	}
	return math.NaN()
}
