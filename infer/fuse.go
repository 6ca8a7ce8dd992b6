package infer

import (
	"cmp"
	"slices"
)

// explained is, per full-size px, the best score of a smaller candidate and that candidate's area.
type explained struct{ score, area float32 }

// fuse makes one label image of the candidates of all scales. From the smallest on, a candidate goes when
// smaller ones with good scores explain its area; the rest are taken greedily by score. It returns labels
// 1..N and the score of each.
func fuse(cands []candidate, width, height int, p FuseParams) ([]int32, []float64) {
	labels := make([]int32, width*height)
	if len(cands) == 0 {
		return labels, nil
	}
	kept := unexplained(cands, width, height, p)
	slices.SortStableFunc(kept, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
	var scores []float64
	for _, c := range kept {
		if c.score < p.MinScore {
			break
		}
		free := 0
		c.rows(width, func(from, to int) {
			for _, l := range labels[from:to] {
				if l == 0 {
					free++
				}
			}
		})
		if free == 0 || float64(free) < p.MinFree*c.area {
			continue
		}
		scores = append(scores, c.score)
		id := int32(len(scores))
		c.rows(width, func(from, to int) {
			part := labels[from:to]
			for i, l := range part {
				if l == 0 {
					part[i] = id
				}
			}
		})
	}
	return labels, scores
}

// unexplained returns the candidates that smaller ones do not explain. One scale alone explains nothing:
// its objects are disjoint.
func unexplained(cands []candidate, width, height int, p FuseParams) []candidate {
	several := slices.ContainsFunc(cands, func(c candidate) bool { return c.level != cands[0].level })
	if !several {
		return slices.Clone(cands)
	}
	byArea := slices.Clone(cands)
	slices.SortStableFunc(byArea, func(a, b candidate) int { return cmp.Compare(a.area, b.area) })
	best := make([]explained, width*height)
	kept := byArea[:0:0]
	for _, c := range byArea {
		half := float32(0.5 * c.area)
		sum := 0.0
		c.rows(width, func(from, to int) {
			for _, e := range best[from:to] {
				if e.area > 0 && e.area < half {
					sum += float64(e.score)
				}
			}
		})
		if sum > p.MaxExplained*c.score*c.area {
			continue
		}
		mine := explained{float32(c.score), float32(c.area)}
		c.rows(width, func(from, to int) {
			part := best[from:to]
			for i, e := range part {
				if mine.score > e.score {
					part[i] = mine
				}
			}
		})
		kept = append(kept, c)
	}
	return kept
}

// rows calls fn for every stretch of the candidate: indices from..to-1 of a width-wide image.
func (c candidate) rows(width int, fn func(from, to int)) {
	for _, s := range c.level.stretches(c.label) {
		at := int(s.y) * width
		fn(at+int(s.x0), at+int(s.x1))
	}
}
