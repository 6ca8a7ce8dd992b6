package agent

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/metrics/score"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/decode"
)

// evaluation scores the objects found in images against true label images.
type evaluation struct {
	Dir            string
	Mode           string
	Worst          int // images to show
	Stdout, Stderr io.Writer
	Now            func() time.Time
	Open           func(context.Context) (*Analyser, error)

	analyser      *Analyser // nil: labels made elsewhere
	truth, labels *labelFolder
	confidence    score.Reliability
	out           reporting.Evaluation
}

// compared is an image with its truth and what was found in it.
type compared struct {
	frame        *stream.Frame
	truth, found []int32
	analysed     metrics.Rect
	confidence   []float64 // of label i+1; nil for labels made elsewhere
	matching     *score.Matching
}

// Run scores the inputs and writes the folder. It returns a failedError when an input failed.
func (e *evaluation) Run(ctx context.Context, truth, labels string, inputs []input) (err error) {
	if e.truth, err = openLabelFolder("evaluate: --truth", truth); err != nil {
		return err
	}
	if labels != "" {
		if e.labels, err = openLabelFolder("evaluate: --labels", labels); err != nil {
			return err
		}
	}
	if inputs = imagesOnly(inputs, e.truth, e.labels); len(inputs) == 0 {
		return usagef("evaluate: no images to score; name image files or folders that hold some")
	}
	if e.labels == nil {
		if e.analyser, err = e.Open(ctx); err != nil {
			return err
		}
		defer e.analyser.Close()
		e.out.Model, e.out.ConfigHash = e.analyser.Model, e.analyser.ConfigHash
	}
	e.out.Version, e.out.Truth, e.out.Labels, e.out.Mode = version(), truth, labels, e.Mode
	bar := newProgress(e.Stderr, len(inputs))
	defer bar.done()
	for _, in := range inputs {
		image, objects := e.image(ctx, in)
		if ctx.Err() != nil && image.Status != reporting.StatusOK {
			break
		}
		e.out.Images = append(e.out.Images, image)
		if image.Error != "" {
			bar.line(e.Stderr, "aimsd: %s", image.Error)
		}
		bar.frame(objects)
	}
	bar.done()
	return e.finish(len(inputs))
}

// finish writes the scores of the inputs done.
func (e *evaluation) finish(inputs int) error {
	done := len(e.out.Images)
	if done == 0 {
		return failedError{"interrupted; run it again"}
	}
	e.out.Generated, e.out.Reliability = e.Now().UTC(), e.confidence.Curve()
	if err := reporting.WriteEvaluation(e.Dir, &e.out); err != nil {
		return usageError{err}
	}
	if err := reporting.PrintEvaluation(e.Stdout, &e.out); err != nil {
		return err
	}
	fmt.Fprintf(e.Stdout, "worst images: %s\n", filepath.Join(e.Dir, reporting.WorstFile))
	switch {
	case done < inputs:
		return failedError{fmt.Sprintf("interrupted after %d of %s; run it again for the rest", done, plural(inputs, "input"))}
	case e.out.Failed > 0:
		return failedError{fmt.Sprintf("%d of %s failed; see %s", e.out.Failed, plural(inputs, "input"),
			filepath.Join(e.Dir, reporting.EvaluationCSVFile))}
	}
	return nil
}

// image scores one input. Where its truth is known and it fails, nothing counts as found.
func (e *evaluation) image(ctx context.Context, in input) (reporting.EvaluatedImage, int) {
	m := reporting.EvaluatedImage{Path: in.path, Status: reporting.StatusFailed}
	truth, w, h, path, err := e.truth.read(in.path)
	m.Truth = path
	if err != nil {
		m.Error = oneLine(cmp.Or(in.err, err)).Error()
		return m, 0
	}
	m.Width, m.Height = w, h
	c, err := e.compare(ctx, in, truth, &m)
	if c != nil {
		defer c.frame.Release()
	}
	if err != nil {
		m.Error = oneLine(err).Error()
		if nothing, err := score.Match(truth, make([]int32, len(truth))); err == nil {
			s := nothing.Score()
			m.Score = &s
		}
		return m, 0
	}
	s := c.matching.Score()
	m.Status, m.Score = reporting.StatusOK, &s
	e.confidence.AddMatching(c.matching, c.confidence)
	if err := e.keep(&m, c); err != nil {
		m.Error = fmt.Sprintf("%s: scored, but there is no picture of it: %v", in.path, err)
	}
	return m, s.Found
}

