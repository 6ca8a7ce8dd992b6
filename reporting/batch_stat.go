package reporting

import (
	"cmp"
	"math"
	"slices"

	"github.com/uni-aims/aimsd/metrics"
)

// describe summarises a weighted sample as metrics does for one frame: NaN values and zero weights are
// excluded, the standard deviation has n-1 in its denominator, percentiles are weighted Hazen (mid-rank).
func describe(s sample) metrics.Stat {
	order := s.ascending()
	stat := metrics.Stat{N: len(order), NExcluded: len(s.values) - len(order)}
	if len(order) == 0 {
		return stat
	}
	sum, mean := 0.0, 0.0
	for _, i := range order {
		sum += s.weights[i]
		mean += s.weights[i] * s.values[i]
	}
	low, high := s.values[order[0]], s.values[order[len(order)-1]]
	mean = min(max(mean/sum, low), high) // rounding must not take it beyond the values
	stat.Min, stat.Max = &low, &high
	stat.Mean = &mean
	if n := float64(len(order)); n > 1 {
		squares := 0.0
		for _, i := range order {
			squares += s.weights[i] * (s.values[i] - mean) * (s.values[i] - mean)
		}
		stat.SD = ptr(math.Sqrt(squares / sum * n / (n - 1)))
	}
	stat.P10 = ptr(s.percentile(order, sum, 0.1))
	stat.P50 = ptr(s.percentile(order, sum, 0.5))
	stat.P90 = ptr(s.percentile(order, sum, 0.9))
	return stat
}

// ascending returns the indices of the values that count, smallest value first.
func (s *sample) ascending() []int {
	order := make([]int, 0, len(s.values))
	for i, v := range s.values {
		if s.weights[i] > 0 && !math.IsNaN(v) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.values[a], s.values[b]) })
	return order
}

// percentile interpolates between the mid-ranks c_i = (sum of the weights before i + w_i/2)/total, clamped
// to the first and the last value.
func (s *sample) percentile(order []int, total, p float64) float64 {
	before, lastRank, lastValue := 0.0, math.Inf(-1), s.values[order[0]]
	for _, i := range order {
		rank := (before + s.weights[i]/2) / total
		if rank >= p {
			if math.IsInf(lastRank, -1) {
				return s.values[i]
			}
			return lastValue + (s.values[i]-lastValue)*(p-lastRank)/(rank-lastRank)
		}
		before += s.weights[i]
		lastRank, lastValue = rank, s.values[i]
	}
	return lastValue
}

func ptr(v float64) *float64 { return &v }
