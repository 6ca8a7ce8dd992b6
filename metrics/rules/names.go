package rules

import (
	"fmt"
	"math"
	"strings"

	"github.com/uni-aims/aimsd/metrics"
)

// reader takes a number from a frame; ok is false where it is undefined.
type reader func(in *Input) (v float64, ok bool)

// value is a name of Input.Values.
type value struct{ name, unit string }

// values are the numbers that other parts of the program give beside the summary. A name in this table can be used
// in rules; where nobody gives it, it is undefined.
func values() []value {
	return []value{
		{"quality.sharpness", ""},
		{"quality.noise", ""},
		{"quality.saturated_share", ""},
		{"quality.charging", ""},
		{"quality.curtaining", ""},
		{"quality.complete_share", ""},

		{"milling.progress", ""},
		{"milling.front_nm", "nm"},
		{"milling.area_um2", "um^2"},
		{"milling.rate_nm_per_s", "nm/s"},
		{"milling.eta_s", "s"},
		{"milling.confidence", ""},

		{"drift.x_px", "px"},
		{"drift.y_px", "px"},
		{"drift.px", "px"},
		{"drift.nm", "nm"},
		{"drift.score", ""},
	}
}

// flags are the words that image_quality can hold, 64 at most.
func flags() []string {
	return []string{
		metrics.FlagBlank, metrics.FlagIncomplete, metrics.FlagSaturated, metrics.FlagBlurred, metrics.FlagCharging, metrics.FlagCurtaining,
		metrics.FlagFrozen,
	}
}

// summaryNames are the numbers of a frame that are no column's.
func summaryNames() []string {
	return []string{"objects", "area_fraction", "density_per_um2", "confidence", "scale_mismatch", "nm_per_px"}
}

const columnNames = "COLUMN.STATISTIC such as ecd_nm.p50 (n, n_excluded, min, max, mean, sd, p10, p50, p90 of a column of particles.csv)"

// lookup finds the number of a name; kind is what an error calls it.
func lookup(kind, name string) (reader, string, error) {
	if name == "nm_per_px" {
		return func(in *Input) (float64, bool) { return defined(in.NmPerPx) }, "nm/px", nil
	}
	for _, v := range values() {
		if v.name == name {
			return func(in *Input) (float64, bool) {
				x, ok := in.Values[name]
				return x, ok && !math.IsNaN(x) && !math.IsInf(x, 0)
			}, v.unit, nil
		}
	}
	if read, unit, err := metric(name); err == nil {
		return func(in *Input) (float64, bool) { return read(&in.Summary) }, unit, nil
	}
	known := summaryNames()
	known = append(known, columnNames)
	all := summaryNames()
	for _, v := range values() {
		known, all = append(known, v.name), append(all, v.name)
	}
	for _, c := range metrics.Columns() {
		for _, s := range statisticNames() {
			if !c.Plain {
				all = append(all, c.Name+"."+s)
			}
		}
	}
	return nil, "", unknown(kind, name, all, known)
}

// unknown is the error for a name that is not among all; known are the names that it lists.
func unknown(kind, name string, all, known []string) error {
	list := strings.Join(known, ", ")
	if name == "" {
		return fmt.Errorf("no %s: use %s", kind, list)
	}
	if near := nearest(name, all); near != "" {
		return fmt.Errorf("unknown %s %q: did you mean %s? there are %s", kind, clip(name), near, list)
	}
	return fmt.Errorf("unknown %s %q: use %s", kind, clip(name), list)
}

// nearest is the name that the fewest typing mistakes lead to, "" when none is near.
func nearest(name string, all []string) string {
	best, least := "", 1+max(1, min(len(name), 40)/4)
	for _, a := range all {
		if d := distance(clip(name), a); d < least {
			best, least = a, d
		}
	}
	return best
}

// distance is how many letters must be put in, left out, replaced or exchanged with their neighbour to make a into b
// (optimal string alignment).
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row := rows[(i+1)%3], rows[(i+2)%3], rows[i%3]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			d := last[j-1]
			if a[i-1] != b[j-1] {
				d++
			}
			row[j] = min(d, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return rows[len(a)%3][len(b)]
}
