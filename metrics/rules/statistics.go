package rules

import (
	"math"
	"slices"
)

// mean of values, at least one.
func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// deviation is the sample standard deviation of at least two values.
func deviation(values []float64) float64 {
	m, square := mean(values), 0.0
	for _, v := range values {
		square += (v - m) * (v - m)
	}
	return math.Sqrt(square / float64(len(values)-1))
}

// median of at least one value, whose order it changes; of an even number the mean of the middle two.
func median(values []float64) float64 {
	n := len(values)
	high := pick(values, n/2)
	if n%2 == 1 {
		return high
	}
	low := slices.Max(values[:n/2]) // pick left the smaller half there
	return low + (high-low)/2
}

// pick returns the value with k smaller ones, 0 <= k < len(values), and moves the smaller ones before it
// (quickselect: Hoare's Find with the median of three as pivot).
func pick(values []float64, k int) float64 {
	lo, hi := 0, len(values)-1
	for lo < hi {
		a, b, c := values[lo], values[lo+(hi-lo)/2], values[hi]
		pivot := max(min(a, b), min(max(a, b), c))
		i, j := lo, hi
		for i <= j {
			for values[i] < pivot {
				i++
			}
			for values[j] > pivot {
				j--
			}
			if i <= j {
				values[i], values[j] = values[j], values[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return values[k]
		}
	}
	return values[k]
}

// allPairs is up to how many values every pair counts for a slope.
const allPairs = 128

// slope is the median slope over pairs of points (Theil 1950, Sen 1968), NaN when no two x differ. Of more than
// allPairs points the pairs at every second, third, ... distance are taken, so that 1000 cost a millisecond and not
// ten. The pairs' slopes are appended to scratch, which is returned for the next time.
func slope(x, y, scratch []float64) (float64, []float64) {
	n := len(x)
	step := (n + allPairs - 1) / allPairs
	scratch = scratch[:0]
	for d := 1; d < n; d += step {
		for i := range n - d {
			if dx := x[i+d] - x[i]; dx != 0 {
				scratch = append(scratch, (y[i+d]-y[i])/dx)
			}
		}
	}
	if len(scratch) == 0 {
		return math.NaN(), scratch
	}
	return median(scratch), scratch
}

// outlier is how far v is from the values' median in robust standard deviations: |v-median| / (1.4826 MAD). It is 0
// at the median, and +Inf beside it where at least half of the values are the same. The values' order changes.
func outlier(v float64, values []float64) float64 {
	m := median(values)
	if v == m {
		return 0
	}
	for i := range values {
		values[i] = math.Abs(values[i] - m)
	}
	return math.Abs(v-m) / (1.4826 * median(values))
}
