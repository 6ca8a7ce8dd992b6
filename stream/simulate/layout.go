package simulate

import (
	"math"
	"math/rand/v2"
)

const (
	clusterGrowth = 0.65 // chance that a cluster of two or more gets one more member
	clusterLimit  = 12   // members
	clusterGapPx  = 4.0  // smallest gap between clusters
	placeTries    = 60   // for a cluster's first member
	memberTries   = 14   // for each further one
)

// layout places particles on an area of w x h px: clusters of touching particles, apart from each other. A
// particle at the border shows at least a quarter of its diameter, so that no sliver is left to argue about.
type layout struct {
	w, h  float64
	cell  float64
	cols  int
	rows  int
	cells [][]*particle
	all   []*particle
}

// place draws the particles of one frame.
func place(rng *rand.Rand, w, h int, l look) []*particle {
	reach := l.MaxPx // an outline reaches at most this far from its centre
	g := &layout{w: float64(w), h: float64(h), cell: 2 * reach}
	g.cols, g.rows = int((g.w+2*reach)/g.cell)+1, int((g.h+2*reach)/g.cell)+1
	g.cells = make([][]*particle, g.cols*g.rows)
	want := int(math.Round(l.perMpx * g.w * g.h / (1 << 20)))
	if l.Count > 0 {
		want = l.Count
	}
	meanSize := 2 + clusterGrowth/(1-clusterGrowth)
	clustered := l.touching / (meanSize - l.touching*meanSize + l.touching)
	for range 4 * want {
		if len(g.all) >= want {
			break
		}
		n := 1
		if rng.Float64() < clustered {
			for n = 2; n < clusterLimit && rng.Float64() < clusterGrowth; n++ {
			}
		}
		g.cluster(rng, l, min(n, want-len(g.all)))
	}
	for _, p := range g.all {
		p.charged = rng.Float64() < l.charging
	}
	return g.all
}

// cluster places one cluster of up to n particles.
func (g *layout) cluster(rng *rand.Rand, l look, n int) {
	first := newParticle(rng, l.diameter(rng))
	for range placeTries {
		first.x, first.y = rng.Float64()*(g.w+2*first.reach)-first.reach, rng.Float64()*(g.h+2*first.reach)-first.reach
		if g.visible(first) && g.free(first, nil) {
			members := []*particle{first}
			for len(members) < n {
				p := g.attach(rng, newParticle(rng, l.diameter(rng)), members)
				if p == nil {
					break
				}
				members = append(members, p)
			}
			for _, p := range members {
				g.keep(p)
			}
			return
		}
	}
}

// attach finds a place for q where it touches a member. Of the places it finds it takes the one nearest to the
// cluster's first member, which packs clusters as drying does.
func (g *layout) attach(rng *rand.Rand, q *particle, members []*particle) *particle {
	best, bx, by := math.Inf(1), 0.0, 0.0
	for range memberTries {
		q.touch(members[rng.IntN(len(members))], rng.Float64()*2*math.Pi)
		d := math.Hypot(q.x-members[0].x, q.y-members[0].y)
		if d < best && g.visible(q) && g.free(q, members) {
			best, bx, by = d, q.x, q.y
		}
	}
	if math.IsInf(best, 1) {
		return nil
	}
	q.x, q.y = bx, by
	return q
}

// visible reports whether enough of p lies inside the frame.
func (g *layout) visible(p *particle) bool {
	inset := p.reach / 2
	return p.x+p.reach-inset >= 0 && p.y+p.reach-inset >= 0 && p.x-p.reach+inset <= g.w && p.y-p.reach+inset <= g.h
}

// free reports whether p overlaps none of its own cluster and keeps its distance from all placed before.
func (g *layout) free(p *particle, members []*particle) bool {
	for _, m := range members {
		if p.overlap(m) > 0.05 {
			return false
		}
	}
	cx, cy := g.at(p)
	for y := max(cy-1, 0); y <= min(cy+1, g.rows-1); y++ {
		for x := max(cx-1, 0); x <= min(cx+1, g.cols-1); x++ {
			for _, o := range g.cells[y*g.cols+x] {
				if p.overlap(o) > -clusterGapPx {
					return false
				}
			}
		}
	}
	return true
}

func (g *layout) at(p *particle) (cx, cy int) {
	cx, cy = int((p.x+g.cell/2)/g.cell), int((p.y+g.cell/2)/g.cell)
	return min(max(cx, 0), g.cols-1), min(max(cy, 0), g.rows-1)
}

func (g *layout) keep(p *particle) {
	cx, cy := g.at(p)
	g.cells[cy*g.cols+cx] = append(g.cells[cy*g.cols+cx], p)
	g.all = append(g.all, p)
}
