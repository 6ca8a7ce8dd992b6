package score

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Fate is what became of an object in the comparison.
type Fate uint8

// Fates. An object of the truth is matched, missed, split or merged; a found one is matched, false, a piece
// (Split) or a merger (Merged).
const (
	// Matched: the object and one of the other image overlap with an IoU above 0.5.
	Matched Fate = iota
	// Lost: a true object that nothing accounts for (missed), or a found one that accounts for nothing (false).
	Lost
	// Split: a true object without a match that two or more found objects share, or one of these.
	Split
	// Merged: a found object without a match that swallows two or more true ones, or one of these.
	Merged
)

// Object is one object of a label image.
type Object struct {
	Label   int32
	AreaPx  int
	Partner int     // index of the matched object in the other list; -1 without
	IoU     float64 // with the partner; 0 without
	Fate    Fate
}

// Matching is the comparison of two label images.
type Matching struct {
	Truth, Found []Object // ascending by label
	overlaps     []overlap
}

// overlap is how many px an object of the truth and a found one share.
type overlap struct {
	truth, found int32 // indices
	px           int
}

// Match compares two label images of the same size; values of 0 and below are background. Objects are matched
// where they share more than half of their union, which at most one partner can. Time is linear in the pixels.
// The error says that the sizes differ.
func Match(truth, found []int32) (*Matching, error) {
	if len(truth) != len(found) {
		return nil, fmt.Errorf("truth has %d px, the found labels have %d: compare label images of the same size", len(truth), len(found))
	}
	t, f := newIndex(truth), newIndex(found)
	m := &Matching{Truth: t.objects, Found: f.objects, overlaps: overlapsOf(truth, found, t, f)}
	for _, o := range m.overlaps {
		a, b := &m.Truth[o.truth], &m.Found[o.found]
		union := a.AreaPx + b.AreaPx - o.px
		if 2*o.px <= union {
			continue
		}
		iou := float64(o.px) / float64(union)
		a.Partner, a.IoU, a.Fate = int(o.found), iou, Matched
		b.Partner, b.IoU, b.Fate = int(o.truth), iou, Matched
	}
	m.explain()
	return m, nil
}

// overlapsOf counts the px of every pair of objects that touch the same pixel, ordered by truth, then found.
func overlapsOf(truth, found []int32, t, f *index) []overlap {
	shared := map[uint64]int{}
	for i := 0; i < len(truth); {
		a, b := truth[i], found[i]
		start := i
		for i++; i < len(truth) && truth[i] == a && found[i] == b; i++ {
		}
		if a > 0 && b > 0 {
			shared[uint64(t.of(a))<<32|uint64(f.of(b))] += i - start
		}
	}
	out := make([]overlap, 0, len(shared))
	for pair, px := range shared {
		out = append(out, overlap{truth: int32(pair >> 32), found: int32(pair & math.MaxUint32), px: px})
	}
	slices.SortFunc(out, func(a, b overlap) int {
		return cmp.Or(cmp.Compare(a.truth, b.truth), cmp.Compare(a.found, b.found))
	})
	return out
}

// explain finds the objects without a match that were split or merged: two or more objects of the other image
// lie with more than half of their area in it, and together they cover more than half of it.
func (m *Matching) explain() {
	pieces := groups(m.overlaps, len(m.Truth), func(o overlap) (host, part int32, inside bool) {
		return o.truth, o.found, 2*o.px > m.Found[o.found].AreaPx
	})
	swallowed := groups(m.overlaps, len(m.Found), func(o overlap) (host, part int32, inside bool) {
		return o.found, o.truth, 2*o.px > m.Truth[o.truth].AreaPx
	})
	mark(m.Found, m.Truth, swallowed, Merged)
	mark(m.Truth, m.Found, pieces, Split)
}

// group is the objects of one image that lie mostly in one object of the other.
type group struct {
	parts []int32
	px    int
}

func groups(overlaps []overlap, hosts int, inside func(overlap) (host, part int32, inside bool)) []group {
	out := make([]group, hosts)
	for _, o := range overlaps {
		if host, part, ok := inside(o); ok {
			out[host].parts = append(out[host].parts, part)
			out[host].px += o.px
		}
	}
	return out
}

// mark gives hosts that are lost though their parts account for them, and the lost parts, their fate.
func mark(hosts, parts []Object, of []group, fate Fate) {
	for i, g := range of {
		if hosts[i].Fate != Lost || len(g.parts) < 2 || 2*g.px <= hosts[i].AreaPx {
			continue
		}
		hosts[i].Fate = fate
		for _, p := range g.parts {
			if parts[p].Fate == Lost {
				parts[p].Fate = fate
			}
		}
	}
}

// index numbers the labels of an image 0, 1, 2, ... in ascending order.
type index struct {
	objects []Object
	table   []int32         // by label, where the labels are dense enough
	sparse  map[int32]int32 // else
}

// newIndex lists the objects of a label image with their areas.
func newIndex(labels []int32) *index {
	top := int32(0)
	for _, l := range labels {
		top = max(top, l)
	}
	x := &index{}
	if int(top) <= len(labels)/4+1<<16 {
		areas := make([]int, int(top)+1)
		for _, l := range labels {
			if l > 0 {
				areas[l]++
			}
		}
		x.table = make([]int32, len(areas))
		for l, n := range areas {
			if n > 0 {
				x.table[l] = int32(len(x.objects))
				x.objects = append(x.objects, Object{Label: int32(l), AreaPx: n, Partner: -1, Fate: Lost})
			}
		}
		return x
	}
	areas := map[int32]int{}
	for _, l := range labels {
		if l > 0 {
			areas[l]++
		}
	}
	x.sparse = make(map[int32]int32, len(areas))
	for l, n := range areas {
		x.objects = append(x.objects, Object{Label: l, AreaPx: n, Partner: -1, Fate: Lost})
	}
	slices.SortFunc(x.objects, func(a, b Object) int { return cmp.Compare(a.Label, b.Label) })
	for i := range x.objects {
		x.sparse[x.objects[i].Label] = int32(i)
	}
	return x
}

// of returns the number of a label that the image has.
func (x *index) of(label int32) int32 {
	if x.sparse != nil {
		return x.sparse[label]
	}
	return x.table[label]
}
