package reporting

import (
	"bytes"
	_ "embed" // the page's template
	"fmt"
	"html/template"
	"image"
	"image/jpeg"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/metrics/score"
)

//go:embed scale_evaluation.gohtml
var scaleEvaluationPage string

// ScalePicture is the part of an image around its scale bar.
type ScalePicture struct {
	JPEG []byte
	Area metrics.Rect // of the image, px
}

// CropScale cuts the part of an image that shows the true bar and the one read, or all of it where neither is
// known, and encodes it. At most one of gray8 and gray16 is set.
func CropScale(gray8 []uint8, gray16 []uint16, width, height int, t *score.BarTruth, read *Bar) (ScalePicture, error) {
	p := ScalePicture{Area: scaleArea(width, height, t, read)}
	w, h := p.Area.X1-p.Area.X0, p.Area.Y1-p.Area.Y0
	cut8, cut16 := crop(gray8, width, p.Area), crop(gray16, width, p.Area)
	d := drawing{
		OverlayOptions: OverlayOptions{Width: w, Height: h, Gray8: cut8, Gray16: cut16, Analysed: metrics.Rect{X1: w, Y1: h}},
		factor:         (max(w, h) + grayPx - 1) / grayPx,
	}
	d.w, d.h = (w+d.factor-1)/d.factor, (h+d.factor-1)/d.factor
	d.img = image.NewPaletted(image.Rect(0, 0, d.w, d.h), overlayPalette())
	d.drawGray()
	gray := image.NewGray(d.img.Rect)
	for i, v := range d.img.Pix {
		gray.Pix[i] = uint8(int(v) * 255 / (grays - 1))
	}
	var buf bytes.Buffer
	err := jpeg.Encode(&buf, gray, &jpeg.Options{Quality: 85})
	p.JPEG = buf.Bytes()
	return p, err
}

func crop[T uint8 | uint16](pix []T, width int, r metrics.Rect) []T {
	if pix == nil {
		return nil
	}
	out := make([]T, 0, r.Area())
	for y := r.Y0; y < r.Y1; y++ {
		out = append(out, pix[y*width+r.X0:y*width+r.X1]...)
	}
	return out
}

// scaleArea surrounds the bars with a margin.
func scaleArea(width, height int, t *score.BarTruth, read *Bar) metrics.Rect {
	all := metrics.Rect{X1: width, Y1: height}
	x0, y0, x1, y1 := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	add := func(ax, ay, bx, by float64) {
		x0, y0, x1, y1 = min(x0, ax), min(y0, ay, by), max(x1, bx), max(y1, ay, by)
	}
	if t.X0 != nil && t.X1 != nil && t.Y0 != nil && t.Y1 != nil {
		add(*t.X0, *t.Y0, *t.X1, *t.Y1)
	}
	if read != nil {
		add(read.X0, read.Y0, read.X1, read.Y1)
	}
	if math.IsInf(x0, 0) || math.IsNaN(x0+y0+x1+y1) {
		return all
	}
	const margin = 60
	r := metrics.Rect{
		X0: max(0, int(x0)-margin), Y0: max(0, int(y0)-margin), X1: min(width, int(x1)+margin), Y1: min(height, int(y1)+margin),
	}
	if r.X0 >= r.X1 || r.Y0 >= r.Y1 {
		return all
	}
	return r
}

func writeScalePage(w io.Writer, e *ScaleEvaluation) error {
	page, err := pageTemplate(scaleEvaluationPage)
	if err != nil {
		return err
	}
	return page.Execute(w, scaleViewOf(e))
}

type scaleView struct {
	Facts    []fact
	Warnings []string
	Key      []keyFigure
	Cases    []scaleCaseView
	Rows     []scaleLine
}

type scaleCaseView struct {
	Rank                         int
	Name, Path, Verdict, Problem string
	Truth, Read, Reason          string
	Picture                      template.URL
	Area                         metrics.Rect
	ViewBox                      string
	Width, Height                int
	TrueEnds, ReadEnds           []scaleEnd
}

