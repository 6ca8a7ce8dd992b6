package agent

import (
	"math"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/reporting"
)

// stageTotal is the wall time from opening the file to the committed result; the others are busy time and may overlap.
const stageTotal = "total"

// benchStages are the stages in their order.
func benchStages() []string {
	return []string{"decode", "scale", "normalise", "infer", "stitch", "dynamics", "measure", "write", "commit", stageTotal}
}

// benchSample is one frame's times.
type benchSample struct {
	px, objects int
	ms          map[string]float64 // by stage
}

// percentiles of what the frames took, ms, after Hazen as everywhere.
type percentiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
}

func percentilesOf(values []float64) percentiles {
	at := func(p float64) float64 {
		q, _ := metrics.QuantileHazen(values, nil, p)
		return math.Round(q*1e3) / 1e3
	}
	return percentiles{at(0.5), at(0.95), at(0.99)}
}

// benchResult is what bench --json prints.
type benchResult struct {
	Size        string           `json:"size"`
	Provider    string           `json:"provider"`
	ProviderWhy string           `json:"provider_why"`
	Precision   string           `json:"precision"`
	Threads     int              `json:"threads"` // of the network on the CPU
	Model       *reporting.Model `json:"model"`
	// Objects were found, ObjectsDrawn are there: of a frame, the mean.
	Objects      int                    `json:"objects"`
	ObjectsDrawn int                    `json:"objects_drawn"`
	Frames       int                    `json:"frames"`
	TimingsMs    map[string]percentiles `json:"timings_ms"` // by stage
	// ButNetwork is total without infer, of each frame.
	ButNetwork      percentiles `json:"everything_but_network_ms"`
	MpxPerS         float64     `json:"mpx_per_s"`        // 10^6 px per second, one frame at a time
	PeakRSSBytes    *int64      `json:"peak_rss_bytes"`   // of the process; null where the system does not tell
	ReferenceGFLOPS float64     `json:"reference_gflops"` // see referenceGFLOPS

	mpx float64 // of a frame
}

func newBenchResult(c benchCase, samples []benchSample) benchResult {
	r := benchResult{Size: c.String(), Frames: len(samples), TimingsMs: map[string]percentiles{}, mpx: float64(c.Width*c.Height) / 1e6}
	column := func(of func(benchSample) float64) (all []float64, sum float64) {
		for _, s := range samples {
			all, sum = append(all, of(s)), sum+of(s)
		}
		return all, sum
	}
	for _, stage := range benchStages() {
		all, _ := column(func(s benchSample) float64 { return s.ms[stage] })
		r.TimingsMs[stage] = percentilesOf(all)
	}
	rest, _ := column(func(s benchSample) float64 { return s.ms[stageTotal] - s.ms["infer"] })
	r.ButNetwork = percentilesOf(rest)
	_, objects := column(func(s benchSample) float64 { return float64(s.objects) })
	r.Objects = int(math.Round(objects / float64(len(samples))))
	_, px := column(func(s benchSample) float64 { return float64(s.px) })
	_, took := column(func(s benchSample) float64 { return s.ms[stageTotal] })
	r.MpxPerS = math.Round(px/took) / 1e3 // px per ms is 10^3 px per s
	return r
}
