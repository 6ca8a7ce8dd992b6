package infer

import (
	"cmp"
	"slices"
)

// Choose makes one label image of the candidates of all scales. From the smallest on, a candidate takes
// the place of the smaller ones chosen so far that it overlaps if it is worth more than they are together:
// worth is the gain in expected true objects over the threshold. The chosen ones are then painted from the
// best to the worst, each on what is still free. It returns labels 1..N and the score of each.
func (p *Pool) Choose(scores []Score, by ChoiceParams) ([]int32, []float64) {
	labels := make([]int32, p.Width*p.Height)
	chosen := p.worthiest(scores, by)
	slices.SortStableFunc(chosen, func(a, b int32) int { return cmp.Compare(by.rank(scores[b]), by.rank(scores[a])) })
	var kept []float64
	painted := make([]bool, len(p.cands))
	for _, i := range chosen {
		c := &p.cands[i]
		if slices.ContainsFunc(p.near[i], func(r relation) bool { return painted[r.other] }) {
			free := 0
			c.rows(p.Width, func(from, to int) {
				for _, l := range labels[from:to] {
					if l == 0 {
						free++
					}
				}
			})
			if free == 0 || float64(free) < by.MinFree*c.area {
				continue
			}
		}
		painted[i] = true
		kept = append(kept, scores[i].Object)
		id := int32(len(kept))
		c.rows(p.Width, func(from, to int) {
			part := labels[from:to]
			for i, l := range part {
				if l == 0 {
					part[i] = id
				}
			}
		})
	}
	return labels, kept
}

func (by ChoiceParams) rank(s Score) float64 { return s.Object + by.Worth*s.Outline }

// worth is what a candidate adds to the result.
func (by ChoiceParams) worth(s Score) float64 { return s.Object - by.MinScore + by.Worth*s.Outline }

// worthiest returns the indices of the candidates that remain when conflicts are settled.
func (p *Pool) worthiest(scores []Score, by ChoiceParams) []int32 {
	order := make([]int32, 0, len(p.cands))
	for i := range p.cands {
		if scores[i].Object >= by.MinScore {
			order = append(order, int32(i))
		}
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(p.cands[a].area, p.cands[b].area), cmp.Compare(a, b))
	})
	in := make([]bool, len(p.cands))
	for _, i := range order {
		sum := 0.0
		p.conflicts(i, by, in, func(j int32) { sum += by.worth(scores[j]) })
		if sum >= by.worth(scores[i]) {
			continue
		}
		p.conflicts(i, by, in, func(j int32) { in[j] = false })
		in[i] = true
	}
	return slices.DeleteFunc(order, func(i int32) bool { return !in[i] })
}

// conflicts calls fn for the chosen candidates that cannot stand beside candidate i: the smaller of the two
// would not keep enough pixels.
func (p *Pool) conflicts(i int32, by ChoiceParams, in []bool, fn func(int32)) {
	for _, r := range p.near[i] {
		if in[r.other] && float64(r.px) > (1-by.MinFree)*min(p.cands[i].area, p.cands[r.other].area) {
			fn(r.other)
		}
	}
}

// rows calls fn for every stretch of the candidate: indices from..to-1 of a width-wide image.
func (c *candidate) rows(width int, fn func(from, to int)) {
	c.level.stretches(c.label, func(s stretch) {
		at := int(s.y) * width
		fn(at+int(s.x0), at+int(s.x1))
	})
}
