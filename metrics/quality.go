package metrics

import (
	"fmt"
	"runtime"
)

// saturatedShare is the share of pixels at one end of the range from which a frame counts as saturated.
const saturatedShare = 0.20

// Quality names what is wrong with a frame's grey values within area (zero value: the whole frame), in
// fixed order; empty when nothing is. Exactly one of gray8 and gray16 is set.
//
//	blank      constant, or practically so: the 0.1 and 99.9 percentiles are equal
//	saturated  more than 20 % of the pixels are at the black or white end of the range; for 16-bit pixels
//	           also at the white end of 10, 12 or 14 bits when nothing is brighter. Never with blank.
func Quality(gray8 []uint8, gray16 []uint16, width, height int, area Rect) []string {
	if area == (Rect{}) {
		area = Rect{X1: width, Y1: height}
	}
	if len(gray8)+len(gray16) != width*height || area.X0 < 0 || area.Y0 < 0 || area.X1 > width || area.Y1 > height {
		panic(fmt.Sprintf("metrics: %d pixels, area %v and frame %dx%d do not fit", len(gray8)+len(gray16), area, width, height))
	}
	found := []string{}
	n := area.Area()
	if n == 0 {
		return found
	}
	var counts []int
	if gray8 != nil {
		counts = histogram(gray8, 1<<8, width, area)
	} else {
		counts = histogram(gray16, 1<<16, width, area)
	}
	switch {
	case level(counts, n/1000) == level(counts, n-1-n/1000):
		found = append(found, "blank")
	case float64(counts[0]) > saturatedShare*float64(n) || float64(counts[whiteEnd(counts)]) > saturatedShare*float64(n):
		found = append(found, "saturated")
	}
	return found
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
