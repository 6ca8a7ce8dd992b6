package agent

import (
	"fmt"
	"math"
	"path/filepath"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/reporting"
)

// pooled appends a frame's diameters in nm with their weights.
func pooled(to [][2]float64, s reporting.Sizes, nmPerPx float64) [][2]float64 {
	for i, d := range s.ECDPx {
		if s.WeightML[i] > 0 {
			to = append(to, [2]float64{float64(d) * nmPerPx, float64(s.WeightML[i])})
		}
	}
	return to
}

// d50 is the number-weighted median diameter, edge-corrected.
func d50(values [][2]float64) float64 {
	x, w := make([]float64, len(values)), make([]float64, len(values))
	for i, v := range values {
		x[i], w[i] = v[0], v[1]
	}
	q, _ := metrics.QuantileHazen(x, w, 0.5)
	return q
}

func reportIn(dir string) string {
	reports, _ := filepath.Glob(filepath.Join(dir, "data", runsFolder, "*", reporting.ReportFile))
	if len(reports) == 0 {
		return "missing"
	}
	return reports[0]
}

// verdict compares what was measured with the truth.
func (d *demo) verdict(messages int, report string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var found, exist, scales int
	var foundNm, trueNm [][2]float64
	for name, t := range d.truths {
		exist += t.objects
		trueNm = pooled(trueNm, t.sizes, t.nmPerPx)
		f, ok := d.done[name]
		if !ok || f.Result == nil {
			continue
		}
		found += f.Result.Objects
		if nm := f.Result.Scale.NmPerPx; nm != nil {
			foundNm = pooled(foundNm, f.Sizes, *nm)
			if math.Abs(*nm/t.nmPerPx-1) <= 1e-3 {
				scales++
			}
		}
	}
	frames, good := len(d.truths), true
	judge := func(ok bool) string {
		good = good && ok
		if ok {
			return "ok"
		}
		return "MISSED"
	}
	within := func(measured, truth float64) bool { return math.Abs(measured-truth) <= 0.05*truth }
	md, td := d50(foundNm), d50(trueNm)
	percent := func(a, b float64) string { return fmt.Sprintf("%+.1f %%", 100*(a/b-1)) }
	fmt.Fprintf(d.Stdout, "\n  %-16s %12s %12s %12s\n", "", "measured", "truth", "difference")
	row := func(what, measured, truth, diff string, ok bool) {
		fmt.Fprintf(d.Stdout, "  %-16s %12s %12s %12s   %s\n", what, measured, truth, diff, judge(ok))
	}
	row("objects", fmt.Sprint(found), fmt.Sprint(exist), percent(float64(found), float64(exist)), exist > 0 && within(float64(found), float64(exist)))
	row("D50", fmt.Sprintf("%.1f nm", md), fmt.Sprintf("%.1f nm", td), percent(md, td), within(md, td))
	row("scales right", fmt.Sprint(scales), fmt.Sprint(frames), "", scales == frames)
	row("messages", fmt.Sprint(messages), fmt.Sprint(frames), "", messages == frames)
	row("frames done", fmt.Sprint(len(d.done)), fmt.Sprint(frames), "", len(d.done) == frames)
	fmt.Fprintf(d.Stdout, "\n  report: %s\n", report)
	if !good || report == "missing" {
		return failedError{"demo: the measurements miss the truth; see the lines above and the daemon's log"}
	}
	return nil
}
