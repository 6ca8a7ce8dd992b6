package reporting

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/uni-aims/aimsd/metrics/score"
)

// EvaluationSchema is the version of evaluation.json.
const EvaluationSchema = "aims.evaluation/1"

// Files of an evaluation.
const (
	EvaluationJSONFile = "evaluation.json"
	EvaluationCSVFile  = "evaluation.csv"
	WorstFile          = "worst.html"
)

// Evaluation is a comparison of found objects with the truth, over a set of images. All but Cases is
// evaluation.json.
type Evaluation struct {
	Schema      string           `json:"schema"`
	Generated   time.Time        `json:"generated_at"`
	Version     string           `json:"version"` // of the program
	Truth       string           `json:"truth"`   // folder of the true label images
	Labels      string           `json:"labels"`  // folder of label images made elsewhere; "" when the program found the objects
	Mode        string           `json:"mode,omitempty"`
	Model       *Model           `json:"model"` // nil for labels made elsewhere
	ConfigHash  string           `json:"config_hash,omitempty"`
	Thresholds  []float64        `json:"iou_thresholds"` // of every list called ap
	Inputs      int              `json:"inputs"`
	Failed      int              `json:"failed"`  // inputs with an error; those whose truth is known count as nothing found
	Summary     score.Summary    `json:"summary"` // of the inputs whose truth is known
	Reliability *score.Curve     `json:"reliability"`
	Images      []EvaluatedImage `json:"images"`

	Cases []EvaluationCase `json:"-"` // the worst images, worst first
}

// EvaluatedImage is one input of an evaluation.
type EvaluatedImage struct {
	Path       string       `json:"path"`
	Truth      string       `json:"truth"`  // its true label image; "" when there is none
	Status     string       `json:"status"` // ok or failed
	Error      string       `json:"error"`
	Width      int          `json:"width"` // of the truth, px
	Height     int          `json:"height"`
	Score      *score.Image `json:"score"`      // nil when the truth is not known
	Confidence *float64     `json:"confidence"` // mean over the found objects
	TotalMs    float64      `json:"total_ms"`
}

// EvaluationCase is an image to look at: Image counts in Evaluation.Images.
type EvaluationCase struct {
	Image   int
	Picture EvaluationPicture
}

// Worse orders images from bad to good: AP at IoU 0.5, then the number of errors. An image with an empty truth
// counts as AP 0 when anything was found in it, and as AP 1 otherwise.
func Worse(a, b *score.Image) int {
	x, y := goodness(a), goodness(b)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return b.FP + b.FN - a.FP - a.FN
}

func goodness(s *score.Image) float64 {
	switch ap := s.AP50(); {
	case ap != nil:
		return *ap
	case s.Found > 0:
		return 0
	}
	return 1
}

// WriteEvaluation completes the evaluation from its images and writes evaluation.json, evaluation.csv and
// worst.html into dir, each replaced in one step.
func WriteEvaluation(dir string, e *Evaluation) error {
	e.complete()
	return writePages(dir, "evaluation", []pageFile{
		{EvaluationCSVFile, func(w io.Writer) error { return writeEvaluationCSV(w, e) }},
		{EvaluationJSONFile, func(w io.Writer) error { return encodeJSON(w, e) }},
		{WorstFile, func(w io.Writer) error { return writeEvaluationPage(w, e) }},
	})
}

// complete derives what the images determine.
func (e *Evaluation) complete() {
	e.Schema, e.Thresholds, e.Inputs, e.Failed = EvaluationSchema, score.Thresholds(), len(e.Images), 0
	var scores []score.Image
	for i := range e.Images {
		m := &e.Images[i]
		m.Path, m.Error = strings.ToValidUTF8(m.Path, "\uFFFD"), strings.ToValidUTF8(m.Error, "\uFFFD")
		if m.Status != StatusOK {
			e.Failed++
		}
		if m.Score != nil {
			scores = append(scores, *m.Score)
		}
	}
	e.Summary = score.Summarise(scores)
	slices.SortStableFunc(e.Cases, func(a, b EvaluationCase) int {
		return Worse(e.Images[a.Image].Score, e.Images[b.Image].Score)
	})
}

// pageFile is a file of a folder and how it is written.
type pageFile struct {
	name   string
	encode func(io.Writer) error
}

// writePages makes dir and replaces files in it.
func writePages(dir, what string, files []pageFile) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("%s folder %s: %w; choose another folder", what, dir, err)
	}
	var failed []error
	for _, f := range files {
		if err := ReplaceFile(dir, f.name, f.encode); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", f.name, err))
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%s folder %s: %w; free space there or allow writing", what, dir, errors.Join(failed...))
	}
	return nil
}
