package metrics

// components returns the first span of each 8-connected component of one label's spans, by index in
// raster order. parent is scratch of any length, grown as needed and handed back.
func components(spans []span, first, parent []int32) (firsts, scratch []int32) {
	parent = identity(parent, len(spans))
	above, row := 0, 0 // start of the previous row's spans and of this row's
	for i := range spans {
		if spans[i].y != spans[row].y {
			above, row = row, i
		}
		if spans[above].y != spans[i].y-1 {
			continue
		}
		// above advances only past spans that end before this one, so each row is walked once.
		for above < row && spans[above].x1 < spans[i].x0 {
			above++
		}
		for j := above; j < row && spans[j].x0 <= spans[i].x1; j++ {
			union(parent, int32(i), int32(j))
		}
		if above == row { // all of the previous row lies to the left; keep its y for the test above
			above = row - 1
		}
	}
	first = first[:0]
	for i := range parent {
		if parent[i] == int32(i) {
			first = append(first, int32(i))
		}
	}
	return first, parent
}

// holes returns the px² of background that one label's spans enclose: gaps between spans of a row that
// are not 4-connected to the outside. Other objects inside count as hole.
func holes(spans []span, parent []int32) (px int, scratch []int32) {
	// Node 0 is the outside, node i+1 the gap between spans i and i+1 of the same row.
	parent = identity(parent, len(spans)+1)
	prev, prevEnd := 0, 0 // the row above
	for row := 0; row < len(spans); {
		end := row + 1
		for end < len(spans) && spans[end].y == spans[row].y {
			end++
		}
		if prevEnd > prev && spans[prev].y == spans[row].y-1 {
			joinGaps(spans, parent, prev, prevEnd, row, end)
		} else {
			openGaps(parent, prev, prevEnd)
			openGaps(parent, row, end)
		}
		prev, prevEnd, row = row, end, end
	}
	openGaps(parent, prev, prevEnd)
	for i := range len(spans) - 1 {
		if spans[i].y == spans[i+1].y && find(parent, int32(i+1)) != 0 {
			px += int(spans[i+1].x0 - spans[i].x1)
		}
	}
	return px, parent
}

// joinGaps unites the background intervals of two neighbouring rows a0..a1-1 and b0..b1-1 that overlap,
// each row's first and last interval being the outside.
func joinGaps(spans []span, parent []int32, a0, a1, b0, b1 int) {
	// Interval k of a row lies between spans k-1 and k; k runs from the row's start to its end.
	for a, b := a0, b0; a <= a1 && b <= b1; {
		left, right := int32(-1), int32(1<<30)
		nodeA, nodeB := int32(0), int32(0)
		endA, endB := right, right
		if a > a0 {
			left = spans[a-1].x1
		}
		if b > b0 {
			left = max(left, spans[b-1].x1)
		}
		if a < a1 {
			endA = spans[a].x0
		}
		if b < b1 {
			endB = spans[b].x0
		}
		if a > a0 && a < a1 {
			nodeA = int32(a)
		}
		if b > b0 && b < b1 {
			nodeB = int32(b)
		}
		if left < min(endA, endB) {
			union(parent, nodeA, nodeB)
		}
		if endA <= endB {
			a++
		}
		if endB <= endA {
			b++
		}
	}
}

// openGaps unites the gaps of one row with the outside.
func openGaps(parent []int32, row, end int) {
	for i := row + 1; i < end; i++ {
		union(parent, int32(i), 0)
	}
}

func identity(parent []int32, n int) []int32 {
	if cap(parent) < n {
		parent = make([]int32, n)
	}
	parent = parent[:n]
	for i := range parent {
		parent[i] = int32(i)
	}
	return parent
}

// find returns the root, halving the path on the way.
func find(parent []int32, i int32) int32 {
	for parent[i] != i {
		parent[i] = parent[parent[i]]
		i = parent[i]
	}
	return i
}

// union joins two sets; the smaller index stays root.
func union(parent []int32, i, j int32) {
	a, b := find(parent, i), find(parent, j)
	switch {
	case a < b:
		parent[b] = a
	case b < a:
		parent[a] = b
	}
}
