package agent

import (
	"fmt"
	"io"
)

// printHead tells what is measured.
func (b *bench) printHead(w io.Writer) {
	a := b.daemon.live.Load().Analyser
	fmt.Fprintf(w, "aimsd bench %s\n\n  network    %s %s, %s on %s, %s (%s)\n  reference  float32 product of %d x %d matrices on the CPU: %.0f GFLOP/s\n  folder     %s (TMPDIR chooses another disk)\n",
		version(), a.Model.Name, a.Model.Version, a.Model.Precision, a.Model.Provider, plural(b.threads(), "thread"), a.session.Why,
		referenceSide, referenceSide, b.reference, b.dir)
}

// print writes the table of one size.
func (r benchResult) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s, %s, one at a time, warm; %s each (%d drawn)\n\n", r.Size, plural(r.Frames, "frame"), plural(r.Objects, "object"), r.ObjectsDrawn)
	row := func(name string, p percentiles) {
		fmt.Fprintf(w, "  %-24s %10.1f %10.1f %10.1f\n", name, p.P50, p.P95, p.P99)
	}
	fmt.Fprintf(w, "  %-24s %10s %10s %10s\n", "ms", "p50", "p95", "p99")
	for _, stage := range benchStages() {
		row(stage, r.TimingsMs[stage])
	}
	row("everything but infer", r.ButNetwork)
	fmt.Fprintf(w, "\n  %.2f Mpx/s, peak memory %s\n", r.MpxPerS, r.peak())
}

// peak is the peak memory for people.
func (r benchResult) peak() string {
	if r.PeakRSSBytes == nil {
		return "unknown"
	}
	return fmt.Sprintf("%.0f MiB", float64(*r.PeakRSSBytes)/(1<<20))
}

// matrixStages are those that the matrix shows one by one.
func matrixStages() []string { return []string{"stitch", "dynamics", "measure", "write", "commit"} }

// printMatrixHead begins a table of how the cost grows. What grows faster than the pixels, or than the objects, shows
// as rising times per Mpx, or per object.
func printMatrixHead(w io.Writer, title string) {
	fmt.Fprintf(w, "\n%s; ms, p50\n\n  %-11s %6s %16s %9s %8s %10s %10s %8s %10s", title,
		"size", "frames", "objects (drawn)", "total", "per Mpx", "per object", "but infer", "per Mpx", "per object")
	for _, stage := range matrixStages() {
		fmt.Fprintf(w, " %9s", stage)
	}
	fmt.Fprintf(w, " %10s\n", "memory")
}

// printMatrixRow writes a row of the table.
func (r benchResult) printMatrixRow(w io.Writer) {
	fmt.Fprintf(w, "  %-11s %6d %16s", r.Size, r.Frames, fmt.Sprintf("%d (%d)", r.Objects, r.ObjectsDrawn))
	for i, ms := range []float64{r.TimingsMs[stageTotal].P50, r.ButNetwork.P50} {
		fmt.Fprintf(w, " %*.0f %8.1f %10.3f", 9+i, ms, ms/r.mpx, ms/float64(max(r.Objects, 1)))
	}
	for _, stage := range matrixStages() {
		fmt.Fprintf(w, " %9.1f", r.TimingsMs[stage].P50)
	}
	fmt.Fprintf(w, " %10s\n", r.peak())
}
