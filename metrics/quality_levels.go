package metrics

import (
	"runtime"
	"slices"
)

// Blank tells whether Look would find the frame blank, in a fraction of its time.
func Blank(gray8 []uint8, gray16 []uint16, width, height int, area Rect) bool {
	area = checkArea(gray8, gray16, width, height, area)
	if gray8 != nil {
		return blank(gray8, width, area)
	}
	return blank(gray16, width, area)
}

// blank counts the pixels off the value that nearly all must have; in all but blank frames it soon has too many.
func blank[T uint8 | uint16](gray []T, width int, area Rect) bool {
	p := picture[T]{gray: gray, width: width, area: area}
	n := area.Area()
	if n == 0 {
		return false
	}
	v := p.median()
	below, above := 0, 0
	for y := range area.Y1 - area.Y0 {
		for _, g := range p.row(y) {
			switch {
			case g < v:
				below++
			case g > v:
				above++
			}
		}
		if below > n/1000 || above > n/1000 {
			return false
		}
	}
	return true
}

// histogram counts grey levels within area, in bands of rows.
func histogram[T uint8 | uint16](gray []T, levels, width int, area Rect) []int {
	rows := area.Y1 - area.Y0
	n := min(runtime.GOMAXPROCS(0), max(1, area.Area()/(1<<20)), rows)
	bands := make([][]uint32, n)
	parallel(n, func(b int) {
		// Two tables, so that equal neighbours do not wait for each other.
		even, odd := make([]uint32, levels), make([]uint32, levels)
		for y := area.Y0 + rows*b/n; y < area.Y0+rows*(b+1)/n; y++ {
			row := gray[y*width+area.X0 : y*width+area.X1]
			for len(row) > 1 {
				even[row[0]]++
				odd[row[1]]++
				row = row[2:]
			}
			if len(row) == 1 {
				even[row[0]]++
			}
		}
		for i, c := range odd {
			even[i] += c
		}
		bands[b] = even
	})
	counts := make([]int, levels)
	for _, band := range bands {
		for i, c := range band {
			counts[i] += int(c)
		}
	}
	return counts
}

// greys is what the counts of grey levels tell.
type greys struct {
	blank     bool
	saturated float64 // share of pixels at the black or the white end, whichever holds more
	contrast  float64 // grey levels from the 1 to the 99 percentile
}

func (p picture[T]) greys() greys {
	n := p.area.Area()
	counts := histogram(p.gray, p.levels, p.width, p.area)
	return greys{
		blank:     level(counts, n/1000) == level(counts, n-1-n/1000),
		saturated: float64(max(counts[0], counts[whiteEnd(counts)])) / float64(n),
		contrast:  float64(level(counts, n-1-n/100) - level(counts, n/100)),
	}
}

// level returns the grey level of the pixel with the given rank, from 0.
func level(counts []int, rank int) int {
	for g, c := range counts {
		if rank -= c; rank < 0 {
			return g
		}
	}
	return len(counts) - 1
}

// whiteEnd returns the brightest level the detector could have delivered.
func whiteEnd(counts []int) int {
	brightest := len(counts) - 1
	for brightest > 0 && counts[brightest] == 0 {
		brightest--
	}
	if len(counts) == 1<<16 {
		for _, bits := range []int{10, 12, 14} {
			full := 1<<bits - 1
			if brightest == full || brightest == full<<(16-bits) {
				return brightest
			}
		}
	}
	return len(counts) - 1
}

// median returns the median of 1001 pixels spread over the picture.
func (p picture[T]) median() T {
	const count = 1001
	w, n := p.area.X1-p.area.X0, p.area.Area()
	values := make([]T, count)
	for i := range values {
		at := n / count * i
		values[i] = p.row(at / w)[at%w]
	}
	slices.Sort(values)
	return values[count/2]
}
