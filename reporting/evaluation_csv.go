package reporting

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/uni-aims/aimsd/metrics/score"
)

// evaluationHeader is the first line of evaluation.csv. Columns are only ever added at its end.
func evaluationHeader() []string {
	h := []string{"path", "truth", "status", "error", "width_px", "height_px", "truth_objects", "found_objects", "tp", "fp", "fn"}
	for _, t := range score.Thresholds() {
		h = append(h, fmt.Sprintf("ap_%02.0f", 100*t))
	}
	h = append(h, "ap_mean", "pq", "sq", "rq", "precision", "recall", "missed", "false", "split", "mergers", "merged_truth")
	for _, d := range []string{"d10", "d50", "d90"} {
		h = append(h, d+"_truth_px", d+"_found_px", d+"_error_percent")
	}
	return append(h, "confidence", "total_ms")
}

// writeEvaluationCSV writes one row per input, the failed ones included (RFC 4180, UTF-8, "." for decimals;
// undefined values are empty).
func writeEvaluationCSV(w io.Writer, e *Evaluation) error {
	out, header := csv.NewWriter(w), evaluationHeader()
	if err := out.Write(header); err != nil {
		return err
	}
	for i := range e.Images {
		if err := out.Write(evaluationRow(&e.Images[i], len(header))); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func evaluationRow(m *EvaluatedImage, columns int) []string {
	row := []string{m.Path, m.Truth, m.Status, m.Error}
	s := m.Score
	if s == nil {
		return append(row, make([]string, columns-len(row))...)
	}
	for _, n := range []int{m.Width, m.Height, s.Truth, s.Found, s.TP, s.FP, s.FN} {
		row = append(row, strconv.Itoa(n))
	}
	for k := range score.Thresholds() {
		if s.AP == nil {
			row = append(row, "")
		} else {
			row = append(row, number(&s.AP[k]))
		}
	}
	for _, v := range []*float64{s.APMean, s.PQ, s.SQ, s.RQ, s.Precision, s.Recall} {
		row = append(row, number(v))
	}
	for _, n := range []int{s.Missed, s.False, s.Split, s.Mergers, s.MergedTruth} {
		row = append(row, strconv.Itoa(n))
	}
	for _, d := range []score.Diameter{s.D10, s.D50, s.D90} {
		row = append(row, number(d.TruthPx), number(d.FoundPx), number(d.ErrorPercent))
	}
	return append(row, number(m.Confidence), strconv.FormatFloat(math.Round(10*m.TotalMs)/10, 'f', 1, 64))
}