// scaleEnd is a mark at a bar's end, in px of the crop.
type scaleEnd struct{ X, Y0, Y1 string }

type scaleLine struct {
	Number                                                int
	Path, Name, Error, Verdict                            string
	Truth, Read, TrueLength, Length, LengthError, NmPerPx string
	Confidence, T                                         string
	Known, Bad                                            bool
}

func scaleViewOf(e *ScaleEvaluation) *scaleView {
	v := &scaleView{
		Facts: []fact{
			{Name: "Truth", Value: e.Truth}, {Name: "Images", Value: count(e.Summary.Images)},
			{Name: "Program", Value: "aimsd " + e.Version}, {Name: "Written", Value: clock(e.Generated)},
		},
		Key: scaleKey(&e.Summary),
	}
	if e.Failed > 0 {
		v.Warnings = append(v.Warnings, plural(e.Failed, "input")+" failed; those that the truth knows count as nothing read.")
	}
	if e.Unused > 0 {
		v.Warnings = append(v.Warnings, fmt.Sprintf("The truth has %s more, of which no image was given.", plural(e.Unused, "image")))
	}
	if e.LeftOut > 0 {
		v.Warnings = append(v.Warnings, fmt.Sprintf("%s in the folders given %s not in the truth and left out.", plural(e.LeftOut, "image"), isAre(e.LeftOut)))
	}
	for rank, c := range e.Cases {
		v.Cases = append(v.Cases, scaleCaseOf(rank+1, &e.Images[c.Image], &c.Picture))
	}
	var paths []string
	for i := range e.Images {
		paths = append(paths, e.Images[i].Path)
	}
	folder, names := shortened(paths)
	if folder != "" {
		v.Facts = slices.Insert(v.Facts, 0, fact{Name: "Folder", Value: folder})
	}
	for i := range e.Images {
		v.Rows = append(v.Rows, scaleLineOf(i+1, names[i], &e.Images[i]))
	}
	return v
}

func scaleKey(s *score.BarSet) []keyFigure {
	of := func(n, all int) string {
		if all == 0 {
			return undefinedText
		}
		return strconv.FormatFloat(100*float64(n)/float64(all), 'f', 1, 64)
	}
	return []keyFigure{
		{Name: "Right", Value: of(s.Right, s.Readable), Unit: "%", Note: count(s.Right) + " of " + count(s.Readable) + ", value and unit"},
		{Name: "Wrong", Value: of(s.Wrong, s.Readable), Unit: "%", Note: count(s.Wrong) + " of " + count(s.Readable)},
		{Name: "Missing", Value: of(s.Missing, s.Readable), Unit: "%", Note: count(s.Missing) + " of " + count(s.Readable)},
		{Name: "Length error", Value: three(s.Lengths.MAEPx), Unit: "px", Note: "mean of " + count(s.Lengths.Reported) + " of " + count(s.Lengths.Judged)},
		{Name: "Median, p95", Value: three(s.Lengths.MedianPx), Unit: "px", Note: "p95 " + three(s.Lengths.P95Px) + ", largest " + three(s.Lengths.MaxPx)},
		{Name: "Within " + strconv.FormatFloat(score.PaperPx, 'g', -1, 64) + " px", Value: strings.TrimSuffix(percent(s.Lengths.WithinPaper), " %"), Unit: "%", Note: "of the lengths reported"},
		{Name: "Invented", Value: count(s.Invented), Note: "of " + plural(s.Unscaled, "image") + " without a scale"},
	}
}

