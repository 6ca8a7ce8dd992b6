package agent

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
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

// printMatrix writes how the cost grows. What grows faster than the pixels, or than the objects, shows as rising
// times per Mpx, or per object.
func printMatrix(w io.Writer, title string, results []benchResult) {
	fmt.Fprintf(w, "\n%s; p50\n\n", title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := []string{"size", "frames", "objects (drawn)", "total ms", "ms/Mpx", "us/object", "but infer ms", "ms/Mpx", "us/object"}
	stages := []string{"stitch", "dynamics", "measure", "write", "commit"}
	fmt.Fprintf(t, "%s\t%s\tMiB\t\n", strings.Join(head, "\t"), strings.Join(stages, " ms\t")+" ms")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%d\t%d (%d)\t", r.Size, r.Frames, r.Objects, r.ObjectsDrawn)
		for _, ms := range []float64{r.TimingsMs[stageTotal].P50, r.ButNetwork.P50} {
			fmt.Fprintf(t, "%.0f\t%.2f\t%.1f\t", ms, ms/r.mpx, 1e3*ms/float64(max(r.Objects, 1)))
		}
		for _, stage := range stages {
			fmt.Fprintf(t, "%.1f\t", r.TimingsMs[stage].P50)
		}
		fmt.Fprintf(t, "%s\t\n", strings.TrimSuffix(r.peak(), " MiB"))
	}
	_ = t.Flush()
}
