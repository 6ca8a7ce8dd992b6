package scalebar

import "slices"

// edge is a horizontal boundary of constant sign: the rows below it are brighter (sign +1) or darker (-1).
type edge struct {
	y        float64 // px, between rows: 3 lies between rows 2 and 3
	x0, x1   int     // columns x0..x1-1
	sign     int
	strength float64 // mean step, grey levels
}

// Edge finding: a step of the grey levels given is evidence for an edge, less is evidence against; stretches of up
// to edgeGap columns without it are bridged. The small step finds faint bars, the large one keeps bright bars apart
// from the image's own edges beside them.
const (
	faintStep = 5
	clearStep = 30
	edgeGap   = 12
	minBarPx  = 18
	maxThick  = 80
	maxEdges  = 20000
)

// run is a stretch of one row's vertical differences.
type run struct{ y, x0, x1, sum int }

// findEdges returns the boundaries of at least minBar columns whose step is about the one given or more.
func findEdges(p *plane, step int) []edge {
	var both [2][]edge
	parallel(2, func(k int) {
		sign := 1 - 2*k
		var runs []run
		for y := 1; y+1 < p.h && len(runs) < maxEdges; y++ {
			runs = rowRuns(runs, p.row(y-1), p.row(y+1), y, sign, step, p.minBar)
		}
		both[k] = mergeRuns(runs, sign)
	})
	return append(both[0], both[1]...)
}

// rowRuns appends the maximal scoring stretches of sign*(below-above).
func rowRuns(out []run, above, below []uint8, y, sign, step, least int) []run {
	below = below[:len(above)]
	cum, peak, peakAt, start, sum, peakSum := 0, 0, 0, 0, 0, 0
	emit := func() {
		if n := peakAt - start; n >= least && peak*2 >= n*step {
			out = append(out, run{y, start, peakAt, peakSum})
		}
		cum, peak, sum = 0, 0, 0
	}
	for x, a := range above {
		d := sign * (int(below[x]) - int(a))
		if cum == 0 {
			if d <= step {
				continue
			}
			start, peak, sum = x, 0, 0
		}
		s := min(max(d, -step), 2*step) - step
		cum += s
		sum += d
		if cum > peak {
			peak, peakAt, peakSum = cum, x+1, sum
		}
		if cum <= 0 || peak-cum >= edgeGap*step {
			emit()
		}
	}
	if cum > 0 {
		emit()
	}
	return out
}

// mergeRuns joins the runs that one blurred boundary leaves in neighbouring rows.
func mergeRuns(runs []run, sign int) []edge {
	type group struct {
		best       run
		last       int
		wy, weight float64
	}
	var open []*group
	var done []edge
	closed := func(g *group) {
		n := g.best.x1 - g.best.x0
		done = append(done, edge{g.wy/g.weight + 0.5, g.best.x0, g.best.x1, sign, float64(g.best.sum) / float64(n)})
	}
	for _, r := range runs {
		open = slices.DeleteFunc(open, func(g *group) bool {
			if g.last < r.y-1 {
				closed(g)
				return true
			}
			return false
		})
		w := float64(max(r.sum, 1))
		k := slices.IndexFunc(open, func(g *group) bool {
			return g.last == r.y-1 && overlap(r.x0, r.x1, g.best.x0, g.best.x1) > 0.7
		})
		if k < 0 {
			open = append(open, &group{r, r.y, w * float64(r.y), w})
			continue
		}
		g := open[k]
		g.last = r.y
		g.wy += w * float64(r.y)
		g.weight += w
		if r.sum > g.best.sum {
			g.best = r
		}
	}
	for _, g := range open {
		closed(g)
	}
	return done
}

// overlap is the intersection over the union of two ranges.
func overlap(a0, a1, b0, b1 int) float64 {
	i := min(a1, b1) - max(a0, b0)
	if i <= 0 {
		return 0
	}
	return float64(i) / float64(max(a1, b1)-min(a0, b0))
}