// compare reads or analyses an input and matches its objects with the truth. The caller releases the frame.
func (e *evaluation) compare(ctx context.Context, in input, truth []int32, m *reporting.EvaluatedImage) (*compared, error) {
	if in.err != nil {
		return nil, in.err
	}
	f, err := decode.File(ctx, in.path)
	if err != nil {
		return nil, err
	}
	c := &compared{frame: f, truth: truth, analysed: metrics.Rect{X1: f.Width, Y1: f.Height}}
	if f.Width != m.Width || f.Height != m.Height {
		return c, fmt.Errorf("%s is %dx%d px but its truth %s is %dx%d: give the labels of this image", in.path, f.Width, f.Height, m.Truth, m.Width, m.Height)
	}
	if e.labels != nil {
		err = e.readLabels(c, in.path)
	} else {
		err = e.analyse(ctx, c, m)
	}
	if err == nil {
		c.matching, err = score.Match(truth, c.found)
	}
	return c, err
}

func (e *evaluation) readLabels(c *compared, image string) error {
	labels, w, h, path, err := e.labels.read(image)
	if err == nil && (w != c.frame.Width || h != c.frame.Height) {
		err = fmt.Errorf("%s is %dx%d px but its labels %s are %dx%d: give the labels of this image", image, c.frame.Width, c.frame.Height, path, w, h)
	}
	c.found = labels
	return err
}

func (e *evaluation) analyse(ctx context.Context, c *compared, m *reporting.EvaluatedImage) error {
	if err := decode.Validate(c.frame); err != nil {
		return err
	}
	an, err := e.analyser.Analyse(ctx, c.frame, e.Mode)
	if err != nil {
		return err
	}
	c.found = an.Labels
	c.confidence = make([]float64, len(an.Objects))
	for _, o := range an.Objects {
		if o.Label > 0 && o.Label <= len(c.confidence) {
			c.confidence[o.Label-1] = o.Confidence
		}
	}
	a := an.Result.Image.Analysed
	c.analysed = metrics.Rect{X0: a.X0, Y0: a.Y0, X1: a.X1, Y1: a.Y1}
	m.Confidence, m.TotalMs = an.Result.Confidence, an.Result.TimingsMs.Total
	return nil
}

// keep draws an image that is among the worst so far, and drops the best of them when there are too many.
func (e *evaluation) keep(m *reporting.EvaluatedImage, c *compared) error {
	if m.Score.FP+m.Score.FN == 0 || e.Worst == 0 {
		return nil
	}
	scoreOf := func(c reporting.EvaluationCase) *score.Image { return e.out.Images[c.Image].Score }
	at, _ := slices.BinarySearchFunc(e.out.Cases, m.Score, func(c reporting.EvaluationCase, s *score.Image) int {
		if reporting.Worse(scoreOf(c), s) <= 0 {
			return -1
		}
		return 1
	})
	if at >= e.Worst {
		return nil
	}
	picture, err := reporting.DrawEvaluation(reporting.EvaluationPictureOptions{
		Width: c.frame.Width, Height: c.frame.Height, Gray8: c.frame.Gray8, Gray16: c.frame.Gray16,
		Analysed: c.analysed, Truth: c.truth, Found: c.found, Matching: c.matching,
	})
	if err != nil {
		return err
	}
	e.out.Cases = slices.Insert(e.out.Cases, at, reporting.EvaluationCase{Image: len(e.out.Images), Picture: picture})
	if len(e.out.Cases) > e.Worst {
		e.out.Cases = e.out.Cases[:e.Worst]
	}
	return nil
}
