package milling

import (
	"math"
	"slices"
)

// typical is the mean profile across the edge of earlier frames: at index profilePx+k, k px ahead of the edge. Where one
// frame's noise hides the edge, the whole profile still tells its place.
type typical struct {
	level [2*profilePx + 1]float64
	seen  [2*profilePx + 1]float64
	n     float64 // frames
}

const (
	fewProfiles  = 8  // frames from which on the mean is used
	mostProfiles = 20 // frames that it goes back by
	placePx      = 14 // that the edge is looked for in on both sides of the path
)

// at is a profile's level k px ahead of the path, between px; NaN where it was not seen.
func (p *profile) at(k float64) float64 {
	i := int(math.Floor(k))
	if i < -profilePx || i >= profilePx || p.count[profilePx+i] == 0 || p.count[profilePx+i+1] == 0 {
		return math.NaN()
	}
	a, b := p.level[profilePx+i], p.level[profilePx+i+1]
	return a + (k-float64(i))*(b-a)
}

// place is where in a profile the typical one fits best, px ahead of the path; otherwise where it fits nowhere.
func (t *typical) place(p *profile, otherwise float64) float64 {
	const step = 0.25
	best, at := math.Inf(1), otherwise
	for s := -float64(placePx); s <= placePx; s += step {
		sum, n := 0.0, 0.0
		for k := -placePx; k <= placePx; k++ {
			v := p.at(float64(k) + s)
			if t.seen[profilePx+k] > 0 && !math.IsNaN(v) {
				d := v - t.level[profilePx+k]
				sum, n = sum+d*d, n+1
			}
		}
		if n >= placePx && sum/n < best {
			best, at = sum/n, s
		}
	}
	return at + t.edge()
}

// learn adds a profile whose edge is at px ahead of its path.
func (t *typical) learn(p *profile, at float64) {
	if !isFinite(at) {
		return
	}
	t.n = min(t.n+1, mostProfiles)
	for i := range t.level {
		v := p.at(float64(i-profilePx) + at)
		if math.IsNaN(v) {
			continue
		}
		t.seen[i] = min(t.seen[i]+1, mostProfiles)
		t.level[i] += (v - t.level[i]) / t.seen[i]
	}
}

// edge is where the typical profile itself has its edge, px ahead of where it was taken to be: with the noise of so
// many frames gone, its bright line shows, or where it is steepest. 0 where neither does.
func (t *typical) edge() float64 {
	p := profile{level: t.level, count: t.seen}
	step := p.step()
	if !isFinite(step) {
		return 0
	}
	var surface []float64
	for k := aheadPx; k <= profilePx; k++ {
		if p.count[profilePx+k] > 0 {
			surface = append(surface, p.level[profilePx+k])
		}
	}
	level := median(slices.Clone(surface))
	for i, v := range surface {
		surface[i] = math.Abs(v - level)
	}
	limit := level + max(clearSD*madToSD*median(surface), sigmaFloor)
	top := int(step)
	for k := top; k < min(top+8, aheadPx); k++ {
		if p.level[profilePx+k] > p.level[profilePx+top] {
			top = k
		}
	}
	if top <= -profilePx || p.level[profilePx+top] < limit {
		return step
	}
	at := float64(top) + 0.5
	if left, peak, right := p.level[profilePx+top-1], p.level[profilePx+top], p.level[profilePx+top+1]; left-2*peak+right < 0 {
		at += min(max((left-right)/(2*(left-2*peak+right)), -0.5), 0.5)
	}
	return at
}
