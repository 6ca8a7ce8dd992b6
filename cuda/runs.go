package cuda

// forest joins the stretches of an image into components by union-find. A root is its component's first stretch in
// raster order.
type forest struct{ parent []int32 }

// join joins stretches that touch in the row above; reach is 1 for 8-connectivity and 0 for 4-connectivity.
func join(runs *rowRuns, height int, reach int32) *forest {
	s := &forest{parent: make([]int32, len(runs.all))}
	for i := range s.parent {
		s.parent[i] = int32(i)
	}
	for y := 1; y < height; y++ {
		i, j := runs.first[y], runs.first[y-1]
		for i < runs.first[y+1] && j < runs.first[y] {
			a, b := runs.all[i], runs.all[j]
			if b.x0 < a.x1+reach && a.x0 < b.x1+reach {
				s.union(i, j)
			}
			if a.x1 < b.x1 {
				i++
			} else {
				j++
			}
		}
	}
	return s
}

func (s *forest) find(i int32) int32 {
	for s.parent[i] != i {
		s.parent[i] = s.parent[s.parent[i]]
		i = s.parent[i]
	}
	return i
}

// union joins two trees under the earlier root.
func (s *forest) union(a, b int32) {
	a, b = s.find(a), s.find(b)
	if a < b {
		s.parent[b] = a
	} else {
		s.parent[a] = b
	}
}

// number gives each stretch its component's number, from 1 in raster order of the components' first stretches.
func (s *forest) number() (numbers []int32, count int32) {
	numbers = make([]int32, len(s.parent))
	for i := range s.parent {
		if root := s.find(int32(i)); root == int32(i) {
			count++
			numbers[i] = count
		} else {
			numbers[i] = numbers[root]
		}
	}
	return numbers, count
}

// fillHoles gives every hole to the object around it. A hole is a 4-connected region of background that
// does not reach the frame's border and touches one object only.
func (h *Host) fillHoles(labels []int32, w, height int) {
	const several = -1
	runs := h.background(labels, w, height)
	forest := join(runs, height, 0)
	owner := make([]int32, len(runs.all)) // at roots: the one label touched, 0 none yet
	touch := func(i int32, l int32) {
		if l == 0 {
			return
		}
		if owner[i] == 0 {
			owner[i] = l
		} else if owner[i] != l {
			owner[i] = several
		}
	}
	for y := range height {
		for i := runs.first[y]; i < runs.first[y+1]; i++ {
			r, root := runs.all[i], forest.find(i)
			if r.x0 == 0 || int(r.x1) == w || y == 0 || y == height-1 {
				owner[root] = several
				continue
			}
			if owner[root] == several {
				continue
			}
			at := y * w
			touch(root, labels[at+int(r.x0)-1])
			touch(root, labels[at+int(r.x1)])
			for x := int(r.x0); x < int(r.x1); x++ {
				touch(root, labels[at-w+x])
				touch(root, labels[at+w+x])
			}
		}
	}
	for y := range height {
		for i := runs.first[y]; i < runs.first[y+1]; i++ {
			if o := owner[forest.find(i)]; o > 0 {
				fill(labels[y*w+int(runs.all[i].x0):y*w+int(runs.all[i].x1)], o)
			}
		}
	}
}
