package infer

import (
	"math"

	"github.com/uni-aims/aimsd/cuda"
)

// maxLevels is how many image scales a pool may hold.
const maxLevels = 8

// candidate is an object found at one scale, offered for the result.
type candidate struct {
	level    *level
	label    int32
	find     *cuda.Object
	look     *sketch
	area     float64 // px at full size
	diameter float64 // px at its scale
	misfit   float64 // log2 of actual over predicted diameter; for one the border cuts, CutOctaves smaller are none
	cut      bool    // by the image's border
	q        float64 // first guess of its quality
}

func (c *candidate) fullDiameter() float64 {
	return math.Log2(2 * math.Sqrt(math.Max(c.area, 1)/math.Pi))
}

// relation is a candidate of another scale that shares pixels.
type relation struct{ other, px int32 }

// Pool is the objects of all image scales, from which the result is chosen.
type Pool struct {
	Width, Height int
	Features      []float32 // len(FeatureNames()) per candidate
	levels        []*level
	cands         []candidate
	near          [][]relation
}

const (
	minCandidatePx = 8   // at its own scale
	maxFlowError   = 0.6 // above it a candidate is not one
	cutOctaves     = 1   // by how many octaves an object cut by the border may be smaller than predicted

	// what reaches three sides of the frame and fills more of it is the background: of 21 450 hand-outlined
	// objects none does
	backgroundSides, backgroundShare = 3, 2.0 / 3
)

// newPool gathers the candidates of all levels and describes them.
func newPool(width, height int, levels []*level) *Pool {
	p := &Pool{Width: width, Height: height, levels: levels}
	for k, l := range levels {
		l.place = k
		p.gather(l)
	}
	p.relate()
	p.describe()
	return p
}

// Len is the number of candidates.
func (p *Pool) Len() int { return len(p.cands) }

// gather adds a level's objects.
func (p *Pool) gather(l *level) {
	for i := range l.finds {
		o := &l.finds[i]
		label := int32(i + 1)
		if o.Area < minCandidatePx || l.areas[label] == 0 || !(o.FlowError < maxFlowError) {
			l.areas[label] = 0
			continue
		}
		if sides(o, l.w, l.h) >= backgroundSides && float64(l.areas[label]) > backgroundShare*float64(p.Width*p.Height) {
			l.areas[label] = 0
			continue
		}
		c := candidate{
			level: l, label: label, find: o, look: &l.sketches[i], area: float64(l.areas[label]),
			cut: sides(o, l.w, l.h) > 0, diameter: 2 * math.Sqrt(float64(o.Area)/math.Pi),
		}
		c.misfit = math.Log2(math.Max(c.diameter, 2)/32) - o.LogSize
		if c.cut && c.misfit < 0 {
			c.misfit = math.Min(c.misfit+cutOctaves, 0)
		}
		c.q = c.quality()
		p.cands = append(p.cands, c)
	}
}

// sides counts the sides of an image of w x h px that an object reaches.
func sides(o *cuda.Object, w, h int) int {
	n := 0
	for _, reached := range []bool{o.X0 == 0, o.Y0 == 0, o.X1 == w, o.Y1 == h} {
		if reached {
			n++
		}
	}
	return n
}

// relate finds the candidates of other levels that each one shares pixels with.
func (p *Pool) relate() {
	p.near = make([][]relation, len(p.cands))
	index := make([][]int32, len(p.levels)) // by level and label
	for k, l := range p.levels {
		index[k] = make([]int32, len(l.areas))
		for i := range index[k] {
			index[k][i] = -1
		}
	}
	for i := range p.cands {
		index[p.cands[i].level.place][p.cands[i].label] = int32(i)
	}
	bands(len(p.cands), func(from, to int) {
		var touched []int32
		counts := make([][]int32, len(p.levels))
		for k, l := range p.levels {
			counts[k] = make([]int32, len(l.areas))
		}
		for i := from; i < to; i++ {
			c := &p.cands[i]
			for k, l := range p.levels {
				if l == c.level {
					continue
				}
				touched = c.level.overlaps(c.label, l, counts[k], touched, func(other, px int32) {
					if j := index[k][other]; j >= 0 {
						p.near[i] = append(p.near[i], relation{j, px})
					}
				})
			}
		}
	})
}

// TrueIoU returns, for each candidate, its greatest intersection over union with an object of a label
// image of the pool's size.
func (p *Pool) TrueIoU(truth []int32) []float64 {
	areas := map[int32]float64{}
	for _, v := range truth {
		areas[v]++
	}
	out := make([]float64, len(p.cands))
	for i := range p.cands {
		c := &p.cands[i]
		shared := map[int32]float64{}
		c.level.stretches(c.label, func(s stretch) {
			for _, v := range truth[int(s.y)*p.Width+int(s.x0) : int(s.y)*p.Width+int(s.x1)] {
				shared[v]++
			}
		})
		for v, px := range shared {
			if v > 0 {
				out[i] = math.Max(out[i], px/(c.area+areas[v]-px))
			}
		}
	}
	return out
}
