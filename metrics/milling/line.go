package milling

import (
	"math"
	"slices"
)

// sample is one good frame's value.
type sample struct{ x, y float64 }

// line is a robust straight line through samples: Theil and Sen's slope (the median of the slopes between all
// pairs; Sen 1968), and the median of what is left. It withstands 29 % of wrong values.
type line struct{ slope, offset float64 }

// at is the line's value.
func (l line) at(x float64) float64 { return l.offset + l.slope*x }

// fit returns the line through samples, flat through their median for fewer than three or when all stand at one x.
func fit(samples []sample) line {
	slopes := make([]float64, 0, len(samples)*(len(samples)-1)/2)
	if len(samples) >= 3 {
		for i, a := range samples {
			for _, b := range samples[i+1:] {
				if a.x != b.x {
					slopes = append(slopes, (b.y-a.y)/(b.x-a.x))
				}
			}
		}
	}
	var l line
	if len(slopes) > 0 {
		l.slope = median(slopes)
	}
	rest := make([]float64, len(samples))
	for i, s := range samples {
		rest[i] = s.y - l.slope*s.x
	}
	l.offset = median(rest)
	return l
}

// scatter is the robust standard deviation of samples about a line: 1.4826 times their median distance from it.
func (l line) scatter(samples []sample) float64 {
	d := make([]float64, len(samples))
	for i, s := range samples {
		d[i] = math.Abs(s.y - l.at(s.x))
	}
	return madToSD * median(d)
}

// madToSD makes a standard deviation of the median absolute deviation of a normal distribution.
const madToSD = 1.4826

// median sorts v; NaN for none.
func median(v []float64) float64 {
	n := len(v)
	if n == 0 {
		return math.NaN()
	}
	slices.Sort(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}
