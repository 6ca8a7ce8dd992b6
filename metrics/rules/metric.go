package rules

import (
	"fmt"
	"math"
	"strings"

	"github.com/uni-aims/aimsd/metrics"
)

func defined(p *float64) (float64, bool) {
	if p == nil {
		return 0, false
	}
	return *p, !math.IsNaN(*p) && !math.IsInf(*p, 0)
}

// metric finds a number of the summary: objects, area_fraction, ..., or COLUMN.STATISTIC. The reader's ok is
// false where the number is undefined.
func metric(name string) (read func(s *metrics.Summary) (v float64, ok bool), unit string, err error) {
	switch name {
	case "objects":
		return func(s *metrics.Summary) (float64, bool) { return float64(s.Objects), true }, "", nil
	case "area_fraction":
		return func(s *metrics.Summary) (float64, bool) { return defined(&s.AreaFraction) }, "", nil
	case "density_per_um2":
		return func(s *metrics.Summary) (float64, bool) { return defined(s.DensityPerUm2) }, "um^-2", nil
	case "confidence":
		return func(s *metrics.Summary) (float64, bool) { return defined(s.Confidence) }, "", nil
	case "scale_mismatch":
		return func(s *metrics.Summary) (float64, bool) { return defined(s.ScaleMismatch) }, "", nil
	}
	column, statistic, _ := strings.Cut(name, ".")
	for _, c := range metrics.Columns() {
		if c.Plain || c.Name != column {
			continue
		}
		get, isCount := statisticOf(statistic)
		if get == nil {
			break
		}
		unit := c.Unit
		if isCount {
			unit = ""
		}
		return func(s *metrics.Summary) (float64, bool) {
			st, ok := s.Statistics[column]
			if !ok {
				return 0, false
			}
			return defined(get(&st))
		}, unit, nil
	}
	return nil, "", fmt.Errorf("the summary has no %q", clip(name))
}

func statisticNames() []string {
	return []string{"n", "n_excluded", "min", "max", "mean", "sd", "p10", "p50", "p90"}
}

func statisticOf(name string) (get func(st *metrics.Stat) *float64, isCount bool) {
	count := func(n int) *float64 {
		v := float64(n)
		return &v
	}
	switch name {
	case "n":
		return func(st *metrics.Stat) *float64 { return count(st.N) }, true
	case "n_excluded":
		return func(st *metrics.Stat) *float64 { return count(st.NExcluded) }, true
	case "min":
		return func(st *metrics.Stat) *float64 { return st.Min }, false
	case "max":
		return func(st *metrics.Stat) *float64 { return st.Max }, false
	case "mean":
		return func(st *metrics.Stat) *float64 { return st.Mean }, false
	case "sd":
		return func(st *metrics.Stat) *float64 { return st.SD }, false
	case "p10":
		return func(st *metrics.Stat) *float64 { return st.P10 }, false
	case "p50":
		return func(st *metrics.Stat) *float64 { return st.P50 }, false
	case "p90":
		return func(st *metrics.Stat) *float64 { return st.P90 }, false
	}
	return nil, false
}
