package milling

import (
	"math"
	"slices"
)

// front finds how far milling has come, column by column along the front.
//
// Each px says by how much more likely its grey level is if it was milled than if it was not: not milled, it is the
// reference's with the frame's noise; milled, it has a level seen behind the front in earlier frames, or any. Summed
// from the edge where milling begins, the sum is largest at the front: the change point of greatest likelihood (Page
// 1954; Hinkley 1970). Neighbouring columns hold each other: the path of greatest sum with a price on jumps is found
// by dynamic programming (Viterbi 1967).
type front struct {
	levels [grayBins]float64 // how often milled px had a grey level, of full scale; fading
	seen   float64           // sum of levels
	gap    float64           // from the step to the bright line, px, mean of the last frames that show both
	gaps   float64           // how many those are
}

const (
	grayBins   = 64
	grayLow    = -0.1 // of the lowest bin, of full scale
	grayHigh   = 1.1
	anyLevel   = 0.2  // share of milled px that may have any level: redeposition, bright rims
	outliers   = 0.03 // share of others that do, such as dust
	mostWeight = 3.0  // of one px, in nats
	fade       = 0.9  // of levels, from frame to frame
	jumpPrice  = 0.5  // nats per px that the front jumps between columns, for each px of a column's width
	columns    = 128  // at most, along the front
	behindPx   = 48   // on both sides of the front, what tells how sure it is
	fewGaps    = 5    // from which on the gap is used
	mostGaps   = 20   // that it is the mean of
	awayPx     = 4    // px next to the front that are not learnt from
)

// path is the front of one frame.
type path struct {
	u          []float64 // distance from the first edge, px, by column
	score      float64   // by how many nats it explains the frame better than no milling
	sd         float64   // of the mean
	acrossPx   float64   // that it is long
	confidence float64   // 0..1
}

// locate finds the front. Where what is known of how milled px look shows no clear trench, floors of several depths are
// tried as well, and what explains the frame best is taken; nothing, if nothing does.
func (f *front) locate(cur, ref *window, region orientedRect, sigma float64) path {
	width := float64(region.columnPx())
	var best path
	var evidenceOf evidence
	if f.seen > 0 {
		evidenceOf = weigh(cur, ref, region, sigma, f.density())
		if best = f.find(&evidenceOf, width); best.clear() {
			return f.finish(&evidenceOf, best)
		}
	}
	surface, n := 0.0, 0.0
	for u := range region.length {
		for v := range region.across {
			x, y := region.at(u, v)
			if cur.has(x, y) {
				surface += float64(ref.row(y)[x-ref.X0])
				n++
			}
		}
	}
	surface /= max(n, 1)
	for _, darker := range floors() {
		e := weigh(cur, ref, region, sigma, floor(surface*(1-darker), math.Hypot(sigma, floorSD*surface)))
		if p := f.find(&e, width); best.u == nil || p.score > best.score {
			best, evidenceOf = p, e
		}
	}
	if !best.stands() {
		clear(best.u)
	}
	return f.finish(&evidenceOf, best)
}

// clear reports whether a path shows a trench beyond doubt.
func (p *path) clear() bool { return p.stands() && mean(p.u) >= leastTrench }

// stands reports whether a path explains the frame so much better than none that it counts: as a whole, and by each of
// the px that it says were milled. A region that is a little darker all over is no trench.
func (p *path) stands() bool {
	return p.score >= max(leastScore, leastPerPx*mean(p.u)*p.acrossPx)
}

// floors are how much darker than the surface a trench may be, as a share of the surface's level.
func floors() []float64 { return []float64{0.12, 0.25, 0.45, 0.7} }

const (
	floorSD     = 0.12 // of levels in a trench, of the surface's level
	leastScore  = 40   // nats by which a first trench explains a frame better than none
	leastPerPx  = 0.08 // nats, of each px that was milled
	leastTrench = 8    // px: of a shorter one nothing is learnt
)

// floor is the density of milled px of one level, some of which have any.
func floor(level, sd float64) (d [grayBins]float64) {
	const uniform = 1 / (grayHigh - grayLow)
	for i := range d {
		x := (grayLow + (float64(i)+0.5)*(grayHigh-grayLow)/grayBins - level) / sd
		d[i] = anyLevel*uniform + (1-anyLevel)*math.Exp(-x*x/2)/(sd*math.Sqrt(2*math.Pi))
	}
	return d
}

