package reporting

import (
	"cmp"
	"image/color"
	"slices"
	"sync"
)

// brightestGray leaves the colours something to stand out from on bright objects.
const brightestGray = 216

// overlayPalette: greys, black, white, cyan, and six object colours. Those follow Okabe and Ito's set for
// all kinds of colour vision (Color Universal Design, 2008) without its black and its dark blue, which
// vanish on dark grey, and are more saturated, because lines are thin.
func overlayPalette() color.Palette {
	p := make(color.Palette, 0, indexObject+objectColors)
	for i := range grays {
		v := uint8(i * brightestGray / (grays - 1))
		p = append(p, color.RGBA{v, v, v, 255})
	}
	return append(p,
		color.RGBA{0, 0, 0, 255},
		color.RGBA{255, 255, 255, 255},
		color.RGBA{0, 255, 255, 255},
		color.RGBA{255, 150, 0, 255},  // orange
		color.RGBA{40, 165, 255, 255}, // sky blue
		color.RGBA{255, 232, 0, 255},  // yellow
		color.RGBA{0, 195, 125, 255},  // bluish green
		color.RGBA{242, 70, 20, 255},  // vermillion
		color.RGBA{240, 95, 205, 255}, // reddish purple
	)
}

// reach is how far apart, in px, two objects may lie and still count as neighbours for colouring.
func reach(w, h int) int { return max(3, max(w, h)/160) }

// adjacent returns the pairs of labels (smaller first) that lie within reach px of each other along a row
// or a column, each once, in order.
func adjacent(labels []int32, w, h, reach int) [][2]int32 {
	var mu sync.Mutex
	all := map[[2]int32]struct{}{}
	parallelRows(h, func(y0, y1 int) {
		found := map[[2]int32]struct{}{}
		var last [2]int32
		note := func(a, b int32) {
			pair := [2]int32{min(a, b), max(a, b)}
			if pair != last {
				found[pair] = struct{}{}
				last = pair
			}
		}
		for y := y0; y < y1; y++ {
			pairsInRow(labels[y*w:][:w], reach, note)
			pairsBelow(labels, w, h, y, reach, note)
		}
		mu.Lock()
		defer mu.Unlock()
		for pair := range found {
			all[pair] = struct{}{}
		}
	})
	pairs := make([][2]int32, 0, len(all))
	for pair := range all {
		pairs = append(pairs, pair)
	}
	slices.SortFunc(pairs, func(a, b [2]int32) int {
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	})
	return pairs
}

// pairsInRow walks one row and notes every change from one object to the next across a short gap.
func pairsInRow(row []int32, reach int, note func(a, b int32)) {
	previous, at := int32(0), 0
	for x, l := range row {
		if l <= 0 {
			continue
		}
		if previous > 0 && l != previous && x-at <= reach {
			note(previous, l)
		}
		previous, at = l, x
	}
}

// pairsBelow looks down from the lower boundary of the objects in row y, at every second column.
func pairsBelow(labels []int32, w, h, y, reach int, note func(a, b int32)) {
	bottom := min(h-1, y+reach)
	for x := 0; x < w; x += 2 {
		l := labels[y*w+x]
		if l <= 0 {
			continue
		}
		for below := y + 1; below <= bottom; below++ {
			m := labels[below*w+x]
			if m == l && below == y+1 {
				break // inside the object
			}
			if m > 0 && m != l {
				note(l, m)
				break
			}
		}
	}
}

// colourNeighbours gives each label 1..top a colour 0..objectColors-1 that none of its neighbours has where
// that is possible, spreading the colours evenly. It goes through the labels once, greedily: the graph is
// close to planar, and six colours hardly ever run out.
func colourNeighbours(pairs [][2]int32, top int) []uint8 {
	neighbours := make([][]int32, top+1)
	for _, p := range pairs {
		if int(p[1]) <= top {
			neighbours[p[0]] = append(neighbours[p[0]], p[1])
			neighbours[p[1]] = append(neighbours[p[1]], p[0])
		}
	}
	const unset = 255
	colours := slices.Repeat([]uint8{unset}, top+1)
	colours[0] = 0
	var used [objectColors]int
	for l := 1; l <= top; l++ {
		var near [objectColors]int
		for _, m := range neighbours[l] {
			if c := colours[m]; c != unset {
				near[c]++
			}
		}
		best := 0
		for c := 1; c < objectColors; c++ {
			if cmp.Or(cmp.Compare(near[c], near[best]), cmp.Compare(used[c], used[best])) < 0 {
				best = c
			}
		}
		colours[l] = uint8(best)
		used[best]++
	}
	return colours
}