func scaleCaseOf(rank int, m *ScaledImage, p *ScalePicture) scaleCaseView {
	r := p.Area
	w, h := r.X1-r.X0, r.Y1-r.Y0
	c := scaleCaseView{
		Rank: rank, Name: filepath.Base(m.Path), Path: m.Path, Verdict: string(m.Score.Verdict), Problem: scaleProblem(m),
		Truth: truthText(m.Truth), Read: readText(m.Scale), Picture: dataURI("image/jpeg", p.JPEG), Area: r,
		ViewBox: fmt.Sprintf("0 0 %d %d", w, h), Width: w, Height: h,
	}
	if t := m.Truth; t.X0 != nil && t.X1 != nil && t.Y0 != nil && t.Y1 != nil {
		c.TrueEnds = []scaleEnd{endAt(*t.X0, *t.Y0, r, -16, 0), endAt(*t.X1, *t.Y1, r, -16, 0)}
	}
	if m.Scale != nil {
		var reasons []string
		for _, check := range m.Scale.Checks {
			if check.Status != "ok" {
				reasons = append(reasons, check.Detail)
			}
		}
		c.Reason = strings.Join(reasons, "; ")
	}
	if m.Scale != nil && m.Scale.Bar != nil {
		b := m.Scale.Bar
		c.ReadEnds = []scaleEnd{endAt(b.X0, (b.Y0+b.Y1)/2, r, 0, 16), endAt(b.X1, (b.Y0+b.Y1)/2, r, 0, 16)}
	}
	return c
}

func endAt(x, y float64, r metrics.Rect, up, down float64) scaleEnd {
	f := func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
	return scaleEnd{X: f(x - float64(r.X0)), Y0: f(y - float64(r.Y0) + up), Y1: f(y - float64(r.Y0) + down)}
}

func scaleProblem(m *ScaledImage) string {
	switch s := m.Score; {
	case s.Verdict != score.Right && s.Verdict != score.Skipped && s.Verdict != score.Absent:
		return string(s.Verdict)
	case s.LengthErrorPx != nil:
		return "length " + signedPx(s.LengthErrorPx)
	default:
		return "no length"
	}
}

func signedPx(v *float64) string {
	if v == nil {
		return undefinedText
	}
	return strings.Replace(fmt.Sprintf("%+.2f px", *v), "-", "−", 1)
}

func truthText(t *score.BarTruth) string {
	switch {
	case t == nil:
		return ""
	case !t.HasBar:
		return "no bar"
	case t.Value == nil:
		return "no readable value"
	}
	return fmt.Sprintf("%g %s", *t.Value, t.Unit)
}

func readText(s *Scale) string {
	switch {
	case s == nil:
		return "failed"
	case s.Bar == nil:
		return "no bar"
	case s.Bar.Value == nil:
		return "a bar without a value"
	}
	return fmt.Sprintf("%g %s", *s.Bar.Value, s.Bar.Unit)
}

func scaleLineOf(n int, name string, m *ScaledImage) scaleLine {
	l := scaleLine{Number: n, Path: m.Path, Name: name, Error: m.Error, T: strconv.FormatFloat(m.TotalMs, 'f', 0, 64)}
	if m.Truth == nil {
		return l
	}
	l.Known, l.Verdict = true, string(m.Score.Verdict)
	l.Bad = ScaleErrorRank(m.Score) < 2
	l.Truth, l.Read, l.TrueLength, l.Length = truthText(m.Truth), readText(m.Scale), undefinedText, undefinedText
	if m.Truth.LengthPx != nil {
		l.TrueLength = strconv.FormatFloat(*m.Truth.LengthPx, 'f', 2, 64)
	}
	l.LengthError, l.NmPerPx, l.Confidence = signedPx(m.Score.LengthErrorPx), undefinedText, undefinedText
	if m.Scale != nil {
		if m.Scale.NmPerPx != nil {
			l.NmPerPx = significant(*m.Scale.NmPerPx, 5)
		}
		if b := m.Scale.Bar; b != nil {
			l.Length, l.Confidence = strconv.FormatFloat(b.LengthPx, 'f', 2, 64), fraction(&b.Confidence)
		}
	}
	return l
}
