package infer

import (
	"cmp"
	"math"
	"slices"
)

// FeatureNames are what a scorer knows of a candidate, in order. A scorer made for others is refused.
func FeatureNames() []string {
	return []string{
		// itself, at its own image scale
		"flow_error", "flow_error_root", "probability_logit", "size_misfit", "size_too_large", "size_too_small",
		"log2_diameter", "log2_diameter_squared", "magnified", "scale_1", "scale_2", "scale_4", "extent", "elongation", "compactness",
		"cut", "touching", "contrast", "contrast_evenness", "grey_deviation", "beyond_logit", "size_deviation", "quality",
		// among the candidates of the other scales
		"iou_best", "iou_second", "iou_finer", "iou_coarser", "peer_quality", "children_share", "children_quality",
		"children_log", "parent_share", "parent_quality", "parent_contrast",
		// in its image
		"log2_area_share", "log_candidates", "median_distance", "median_distance_abs", "median_quality", "scale_share",
	}
}

const (
	childShare = 0.5 // a candidate under half another's area belongs to it with this share of its own
	goodEnough = 0.3 // quality from which a candidate counts in the image's medians
)

// quality is a first guess of how good a candidate is: probability x flow consistency x agreement of its
// size with the predicted one x size within the trained range; 0..1.
func (c *candidate) quality() float64 {
	least := 14.0
	if c.level.scale >= 1 {
		least = 3 // nothing finer exists
	}
	o := c.find
	return o.Probability * math.Exp(-1.5*o.FlowError) * math.Exp(-math.Abs(c.misfit)) *
		math.Min(1, c.diameter/least) * math.Min(1, 160/c.diameter)
}

// describe fills in the features of all candidates.
func (p *Pool) describe() {
	n := len(FeatureNames())
	p.Features = make([]float32, n*len(p.cands))
	sizes, weights := p.typical()
	median, total := weightedMedian(sizes, weights)
	scales := map[float64]float64{}
	for i := range p.cands {
		scales[p.cands[i].level.scale] += p.cands[i].q / math.Max(total, 1e-6)
	}
	bands(len(p.cands), func(from, to int) {
		for i := from; i < to; i++ {
			f := p.Features[i*n : i*n : (i+1)*n]
			f = p.cands[i].own(f)
			f = p.among(f, int32(i))
			distance := p.cands[i].fullDiameter() - median
			f = append(f, float32(math.Log2(p.cands[i].area/float64(p.Width*p.Height))), float32(math.Log(float64(len(p.cands)+1))),
				float32(distance), float32(math.Abs(distance)), float32(total/float64(len(p.cands))),
				float32(scales[p.cands[i].level.scale]))
			if len(f) != n {
				panic("infer: features and their names differ in number")
			}
		}
	})
}

// typical returns log2 diameters at full size and qualities of the candidates that look good.
func (p *Pool) typical() (sizes, weights []float64) {
	for i := range p.cands {
		if c := &p.cands[i]; c.q > goodEnough {
			sizes, weights = append(sizes, c.fullDiameter()), append(weights, c.q)
		}
	}
	return sizes, weights
}

// weightedMedian returns the median and the sum of weights; 5 (32 px) of nothing.
func weightedMedian(values, weights []float64) (median, total float64) {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
		total += weights[i]
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	sum := 0.0
	for _, i := range order {
		if sum += weights[i]; sum >= total/2 {
			return values[i], total
		}
	}
	return 5, total
}

// own appends what a candidate says of itself.
func (c *candidate) own(f []float32) []float32 {
	o, s := c.find, c.look
	area := float64(o.Area)
	odds := o.Probability / (1 - o.Probability + 1e-4)
	is := func(scale float64) float64 {
		if c.level.scale == scale {
			return 1
		}
		return 0
	}
	cut := 0.0
	if c.cut {
		cut = 1
	}
	edges := math.Max(s.edges, 1)
	size := math.Log2(math.Max(c.diameter, 2) / 32)
	step := deviation(s.step, s.step2, edges)
	for _, v := range []float64{
		o.FlowError, math.Sqrt(o.FlowError), math.Log(odds + 1e-4), math.Abs(c.misfit), math.Max(c.misfit, 0), math.Max(-c.misfit, 0),
		size, size * size, is(2), is(1), is(0.5), is(0.25), area / math.Max(s.width*s.height, 1),
		math.Log2(math.Max(s.width, s.height) / math.Max(math.Min(s.width, s.height), 1)),
		math.Min(16*math.Pi*area/(edges*edges)*0.77, 2), // 1 for a circle's px edges
		cut, s.touch / edges, math.Abs(s.step / edges), math.Abs(s.step/edges) / (step + 0.05),
		deviation(s.grey, s.grey2, area), s.beyond / edges, deviation(o.LogSize*area, s.size2, area), c.q,
	} {
		f = append(f, float32(v))
	}
	return f
}

// among appends how a candidate agrees with those of other scales.
func (p *Pool) among(f []float32, i int32) []float32 {
	c := &p.cands[i]
	var best, second, finer, coarser, peer float64
	var children, parent, parentQuality, parentContrast, childCount float64
	var share, quality [maxLevels]float64
	for _, r := range p.near[i] {
		o, px := &p.cands[r.other], float64(r.px)
		iou := px / (c.area + o.area - px)
		switch {
		case iou > best:
			best, second = iou, best
			peer = o.q
		case iou > second:
			second = iou
		}
		if o.level.scale > c.level.scale {
			finer = math.Max(finer, iou)
		} else {
			coarser = math.Max(coarser, iou)
		}
		switch {
		case o.area < 0.5*c.area && px > childShare*o.area:
			k := o.level.place
			share[k] += px / c.area
			quality[k] += o.q * px / c.area
			childCount++
		case o.area > 2*c.area && px > childShare*c.area && o.q > parentQuality:
			parent, parentQuality = px/c.area, o.q
			parentContrast = math.Abs(o.look.step) / math.Max(o.look.edges, 1)
		}
	}
	children = slices.Max(share[:])
	for _, v := range []float64{
		best, second, finer, coarser, peer, children, slices.Max(quality[:]), math.Log1p(childCount), parent, parentQuality, parentContrast,
	} {
		f = append(f, float32(v))
	}
	return f
}
