package reporting

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/uni-aims/aimsd/metrics/score"
)

// ScaleEvaluationSchema is the version of scale_evaluation.json.
const ScaleEvaluationSchema = "aims.scale_evaluation/1"

// Files of an evaluation of scale bars.
const (
	ScaleEvaluationJSONFile = "scale_evaluation.json"
	ScaleEvaluationCSVFile  = "scale_evaluation.csv"
	ScaleWorstFile          = "scale_worst.html"
)

// ScaleEvaluation is a comparison of the scale bars read with the truth. All but Cases is scale_evaluation.json.
type ScaleEvaluation struct {
	Schema    string        `json:"schema"`
	Generated time.Time     `json:"generated_at"`
	Version   string        `json:"version"` // of the program
	Truth     string        `json:"truth"`   // file of the true bars
	Inputs    int           `json:"inputs"`
	Failed    int           `json:"failed"`   // inputs with an error; those in the truth count as nothing read
	Unused    int           `json:"unused"`   // bars of the truth whose image was not among the inputs
	LeftOut   int           `json:"left_out"` // images in folders that the truth does not know
	Summary   score.BarSet  `json:"summary"`  // of the inputs in the truth
	Images    []ScaledImage `json:"images"`

	Cases []ScaleCase `json:"-"`
}

// ScaledImage is one input of an evaluation of scale bars.
type ScaledImage struct {
	Path    string          `json:"path"`
	Status  string          `json:"status"` // ok or failed
	Error   string          `json:"error"`
	Truth   *score.BarTruth `json:"truth"` // nil when the truth does not know the image
	Scale   *Scale          `json:"scale"` // nil when it failed
	Score   *score.Bar      `json:"score"` // nil when Truth is
	TotalMs float64         `json:"total_ms"`
}

// ScaleCase is an image to look at: Image counts in ScaleEvaluation.Images.
type ScaleCase struct {
	Image   int
	Picture ScalePicture
}

// Read is the reading to score.
func (m *ScaledImage) Read() score.BarRead {
	r := score.BarRead{}
	if m.Scale == nil {
		return r
	}
	r.NmPerPx = m.Scale.NmPerPx
	if b := m.Scale.Bar; b != nil {
		r.LengthPx, r.Value, r.Unit = b.LengthPx, b.Value, b.Unit
	}
	return r
}

// ScaleErrorRank is how bad a reading is, 0 the worst: an invented scale, a wrong value, a length off by more
// than 5 px, a missing value, then by the length. Readings that are right to PaperPx are 1e9.
func ScaleErrorRank(b *score.Bar) float64 {
	const fine = 1e9
	off := 0.0
	if b.LengthErrorPx != nil {
		off = math.Abs(*b.LengthErrorPx)
	}
	switch {
	case b.Verdict == score.Invented:
		return 0
	case b.Verdict == score.Wrong:
		return 1
	case off > 5:
		return 2 + 1/off
	case b.Verdict == score.Missing:
		return 3
	case b.LengthJudged && b.LengthErrorPx == nil:
		return 4
	case off > score.PaperPx:
		return 5 + 1/off
	}
	return fine
}

// WriteScaleEvaluation completes the evaluation from its images and writes scale_evaluation.json,
// scale_evaluation.csv and scale_worst.html into dir, each replaced in one step.
func WriteScaleEvaluation(dir string, e *ScaleEvaluation) error {
	e.complete()
	return writePages(dir, "evaluation", []pageFile{
		{ScaleEvaluationCSVFile, func(w io.Writer) error { return writeScaleEvaluationCSV(w, e) }},
		{ScaleEvaluationJSONFile, func(w io.Writer) error { return encodeJSON(w, e) }},
		{ScaleWorstFile, func(w io.Writer) error { return writeScalePage(w, e) }},
	})
}

func (e *ScaleEvaluation) complete() {
	e.Schema, e.Inputs, e.Failed = ScaleEvaluationSchema, len(e.Images), 0
	var bars []score.Bar
	for i := range e.Images {
		m := &e.Images[i]
		m.Path, m.Error = strings.ToValidUTF8(m.Path, "\uFFFD"), strings.ToValidUTF8(m.Error, "\uFFFD")
		if m.Status != StatusOK {
			e.Failed++
		}
		if m.Score != nil {
			bars = append(bars, *m.Score)
		}
	}
	e.Summary = score.SummariseBars(bars)
	slices.SortStableFunc(e.Cases, func(a, b ScaleCase) int {
		return cmp.Compare(ScaleErrorRank(e.Images[a.Image].Score), ScaleErrorRank(e.Images[b.Image].Score))
	})
}

func writeScaleEvaluationCSV(w io.Writer, e *ScaleEvaluation) error {
	out := csv.NewWriter(w)
	rows := [][]string{{
		"path", "status", "error", "verdict", "truth_text", "truth_value", "truth_unit", "truth_length_px", "text", "value", "unit",
		"length_px", "length_error_px", "nm_per_px", "confidence", "x0_px", "y0_px", "x1_px", "y1_px", "total_ms",
	}}
	for i := range e.Images {
		m := &e.Images[i]
		row := []string{m.Path, m.Status, m.Error, "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", strconv.FormatFloat(m.TotalMs, 'f', 1, 64)}
		if t := m.Truth; t != nil {
			copy(row[3:], []string{string(m.Score.Verdict), t.Text, number(t.Value), t.Unit, number(t.LengthPx)})
			row[12] = number(m.Score.LengthErrorPx)
		}
		if m.Scale != nil {
			row[13] = number(m.Scale.NmPerPx)
			if b := m.Scale.Bar; b != nil {
				copy(row[8:], []string{b.Text, number(b.Value), b.Unit, number(&b.LengthPx)})
				copy(row[14:], []string{number(&b.Confidence), number(&b.X0), number(&b.Y0), number(&b.X1), number(&b.Y1)})
			}
		}
		rows = append(rows, row)
	}
	return out.WriteAll(rows)
}

// PrintScaleEvaluation writes the figures as a table for a terminal.
func PrintScaleEvaluation(w io.Writer, e *ScaleEvaluation) error {
	s := &e.Summary
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"bars with a value", count(s.Readable)},
		{"value and unit right", shareOf(s.Right, s.Readable)},
		{"wrong", shareOf(s.Wrong, s.Readable)},
		{"missing", shareOf(s.Missing, s.Readable)},
		{"lengths reported", shareOf(s.Lengths.Reported, s.Lengths.Judged)},
		{"length error px", "mean " + three(s.Lengths.MAEPx) + ", median " + three(s.Lengths.MedianPx) + ", p95 " + three(s.Lengths.P95Px) + ", largest " + three(s.Lengths.MaxPx)},
		{fmt.Sprintf("within %g px", score.PaperPx), percent(s.Lengths.WithinPaper)},
		{"scales invented", fmt.Sprintf("%d of %s without one", s.Invented, plural(s.Unscaled, "image"))},
	} {
		fmt.Fprintf(t, "%s\t%s\n", row[0], row[1])
	}
	return t.Flush()
}

// shareOf formats n of all with its share.
func shareOf(n, all int) string {
	if all == 0 {
		return count(n) + " of 0"
	}
	share := float64(n) / float64(all)
	return fmt.Sprintf("%s of %s (%.2f %%)", count(n), count(all), 100*share)
}

// three formats a length in px to three decimals.
func three(v *float64) string {
	if v == nil {
		return undefinedText
	}
	return strconv.FormatFloat(*v, 'f', 3, 64)
}
