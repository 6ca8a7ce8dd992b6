package rules

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics"
)

// FuzzExpression wants of any text an error of one line, or a rule that is evaluated in bounded time and never
// gives a number that is not finite.
func FuzzExpression(f *testing.F) {
	for _, text := range []string{
		"objects", "ecd_nm.p50 > 250 and not (confidence < 0.5)", `mean("ecd_nm.p50", 10) / baseline("ecd_nm.p50", 5) - 1`,
		`"blurred" in image_quality or count("blank", 3) >= 2`, `slope_per_s("objects", 1000) ** 2`, `outlier("area_fraction", 5) > 3 ? 1 : -1`,
		"1 < objects < 3 < 4", "max(1, 2, objects) - min(3, 4)", `defined("nm_per_px") and nm_per_px != 0`, "-(-(-1))", "objects | abs()",
		"if objects > 1 { 2 } else { 3 }", `"a" + "b"`, "objects[0:1]", "1e400", "0x10 + 0b1", "#", "$env", "nil?.x", "\"\\u0000", "((((((((((",
	} {
		f.Add(text, 1.5)
	}
	f.Fuzz(func(t *testing.T, text string, v float64) {
		start := time.Now()
		r := Rule{Code: "A", Expr: text}
		set, err := Compile([]Rule{r})
		if err != nil {
			r.Max = new(math.MaxFloat64)
			set, err = Compile([]Rule{r})
		}
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 1500)
		} else {
			for i := range 8 {
				in := Input{
					Source: "acq", RunID: fmt.Sprint(i / 5), FrameID: fmt.Sprint(i), Time: time.Unix(int64(i), 0), NmPerPx: &v,
					ImageQuality: []string{flags()[i%len(flags())]}, Values: map[string]float64{"quality.noise": v, "drift.nm": 1 / v},
					Summary: metrics.Summary{Objects: i, AreaFraction: v, Statistics: map[string]metrics.Stat{"ecd_nm": {N: i, P50: &v, Mean: &v}}},
				}
				for _, c := range set.Trace(in, func(v Verdict) {
					require.False(t, math.IsNaN(v.Value) || math.IsInf(v.Value, 0))
					require.NotContains(t, v.Missing, "failed", "the kinds were checked before")
				}) {
					require.NotContains(t, c.Text, "\n")
				}
			}
		}
		require.Less(t, time.Since(start), 5*time.Second)
	})
}
