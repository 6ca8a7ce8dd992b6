package score

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// BarTruth is what a person read from an image's scale bar: one entry of the file that --scale names. Lengths in
// px; X0 is the left edge of the bar's first pixel, X1 the right edge of its last.
type BarTruth struct {
	ID          string   `json:"id"` // the image's name without folder and extension
	Width       int      `json:"width"`
	Height      int      `json:"height"`
	HasBar      bool     `json:"has_bar"`
	X0          *float64 `json:"x0"`
	Y0          *float64 `json:"y0"`
	X1          *float64 `json:"x1"`
	Y1          *float64 `json:"y1"`
	LengthPx    *float64 `json:"length_px"`    // outer ends
	LengthCCPx  *float64 `json:"length_cc_px"` // centre to centre of the end marks, where it has some
	AltX0       *float64 `json:"alt_x0"`       // inner ends of an outline bar
	AltX1       *float64 `json:"alt_x1"`
	Style       string   `json:"style"`
	Text        string   `json:"text"`
	Value       *float64 `json:"value"` // nil: no readable text
	Unit        string   `json:"unit"`
	Clipped     bool     `json:"clipped"`
	Ambiguous   bool     `json:"ambiguous"`
	UncertainPx float64  `json:"uncertain_px"` // of LengthPx
}

// Validate reports an entry that no reading could be held to.
func (t *BarTruth) Validate() error {
	switch {
	case t.ID == "":
		return errors.New("it has no id; give the image's name without extension")
	case !t.HasBar || t.Value == nil:
		return nil
	case !(*t.Value > 0):
		return fmt.Errorf("%s has the value %g; it must be positive, or null where it cannot be read", t.ID, *t.Value)
	case nanometres(t.Unit) == 0:
		return fmt.Errorf("%s has the unit %q; use pm, A, nm, um or mm", t.ID, t.Unit)
	}
	return nil
}

// BarRead is what a program read from the image.
type BarRead struct {
	LengthPx float64  // 0: no bar
	Value    *float64 // nil: no readable text
	Unit     string
	NmPerPx  *float64 // the scale it takes the image to have; nil: none
}

// Verdict is how a reading compares with the truth.
type Verdict string

// Verdicts. Skipped images, clipped or ambiguous ones, count in no figure but that of the length.
const (
	Right    Verdict = "right"    // value and unit
	Wrong    Verdict = "wrong"    // another value or unit
	Missing  Verdict = "missing"  // no value, or no scale
	Invented Verdict = "invented" // a scale where the image states none
	Absent   Verdict = "absent"   // no scale where the image states none
	Skipped  Verdict = "skipped"
)

// Limits of the comparison.
const (
	// CertainPx is the largest uncertainty of a true length that still judges a length read, in px.
	CertainPx = 0.7
	// PaperPx is the mean error of Uni-AIMS's bars, in px: the mark that LengthScores.WithinPaper counts against.
	PaperPx = 0.63
)

// Bar is how well one image's scale bar was read.
type Bar struct {
	Verdict       Verdict  `json:"verdict"`
	LengthJudged  bool     `json:"length_judged"`   // the truth has a length certain enough
	LengthErrorPx *float64 `json:"length_error_px"` // read minus the nearest accepted length; nil when not judged or not read
}

// ScoreBar compares a reading with the truth.
func ScoreBar(t *BarTruth, r BarRead) Bar {
	b := Bar{Verdict: verdict(t, r)}
	if !t.scored() || t.LengthPx == nil || t.UncertainPx > CertainPx {
		return b
	}
	b.LengthJudged = true
	if r.LengthPx > 0 {
		b.LengthErrorPx = t.lengthError(r.LengthPx)
	}
	return b
}

// scored reports whether the bar has a value that a reading is held to.
func (t *BarTruth) scored() bool { return t.HasBar && t.Value != nil && !t.Clipped && !t.Ambiguous }

func verdict(t *BarTruth, r BarRead) Verdict {
	switch {
	case t.scored() && (r.Value == nil || r.NmPerPx == nil):
		return Missing
	case t.scored():
		want := *t.Value * nanometres(t.Unit)
		if got := *r.Value * nanometres(r.Unit); got > 0 && math.Abs(got-want) < 1e-6*want {
			return Right
		}
		return Wrong
	case t.HasBar && t.Value != nil:
		return Skipped
	case r.NmPerPx != nil:
		return Invented
	}
	return Absent
}

// lengthError is the difference from the nearest of the lengths that the truth accepts: outer, centre to centre
// of the end marks, inner.
func (t *BarTruth) lengthError(length float64) *float64 {
	best := length - *t.LengthPx
	accept := func(want float64) {
		if d := length - want; math.Abs(d) < math.Abs(best) {
			best = d
		}
	}
	if t.LengthCCPx != nil && *t.LengthCCPx > 0 {
		accept(*t.LengthCCPx)
	}
	if t.AltX0 != nil && t.AltX1 != nil {
		accept(*t.AltX1 - *t.AltX0)
	}
	return &best
}

// nanometres in a unit; 0 for what is no unit of length.
func nanometres(unit string) float64 {
	switch unit {
	case "pm":
		return 1e-3
	case "A", "Å", "\u212b":
		return 0.1
	case "nm":
		return 1
	case "um", "µm", "μm":
		return 1e3
	case "mm":
		return 1e6
	}
	return 0
}

// BarSet is how well the scale bars of several images were read.
type BarSet struct {
	Images   int          `json:"images"`
	Readable int          `json:"readable"` // images with a bar and a value to read: right + wrong + missing
	Right    int          `json:"right"`
	Wrong    int          `json:"wrong"`
	Missing  int          `json:"missing"`
	Unscaled int          `json:"unscaled"` // images that state no scale
	Invented int          `json:"invented"` // of these, given one
	Skipped  int          `json:"skipped"`
	Lengths  LengthScores `json:"lengths"`
}

// LengthScores are the errors of the bars' lengths, without sign, in px.
type LengthScores struct {
	Judged      int      `json:"judged"` // images with a length certain enough
	Reported    int      `json:"reported"`
	MAEPx       *float64 `json:"mae_px"`
	MedianPx    *float64 `json:"median_px"`
	P95Px       *float64 `json:"p95_px"`
	MaxPx       *float64 `json:"max_px"`
	WithinPaper *float64 `json:"within_0_63_px"` // share of the reported within PaperPx
}

// SummariseBars pools the scores of images.
func SummariseBars(bars []Bar) BarSet {
	s := BarSet{Images: len(bars)}
	var errs []float64
	within := 0
	for _, b := range bars {
		switch b.Verdict {
		case Right:
			s.Right++
		case Wrong:
			s.Wrong++
		case Missing:
			s.Missing++
		case Invented:
			s.Invented++
			s.Unscaled++
		case Absent:
			s.Unscaled++
		case Skipped:
			s.Skipped++
		}
		if b.LengthJudged {
			s.Lengths.Judged++
		}
		if b.LengthErrorPx != nil {
			e := math.Abs(*b.LengthErrorPx)
			errs = append(errs, e)
			if e <= PaperPx {
				within++
			}
		}
	}
	s.Readable = s.Right + s.Wrong + s.Missing
	l := &s.Lengths
	l.Reported, l.MAEPx, l.WithinPaper = len(errs), mean(errs), ratio(float64(within), float64(len(errs)))
	if len(errs) > 0 {
		slices.Sort(errs)
		p95 := errs[int(0.95*float64(len(errs)))] // the plain order statistic
		l.MedianPx, l.P95Px, l.MaxPx = quantile(errs, 0.5), &p95, &errs[len(errs)-1]
	}
	return s
}
