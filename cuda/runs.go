package cuda

// run is a horizontal stretch of pixels, x0 inclusive, x1 exclusive.
type run struct{ y, x0, x1 int }

// runSet is the runs of an image in raster order with a union-find forest over them.
type runSet struct {
	all    []run
	parent []int32
}

// findRuns collects the runs of pixels for which is holds and joins those that touch in the row above;
// reach is 1 for 8-connectivity and 0 for 4-connectivity.
func findRuns(image []int32, w, h int, is func(int32) bool, reach int) *runSet {
	s := &runSet{}
	above, aboveEnd := 0, 0 // runs of the previous row
	for y := range h {
		row := image[y*w:][:w]
		first := len(s.all)
		for x := 0; x < w; {
			if !is(row[x]) {
				x++
				continue
			}
			x0 := x
			for x < w && is(row[x]) {
				x++
			}
			s.all = append(s.all, run{y, x0, x})
			s.parent = append(s.parent, int32(len(s.parent)))
		}
		for i, j := first, above; i < len(s.all) && j < aboveEnd; {
			a, b := s.all[i], s.all[j]
			if b.x0 < a.x1+reach && a.x0 < b.x1+reach {
				s.union(int32(i), int32(j))
			}
			if a.x1 < b.x1 {
				i++
			} else {
				j++
			}
		}
		above, aboveEnd = first, len(s.all)
	}
	return s
}

func (s *runSet) find(i int32) int32 {
	for s.parent[i] != i {
		s.parent[i] = s.parent[s.parent[i]]
		i = s.parent[i]
	}
	return i
}

// union joins two trees under the earlier root, so that a root is its component's first run.
func (s *runSet) union(a, b int32) {
	a, b = s.find(a), s.find(b)
	if a < b {
		s.parent[b] = a
	} else {
		s.parent[a] = b
	}
}

// number gives each run its component's number, from 1 in raster order of the components' first runs.
func (s *runSet) number() (numbers []int32, count int32) {
	numbers = make([]int32, len(s.all))
	for i := range s.all {
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
func fillHoles(labels []int32, w, h int) {
	const several = -1
	runs := findRuns(labels, w, h, func(v int32) bool { return v == 0 }, 0)
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
	for i, r := range runs.all {
		root := runs.find(int32(i))
		if r.x0 == 0 || r.x1 == w || r.y == 0 || r.y == h-1 {
			owner[root] = several
			continue
		}
		if owner[root] == several {
			continue
		}
		touch(root, labels[r.y*w+r.x0-1])
		touch(root, labels[r.y*w+r.x1])
		for x := r.x0; x < r.x1; x++ {
			touch(root, labels[(r.y-1)*w+x])
			touch(root, labels[(r.y+1)*w+x])
		}
	}
	for i, r := range runs.all {
		if o := owner[runs.find(int32(i))]; o > 0 {
			fill(labels[r.y*w+r.x0:r.y*w+r.x1], o)
		}
	}
}
