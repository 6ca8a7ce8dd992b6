package decode

import "github.com/uni-aims/aimsd/stream"

// FindDataBar looks for a data bar in the pixels of a frame whose metadata do not tell of one, and sets
// Meta.ImageRows where it finds it: exported and streamed frames carry the bar but not the tags.
func FindDataBar(f *stream.Frame) {
	if f.Meta.ImageRows == 0 {
		f.Meta.ImageRows = dataBarTop(f)
	}
}

// dataBarTop finds the first row of a data bar that is burned into the image's bottom, as SmartSEM does it:
// a band of one background level with text, 4 to 20 % of the height, that begins with a row of one level. 0
// when there is none or its top is not sure.
func dataBarTop(f *stream.Frame) int {
	w, h := f.Width, f.Height
	if w < 128 || h < 128 {
		return 0
	}
	row := make([]uint8, w)
	level := func(y int) []uint8 {
		if f.Gray8 != nil {
			return f.Gray8[y*w:][:w]
		}
		for i, v := range f.Gray16[y*w:][:w] {
			row[i] = uint8(v >> 8)
		}
		return row
	}
	// The background is the commonest level of the lowest rows.
	var hist [256]int
	for y := h - h/25; y < h; y++ {
		for _, v := range level(y) {
			hist[v]++
		}
	}
	background := mode(&hist)

	top, below := h, 0
	for y := h - 1; y >= h-h/5-2; y-- {
		if barRow(level(y), background) {
			top = y
		} else if below++; top < h || below > max(2, h/200) { // a row or two of image may show under the bar
			break
		}
	}
	if bar := h - top; bar < h/25 || bar > h/5 {
		return 0
	}
	// Its first row is all background or frame, the row above is not, and there is text.
	text, pixels := 0, 0
	for y := top; y < h; y++ {
		for _, v := range level(y) {
			if diff(v, background) > 64 {
				text++
			}
		}
		pixels += w
	}
	if uniform(level(top)) < 0.9 || uniform(level(top-1)) > 0.9 || text*200 < pixels {
		return 0
	}
	return top
}

// barRow reports whether a row is background with text, background with the scale bar drawn across it, or a
// line of the frame around the bar.
func barRow(row []uint8, background uint8) bool {
	var hist [256]int
	for _, v := range row {
		hist[v]++
	}
	around := func(level uint8) (n int) {
		for v := max(0, int(level)-3); v <= min(255, int(level)+3); v++ {
			n += hist[v]
			hist[v] = 0
		}
		return n
	}
	first := around(background)
	second := around(mode(&hist))
	return first*2 >= len(row) || first*10 >= 3*len(row) && (first+second)*3 >= 2*len(row) || uniform(row) >= 0.95
}

// uniform returns the share of a row's commonest level and its neighbours.
func uniform(row []uint8) float64 {
	var hist [256]int
	for _, v := range row {
		hist[v]++
	}
	m := int(mode(&hist))
	n := 0
	for v := max(0, m-3); v <= min(255, m+3); v++ {
		n += hist[v]
	}
	return float64(n) / float64(len(row))
}

func mode(hist *[256]int) uint8 {
	best := 0
	for v, n := range hist {
		if n > hist[best] {
			best = v
		}
	}
	return uint8(best)
}

func diff(a, b uint8) int { return max(int(a)-int(b), int(b)-int(a)) }
