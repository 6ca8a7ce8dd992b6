package reporting

import (
	_ "embed" // the page's template
	"fmt"
	"html/template"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/uni-aims/aimsd/metrics/score"
)

//go:embed evaluation.gohtml
var evaluationPage string

// maxCasesLen bounds the bytes of embedded pictures.
const maxCasesLen = 24 << 20

// writeEvaluationPage writes worst.html: one file, without scripts and without anything loaded from elsewhere.
func writeEvaluationPage(w io.Writer, e *Evaluation) error {
	page, err := pageTemplate(evaluationPage)
	if err != nil {
		return err
	}
	return page.Execute(w, evaluationOf(e))
}

// pageTemplate parses a page that shares the report's look.
func pageTemplate(text string) (*template.Template, error) {
	look, err := template.New("report").Parse(reportPage)
	if err != nil {
		return nil, fmt.Errorf("report template: %w", err)
	}
	page, err := look.New("page").Parse(text)
	if err != nil {
		return nil, fmt.Errorf("page template: %w", err)
	}
	return page, nil
}

// evaluationView is what the template shows.
type evaluationView struct {
	Facts       []fact
	Warnings    []string
	Key         []keyFigure
	Sets        []setRow
	Curve       template.HTML
	Reliability template.HTML
	ReliableOf  string
	Cases       []caseView
	CaseNote    string
	Rows        []evaluationLine
	Own         bool // the program's own labels: with confidence and time
	Empty       bool // some truth is empty
}

// setRow is a line of the table of means.
type setRow struct {
	Name                                                    string
	Images, Truth, Found                                    string
	AP50, APMean, PQ, SQ, RQ, Precision, Recall             string
	D10, D50, D90, D10Bias, D50Bias, D90Bias                string
	Missed, False, Split, Mergers, EmptyImages, EmptyObject string
}

// caseView is an image with its outlines.
type caseView struct {
	Rank               int
	Name, Path         string
	Gray, Truth, Found template.URL
	Width, Height      int
	Headline, Detail   string
	Errors             []caseErrors
}

// caseErrors counts one kind of error; Class names its colour in the legend.
type caseErrors struct{ Class, Text string }

// evaluationLine is a line of the table of images.
type evaluationLine struct {
	Number                                                                int
	Path, Name, Error, Counted                                            string
	Truth, Found, AP50, APMean, PQ, Precision, Recall, D50, Confidence, T string
	Scored                                                                bool
}

func evaluationOf(e *Evaluation) *evaluationView {
	v := &evaluationView{
		Facts: evaluationFacts(e), Warnings: evaluationWarnings(e), Key: evaluationKey(&e.Summary.All),
		Curve: thresholdChart(&e.Summary), Reliability: reliabilityChart(e.Reliability), Own: e.Labels == "",
		Empty: e.Summary.All.Empty > 0,
	}
	if c := e.Reliability; c != nil {
		v.ReliableOf = fmt.Sprintf("Columns and curve: share of the found objects in each bin of confidence that match a true one at IoU above 0.5; "+
			"dashed: perfect calibration. %s objects; mean confidence %s, of which %s are true; expected calibration error %s, Brier score %s.",
			count(c.Objects), four(&c.Confidence), percent(&c.Right), four(&c.ECE), four(&c.Brier))
	}
	for _, s := range []struct {
		name string
		set  *score.Set
	}{{"all images", &e.Summary.All}, {"< 100 objects", &e.Summary.Sparse}, {"≥ 100 objects", &e.Summary.Dense}} {
		v.Sets = append(v.Sets, setRowOf(s.name, s.set))
	}
	v.cases(e)
	var paths []string
	for i := range e.Images {
		paths = append(paths, e.Images[i].Path)
	}
	folder, names := shortened(paths)
	if folder != "" {
		v.Facts = slices.Insert(v.Facts, 0, fact{Name: "Images", Value: folder})
	}
	for i := range e.Images {
		v.Rows = append(v.Rows, lineOf(i+1, names[i], &e.Images[i]))
	}
	return v
}

// shortened returns the folder that all paths share, "" when there is none to speak of, and the paths below it.
func shortened(paths []string) (folder string, names []string) {
	for i, p := range paths {
		if i == 0 {
			folder = filepath.Dir(p)
		}
		for folder != filepath.Dir(folder) && !strings.HasPrefix(p, folder+string(filepath.Separator)) {
			folder = filepath.Dir(folder)
		}
	}
	if folder == filepath.Dir(folder) {
		return "", paths
	}
	for _, p := range paths {
		names = append(names, strings.TrimPrefix(p, folder+string(filepath.Separator)))
	}
	return folder, names
}

// cases shows the pictures, worst first, as far as they fit into a page.
func (v *evaluationView) cases(e *Evaluation) {
	size, left := 0, 0
	for rank, c := range e.Cases {
		m := &e.Images[c.Image]
		p := &c.Picture
		if size += len(p.Gray) + len(p.Truth) + len(p.Found); size > maxCasesLen {
			left++
			continue
		}
		v.Cases = append(v.Cases, caseView{
			Rank: rank + 1, Name: filepath.Base(m.Path), Path: m.Path,
			Gray: dataURI("image/jpeg", p.Gray), Truth: dataURI("image/png", p.Truth), Found: dataURI("image/png", p.Found),
			Width: p.Width, Height: p.Height,
			Headline: fmt.Sprintf("AP %s · PQ %s · %s of %s found, %s in all", four(m.Score.AP50()), four(m.Score.PQ),
				count(m.Score.TP), plural(m.Score.Truth, "object"), count(m.Score.Found)),
			Detail: "D50 error " + signedPercent(m.Score.D50.ErrorPercent), Errors: errorsOf(m.Score),
		})
	}
	if shown := len(v.Cases); shown > 0 && shown < e.Summary.All.Images {
		v.CaseNote = fmt.Sprintf("The %s with the lowest AP at IoU 0.5 and any error, of %s scored. ", plural(shown, "image"), count(e.Summary.All.Images))
	}
	if left > 0 {
		v.CaseNote += fmt.Sprintf("%s left out to keep this file small. ", plural(left, "picture")+" "+wasWere(left))
	}
}

