package metrics

import (
	"math"
	"math/bits"
	"slices"
)

const (
	stretchParts = 4                           // neighbouring parts of a row that a band covers at least
	stretches    = rowParts - stretchParts + 1 // that a row has
	stepNoise    = 6                           // times what is usual between rows, a band's step
	stepContrast = 0.02                        // of the picture's range, and 1 grey level, a band's step at least
	onsetShare   = 0.75                        // of the rise over three rows, what a band's step has in one
	bandShare    = 0.1                         // of the rows, what a band takes at most
)

// charging returns the share of the picture in bands of rows that are brighter or darker than those above and below:
// over the same stretch of half the width or more, all grey values step up between two rows and back between two others not far below, or
// first down. contrast is the picture's range of grey levels. The steps are larger than those usual between rows, and
// not blurred as the edge of a layer is.
func (r *rows) charging(contrast float64) float64 {
	steps := make([][stretches]float32, r.n)
	var limits [stretches]float32 // of each, as what is usual changes where grey values are clipped
	for i := range stretches {
		sizes := make([]float64, 0, r.n)
		for y := range steps {
			steps[y][i] = stretch(r.step[y][i : i+stretchParts])
			if slices.Min(r.active[y][i:i+stretchParts]) > deadShare { // the others are clipped
				sizes = append(sizes, math.Abs(float64(meanStep(r.step[y][i:i+stretchParts]))))
			}
		}
		limits[i] = float32(max(1, stepContrast*contrast))
		if usual := gaussian(sizes); !math.IsNaN(usual) {
			limits[i] = max(limits[i], float32(stepNoise*usual))
		}
	}
	starts := make([][2]uint8, r.n) // stretches that step up, down
	for y := 1; y < r.n-1; y++ {
		for i, d := range steps[y] {
			sign := 0
			if d < 0 {
				sign, d = 1, -d
			}
			if d < limits[i] {
				continue
			}
			rise := d
			for _, row := range []int{y - 1, y + 1} {
				beside := meanStep(r.step[row][i : i+stretchParts])
				if sign == 1 {
					beside = -beside
				}
				rise += max(beside, 0)
			}
			if d >= onsetShare*rise {
				starts[y][sign] |= 1 << i
			}
		}
	}
	covered, longest := 0, max(1, int(bandShare*float64(r.n)))
	for y := 0; y < r.n; y++ {
		sign := 0
		if starts[y][0] == 0 {
			sign = 1
		}
		for end := y + 1; end < r.n && end <= y+longest && starts[y][sign] != 0; end++ {
			if both := starts[y][sign] & starts[end][1-sign]; both != 0 {
				parts := uint8(0)
				for k := range stretchParts {
					parts |= both << k
				}
				covered += (end - y) * bits.OnesCount8(parts)
				y = end - 1
				break
			}
		}
	}
	return min(1, float64(covered)/float64(r.n*rowParts))
}

// stretch returns the mean step of a stretch's parts; 0 where not all go the same way, and by half of it at least.
func stretch(parts []float32) float32 {
	mean := meanStep(parts)
	for _, d := range parts {
		if d/mean < 0.5 || mean == 0 {
			return 0
		}
	}
	return mean
}

func meanStep(parts []float32) float32 {
	sum := float32(0)
	for _, d := range parts {
		sum += d
	}
	return sum / float32(len(parts))
}