// density is the probability density of milled px by bin, smoothed over neighbouring bins.
func (f *front) density() (d [grayBins]float64) {
	const uniform = 1 / (grayHigh - grayLow)
	for i := range d {
		var s, n float64
		for k := max(0, i-2); k <= min(grayBins-1, i+2); k++ {
			weight := 3 - math.Abs(float64(k-i))
			s, n = s+weight*f.levels[k], n+weight
		}
		d[i] = anyLevel*uniform + (1-anyLevel)*s/n/f.seen*grayBins*uniform
	}
	return d
}

// find returns the most likely front.
func (f *front) find(e *evidence, columnPx float64) path {
	n := e.length + 1
	best, from := make([]float64, e.columns*n), make([]int32, e.columns*n)
	price := jumpPrice * columnPx
	copy(best[:n], e.sum[:n])
	for b := 1; b < e.columns; b++ {
		last, now, back := best[(b-1)*n:b*n], best[b*n:(b+1)*n], from[b*n:(b+1)*n]
		// The best of last[k]-price*|k-u| for every u, in two passes (the distance transform of Felzenszwalb 2004).
		for u := range n {
			now[u], back[u] = last[u], int32(u)
			if u > 0 && now[u-1]-price > now[u] {
				now[u], back[u] = now[u-1]-price, back[u-1]
			}
		}
		for u := n - 2; u >= 0; u-- {
			if now[u+1]-price > now[u] {
				now[u], back[u] = now[u+1]-price, back[u+1]
			}
		}
		for u := range n {
			now[u] += e.sum[b*n+u]
		}
	}
	p := path{u: make([]float64, e.columns), acrossPx: columnPx * float64(e.columns)}
	at, last := 0, best[(e.columns-1)*n:]
	for u := range last {
		if last[u] > last[at] {
			at = u
		}
	}
	p.score = last[at]
	for b := e.columns - 1; b >= 0; b-- {
		p.u[b] = float64(at)
		at = int(from[b*n+at])
	}
	return p
}

// finish tells how sure a path is, and moves it to the edge.
func (f *front) finish(e *evidence, p path) path {
	p.confidence = e.agreement(p.u)
	f.sharpen(&e.difference, &p)
	p.sd = p.spread()
	return p
}

// sharpen moves a path to the edge itself: the bright line there or, where that does not show, where the profile across it
// comes up to the surface, and from there as far as the line was in other frames. What is next to the front is neither surface nor
// floor, so that the change from one to the other is found some px off.
func (f *front) sharpen(d *difference, p *path) {
	if !slices.ContainsFunc(p.u, func(u float64) bool { return u > awayPx }) {
		return
	}
	lined, strength := d.line(p.u)
	aligned := d.align(p.u)
	across := d.across(aligned)
	step, line := across.step(), mean(lined)-mean(aligned)
	at := step
	if f.gaps >= fewGaps {
		at += f.gap
	}
	switch {
	case strength >= clearLine, strength >= fairLine && !(line-step < -agreePx || line-step > facePx), strength >= weakLine && !(math.Abs(line-at) > agreePx):
		p.u = lined
		if isFinite(step) {
			f.gaps = min(f.gaps+1, mostGaps)
			f.gap += (line - step - f.gap) / f.gaps
		}
	case isFinite(at):
		for b, u := range aligned {
			p.u[b] = max(0, u+at)
		}
	}
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// spread is the standard deviation of the path's mean that its roughness from column to column amounts to.
func (p *path) spread() float64 {
	if len(p.u) < 3 {
		return 1
	}
	var s float64
	for i := 1; i < len(p.u); i++ {
		d := p.u[i] - p.u[i-1]
		s += d * d / 2
	}
	const leastPx = 0.2 // grey levels say no more about an edge's place
	return max(leastPx, math.Sqrt(s/float64(len(p.u)-1)/float64(len(p.u))))
}

// learn remembers the grey levels behind a front.
func (f *front) learn(cur *window, region orientedRect, p path) {
	if !p.clear() {
		return
	}
	for i := range f.levels {
		f.levels[i] *= fade
	}
	f.seen *= fade
	width := region.columnPx()
	for v := range region.across {
		for u := range int(p.u[v/width]) - awayPx {
			if x, y := region.at(u, v); cur.has(x, y) {
				f.levels[grayBin(float64(cur.row(y)[x-cur.X0]))]++
				f.seen++
			}
		}
	}
}
