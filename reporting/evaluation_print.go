package reporting

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/uni-aims/aimsd/metrics/score"
)

// PrintEvaluation writes an evaluation's means as a table for a terminal.
func PrintEvaluation(w io.Writer, e *Evaluation) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, strings.Join([]string{
		"", "images", "objects", "found", "AP@0.5", "AP@.5:.95", "PQ", "SQ", "RQ", "precision", "recall", "D10 err %", "D50 err %", "D90 err %", "",
	}, "\t"))
	for _, part := range []struct {
		name string
		set  *score.Set
	}{{"all", &e.Summary.All}, {"< 100 objects", &e.Summary.Sparse}, {">= 100 objects", &e.Summary.Dense}} {
		r := setRowOf(part.name, part.set)
		fmt.Fprintln(t, strings.Join([]string{
			part.name, fmt.Sprint(part.set.Images), fmt.Sprint(part.set.Truth), fmt.Sprint(part.set.Found),
			r.AP50, r.APMean, r.PQ, r.SQ, r.RQ, r.Precision, r.Recall, r.D10, r.D50, r.D90, "",
		}, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if n := e.Summary.All.Empty; n > 0 {
		fmt.Fprintf(w, "%s with an empty truth: %s found\n", plural(n, "image"), plural(e.Summary.All.EmptyFound, "object"))
	}
	if c := e.Reliability; c != nil {
		fmt.Fprintf(w, "confidence: mean %.4f, true %.4f, expected calibration error %.4f over %s\n", c.Confidence, c.Right, c.ECE, plural(c.Objects, "object"))
	}
	return nil
}
