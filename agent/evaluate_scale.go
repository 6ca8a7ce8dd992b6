package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/uni-aims/aimsd/metrics/score"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/decode"
)

// maxTruthBytes bounds a file of true scale bars.
const maxTruthBytes = 64 << 20

// scaleEvaluation scores the scale bars read from images against the truth.
type scaleEvaluation struct {
	Dir            string
	Worst          int // images to show
	Stdout, Stderr io.Writer
	Now            func() time.Time
	// Read returns the scale that an image's pixels state, whatever its metadata say.
	Read func(*stream.Frame) (reporting.Scale, error)

	out reporting.ScaleEvaluation
}

// Run scores the inputs and writes the folder. It returns a failedError when an input failed. Images that were
// found in folders and that the truth does not know are left out.
func (e *scaleEvaluation) Run(ctx context.Context, truth string, inputs []input, named []string) error {
	bars, err := readBarTruth(truth)
	if err != nil {
		return err
	}
	if len(inputs) == 0 {
		return usagef("evaluate: no images to score; name image files or folders that hold some")
	}
	e.out.Version, e.out.Truth = version(), truth
	bar := newProgress(e.Stderr, len(inputs))
	defer bar.done()
	used := map[string]bool{}
	for _, in := range inputs {
		if ctx.Err() != nil {
			break
		}
		id := stemOf(in.path)
		t := bars[id]
		if t == nil && in.err == nil && !slices.Contains(named, in.path) {
			e.out.LeftOut++
			continue
		}
		used[id] = t != nil
		m := e.image(ctx, in, t)
		if m.Error != "" {
			bar.line(e.Stderr, "aimsd: %s", m.Error)
		}
		e.out.Images = append(e.out.Images, m)
		bar.frame(0)
	}
	bar.done()
	for id := range bars {
		if !used[id] {
			e.out.Unused++
		}
	}
	return e.finish(ctx, truth)
}

func (e *scaleEvaluation) finish(ctx context.Context, truth string) error {
	if len(e.out.Images) == 0 {
		if ctx.Err() != nil {
			return failedError{"interrupted; run it again"}
		}
		return usagef("evaluate: none of the images is in %s; its ids are the images' names without folder and extension", truth)
	}
	e.out.Generated = e.Now().UTC()
	if err := reporting.WriteScaleEvaluation(e.Dir, &e.out); err != nil {
		return usageError{err}
	}
	if err := reporting.PrintScaleEvaluation(e.Stdout, &e.out); err != nil {
		return err
	}
	if n := e.out.LeftOut; n > 0 {
		fmt.Fprintf(e.Stdout, "left out: %s in the folders that the truth does not know\n", plural(n, "image"))
	}
	fmt.Fprintf(e.Stdout, "worst images: %s\n", filepath.Join(e.Dir, reporting.ScaleWorstFile))
	switch {
	case ctx.Err() != nil:
		return failedError{fmt.Sprintf("interrupted after %s; run it again for the rest", plural(len(e.out.Images), "image"))}
	case e.out.Failed > 0:
		return failedError{fmt.Sprintf("%d of %s failed; see %s", e.out.Failed, plural(e.out.Inputs, "input"),
			filepath.Join(e.Dir, reporting.ScaleEvaluationCSVFile))}
	}
	return nil
}

// image reads and scores one input. One that fails though the truth knows it counts as nothing read.
func (e *scaleEvaluation) image(ctx context.Context, in input, t *score.BarTruth) reporting.ScaledImage {
	m := reporting.ScaledImage{Path: in.path, Status: reporting.StatusFailed, Truth: t}
	err := in.err
	if err == nil && t == nil {
		err = fmt.Errorf("%s: no entry %q in %s; add it or leave the image out", in.path, stemOf(in.path), e.out.Truth)
	}
	var f *stream.Frame
	if err == nil {
		f, err = decode.File(ctx, in.path)
	}
	if err == nil {
		defer f.Release()
		err = e.read(f, t, &m)
	}
	if err != nil {
		m.Error = oneLine(err).Error()
	}
	if t == nil {
		return m
	}
	s := score.ScoreBar(t, m.Read())
	m.Score = &s
	if err == nil {
		m.Status = reporting.StatusOK
		err = e.keep(f, &m)
	}
	if err != nil && m.Status == reporting.StatusOK {
		m.Error = fmt.Sprintf("%s: scored, but there is no picture of it: %v", in.path, err)
	}
	return m
}

func (e *scaleEvaluation) read(f *stream.Frame, t *score.BarTruth, m *reporting.ScaledImage) error {
	if t.Width > 0 && t.Height > 0 && (f.Width != t.Width || f.Height != t.Height) {
		return fmt.Errorf("%s is %dx%d px but its truth was made on %dx%d: give that image", f.Path, f.Width, f.Height, t.Width, t.Height)
	}
	start := time.Now()
	s, err := e.Read(f)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	m.Scale, m.TotalMs = &s, ms(time.Since(start))
	return nil
}

// keep cuts out the bar of an image that is among the worst so far.
func (e *scaleEvaluation) keep(f *stream.Frame, m *reporting.ScaledImage) error {
	rank := reporting.ScaleErrorRank(m.Score)
	if rank > 100 {
		return nil
	}
	at, _ := slices.BinarySearchFunc(e.out.Cases, rank, func(c reporting.ScaleCase, rank float64) int {
		return cmp.Or(cmp.Compare(reporting.ScaleErrorRank(e.out.Images[c.Image].Score), rank), -1)
	})
	if at >= e.Worst {
		return nil
	}
	picture, err := reporting.CropScale(f.Gray8, f.Gray16, f.Width, f.Height, m.Truth, m.Scale.Bar)
	if err != nil {
		return err
	}
	e.out.Cases = slices.Insert(e.out.Cases, at, reporting.ScaleCase{Image: len(e.out.Images), Picture: picture})
	if len(e.out.Cases) > e.Worst {
		e.out.Cases = e.out.Cases[:e.Worst]
	}
	return nil
}

func stemOf(path string) string {
	base := filepath.Base(path)
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// readBarTruth reads a file of true scale bars, by image name.
func readBarTruth(path string) (map[string]*score.BarTruth, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("evaluate: --scale: there is no file %s; check the path", path)
	}
	if err != nil {
		return nil, usagef("evaluate: --scale: %w", err)
	}
	defer file.Close()
	var list []score.BarTruth
	if err := json.NewDecoder(io.LimitReader(file, maxTruthBytes)).Decode(&list); err != nil {
		return nil, usagef("evaluate: --scale: %s is no list of scale bars: %w; write [{\"id\": \"NAME\", \"has_bar\": true, \"value\": 20, \"unit\": \"nm\", \"length_px\": 48.9}]", path, err)
	}
	bars := make(map[string]*score.BarTruth, len(list))
	for i := range list {
		t := &list[i]
		if err := t.Validate(); err != nil {
			return nil, usagef("evaluate: --scale: entry %d of %s: %w", i+1, path, err)
		}
		if bars[t.ID] != nil {
			return nil, usagef("evaluate: --scale: %s has %s twice; keep one", path, t.ID)
		}
		bars[t.ID] = t
	}
	return bars, nil
}

// pixelScale is the scale that a frame's pixels state.
func pixelScale(f *stream.Frame) (reporting.Scale, error) {
	return ScalePolicy{IgnoreMetadata: true}.Resolve(f).Scale, nil
}