func errorsOf(s *score.Image) []caseErrors {
	var out []caseErrors
	for _, e := range []struct {
		n           int
		class, text string
	}{{s.Missed, "missed", "missed"}, {s.False, "false", "false"}, {s.Split, "split", "split"}, {s.Mergers, "merged", mergerText(s)}} {
		if e.n > 0 {
			out = append(out, caseErrors{e.class, count(e.n) + " " + e.text})
		}
	}
	return out
}

func mergerText(s *score.Image) string {
	if s.Mergers == 1 {
		return "merger of " + count(s.MergedTruth)
	}
	return "mergers of " + count(s.MergedTruth)
}

func setRowOf(name string, s *score.Set) setRow {
	return setRow{
		Name: name, Images: count(s.Images), Truth: count(s.Truth), Found: count(s.Found),
		AP50: four(s.AP50()), APMean: four(s.APMean), PQ: four(s.PQ), SQ: four(s.SQ), RQ: four(s.RQ),
		Precision: four(s.Precision), Recall: four(s.Recall),
		D10: plainPercent(s.D10.MedianPercent), D50: plainPercent(s.D50.MedianPercent), D90: plainPercent(s.D90.MedianPercent),
		D10Bias: signedPercent(s.D10.BiasPercent), D50Bias: signedPercent(s.D50.BiasPercent), D90Bias: signedPercent(s.D90.BiasPercent),
		Missed: count(s.Missed), False: count(s.False), Split: count(s.Split), Mergers: count(s.Mergers),
		EmptyImages: count(s.Empty), EmptyObject: count(s.EmptyFound),
	}
}

func lineOf(number int, name string, m *EvaluatedImage) evaluationLine {
	l := evaluationLine{Number: number, Path: m.Path, Name: name, Error: m.Error}
	s := m.Score
	if s == nil {
		l.Counted = "not counted"
		return l
	}
	if m.Status != StatusOK {
		l.Counted = "counts as nothing found"
	}
	l.Scored = true
	l.Truth, l.Found = count(s.Truth), count(s.Found)
	l.AP50, l.APMean, l.PQ, l.Precision, l.Recall = four(s.AP50()), four(s.APMean), four(s.PQ), four(s.Precision), four(s.Recall)
	l.D50, l.Confidence = signedPercent(s.D50.ErrorPercent), fraction(m.Confidence)
	l.T = strconv.FormatFloat(m.TotalMs, 'f', 0, 64)
	return l
}

func evaluationKey(s *score.Set) []keyFigure {
	return []keyFigure{
		{Name: "AP at IoU 0.5", Value: four(s.AP50()), Note: "mean over the images"},
		{Name: "AP at 0.5 to 0.95", Value: four(s.APMean), Note: "mean of ten thresholds"},
		{Name: "PQ", Value: four(s.PQ), Note: "panoptic quality"},
		{Name: "Precision", Value: four(s.Precision), Note: "found that are true"},
		{Name: "Recall", Value: four(s.Recall), Note: "true that are found"},
		{Name: "D50 error", Value: plainPercent(s.D50.MedianPercent), Unit: "%", Note: "median of the images"},
		{Name: "Objects", Value: count(s.Truth), Note: "in " + plural(s.Images, "image") + ", " + count(s.Found) + " found"},
	}
}

func evaluationFacts(e *Evaluation) []fact {
	facts := []fact{{Name: "Truth", Value: e.Truth}}
	if e.Labels != "" {
		facts = append(facts, fact{Name: "Labels made elsewhere", Value: e.Labels})
	} else if m := e.Model; m != nil {
		facts = append(facts, fact{Name: "Model", Value: strings.TrimSpace(m.Name + " " + m.Version + ", " + m.Precision + " on " + m.Provider)},
			fact{Name: "Model SHA-256", Value: m.SHA256, Code: true}, fact{Name: "Mode", Value: e.Mode})
	}
	return append(facts, fact{Name: "Program", Value: "aimsd " + e.Version}, fact{Name: "Written", Value: clock(e.Generated)})
}

func evaluationWarnings(e *Evaluation) []string {
	var out []string
	counted, without := 0, 0
	for i := range e.Images {
		switch m := &e.Images[i]; {
		case m.Score == nil:
			without++
		case m.Status != StatusOK:
			counted++
		}
	}
	if counted > 0 {
		out = append(out, fmt.Sprintf("%s failed though the truth is known: there nothing counts as found.", plural(counted, "input")))
	}
	if without > 0 {
		out = append(out, fmt.Sprintf("%s without usable truth %s in no figure.", plural(without, "input"), isAre(without)))
	}
	return out
}

// four formats a score to four decimals.
func four(v *float64) string {
	if v == nil {
		return undefinedText
	}
	return strconv.FormatFloat(*v, 'f', 4, 64)
}

// plainPercent formats a number of percent to two decimals, without the sign %.
func plainPercent(v *float64) string {
	if v == nil {
		return undefinedText
	}
	return strconv.FormatFloat(*v, 'f', 2, 64)
}

// signedPercent formats a number of percent with its sign and %.
func signedPercent(v *float64) string {
	if v == nil {
		return undefinedText
	}
	return strings.Replace(fmt.Sprintf("%+.1f %%", *v), "-", "−", 1)
}
