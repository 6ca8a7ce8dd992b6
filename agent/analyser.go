package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/uni-aims/aimsd/infer"
	"github.com/uni-aims/aimsd/infer/models"
	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// Analyser takes a frame through scale, segmentation and measurement. It is not safe for concurrent use.
type Analyser struct {
	Segmenter  *infer.Segmenter // nil: only labels made elsewhere can be measured
	Model      *reporting.Model
	Scale      ScalePolicy
	ConfigHash string
	Version    string
	session    *infer.Session
}

// Analysis is a frame with its objects.
type Analysis struct {
	Frame   *stream.Frame // pixels may be nil when there is no image
	Labels  []int32
	Objects []metrics.Object
	Result  *reporting.Result
}

// OpenAnalyser loads the network and runs it once, so that the first frame is as fast as the others.
func OpenAnalyser(ctx context.Context, c InferConfig) (*Analyser, error) {
	model, err := models.Load(c.Model)
	if err != nil {
		return nil, usageError{err}
	}
	session, err := infer.OpenSession(infer.SessionOptions{Provider: c.Provider, Model: model.ONNX, Threads: c.Threads})
	if err != nil {
		if !errors.Is(err, infer.ErrNoLibrary) && !errors.Is(err, infer.ErrNoCUDA) {
			err = fmt.Errorf("model %s: %w", c.Model, err)
		}
		return nil, usageError{err}
	}
	a := &Analyser{
		Segmenter: infer.NewSegmenter(session),
		Model: &reporting.Model{
			Name: model.Name, Version: model.Version, SHA256: model.SHA256, Precision: "fp32", Provider: session.Provider,
		},
		Version: version(),
		session: session,
	}
	if err := a.warm(ctx); err != nil {
		_ = session.Close()
		return nil, usageError{fmt.Errorf("model %s does not run: %w", c.Model, err)}
	}
	return a, nil
}

// warm runs the network on a small gradient and looks at the answer.
func (a *Analyser) warm(ctx context.Context) error {
	const side = 128
	pix := make([]uint8, side*side)
	for i := range pix {
		pix[i] = uint8(i % side)
	}
	_, err := a.Segmenter.Segment(ctx, infer.Image{Width: side, Height: side, Stride: side, Gray8: pix})
	return err
}

// Close frees the network.
func (a *Analyser) Close() error {
	if a.session == nil {
		return nil
	}
	return a.session.Close()
}

// Analyse segments and measures a frame.
func (a *Analyser) Analyse(ctx context.Context, f *stream.Frame, mode string) (*Analysis, error) {
	start := time.Now()
	scale, area := a.Scale.resolve(f)
	quality := metrics.Quality(f.Gray8, f.Gray16, f.Width, f.Height, area)
	t := reporting.Timings{Scale: ms(time.Since(start))}
	var labels []int32
	var confidence []float64
	if slices.Contains(quality, "blank") { // a constant image has no objects, whatever its noise looks like stretched
		labels = make([]int32, f.Width*f.Height)
	} else {
		image := infer.Image{Width: f.Width, Height: f.Height, Stride: f.Width, Gray8: f.Gray8, Gray16: f.Gray16}
		seg, err := a.Segmenter.Segment(ctx, image.Crop(area.X0, area.Y0, area.X1, area.Y1))
		if err != nil {
			return nil, fmt.Errorf("segment %s: %w", f.Name, err)
		}
		labels = wholeFrame(seg.Labels, f.Width, f.Height)
		confidence = seg.Confidence
		t.Normalise, t.Infer = ms(seg.Timings.Normalise), ms(seg.Timings.Infer)
		t.Stitch, t.Dynamics = ms(seg.Timings.Stitch), ms(seg.Timings.Dynamics)
	}
	an, err := a.measure(f, labels, scale, area, confidence, &t)
	if err != nil {
		return nil, err
	}
	an.Result.Mode, an.Result.Model, an.Result.ImageQuality = mode, a.Model, quality
	an.Result.TimingsMs.Total = ms(time.Since(start))
	return an, nil
}

// wholeFrame extends labels of a frame's first rows, all the analysed area ever is, to all its rows.
func wholeFrame(labels []int32, width, height int) []int32 {
	if len(labels) == width*height {
		return labels
	}
	all := make([]int32, width*height)
	copy(all, labels)
	return all
}

// MeasureLabels measures labels made elsewhere; f has their size and may have no pixels.
func (a *Analyser) MeasureLabels(f *stream.Frame, labels []int32, mode string) (*Analysis, error) {
	start := time.Now()
	scale, area := a.Scale.resolve(f)
	t := reporting.Timings{Scale: ms(time.Since(start))}
	an, err := a.measure(f, labels, scale, area, nil, &t)
	if err != nil {
		return nil, err
	}
	an.Result.Mode = mode
	if f.Gray8 != nil || f.Gray16 != nil {
		an.Result.ImageQuality = metrics.Quality(f.Gray8, f.Gray16, f.Width, f.Height, area)
	}
	an.Result.TimingsMs.Total = ms(time.Since(start))
	return an, nil
}

func (a *Analyser) measure(f *stream.Frame, labels []int32, scale reporting.Scale, area metrics.Rect, confidence []float64, t *reporting.Timings) (*Analysis, error) {
	start := time.Now()
	opt := metrics.Options{Analysed: area, Confidence: confidence}
	if scale.NmPerPx != nil {
		opt.NmPerPx = *scale.NmPerPx
	}
	objects, err := metrics.Measure(labels, f.Width, f.Height, opt)
	if err != nil {
		return nil, fmt.Errorf("measure %s: %w", f.Name, err)
	}
	sum := metrics.Summarise(objects, opt, f.Width, f.Height)
	t.Measure = ms(time.Since(start))
	return &Analysis{Frame: f, Labels: labels, Objects: objects, Result: &reporting.Result{
		Schema: reporting.ResultSchema,
		Image: reporting.Image{
			Path: f.Path, Width: f.Width, Height: f.Height, SHA256: f.SHA256,
			Analysed: reporting.Analysed{X0: area.X0, Y0: area.Y0, X1: area.X1, Y1: area.Y1, AreaPx: area.Area()},
		},
		Scale:         scale,
		Objects:       len(objects),
		Statistics:    sum.Statistics,
		EdgePolicy:    sum.EdgePolicy,
		DensityPerUm2: sum.DensityPerUm2,
		AreaFraction:  &sum.AreaFraction,
		Confidence:    sum.Confidence,
		ImageQuality:  []string{},
		Acquisition:   acquisition(f.Meta),
		TimingsMs:     *t,
		ConfigHash:    a.ConfigHash,
		Version:       a.Version,
		RunID:         f.RunID,
		Seq:           f.Seq,
		Source:        f.Source,
		Time:          f.ReceivedAt.UTC(),
	}}, nil
}

// sizes are the objects' values that the store keeps.
func (an *Analysis) sizes() reporting.Sizes {
	s := reporting.Sizes{ECDPx: make([]float32, len(an.Objects)), WeightML: make([]float32, len(an.Objects))}
	for i, o := range an.Objects {
		s.ECDPx[i], s.WeightML[i] = float32(o.ECD), float32(o.WeightML)
	}
	return s
}

// acquisition gathers what the instrument said, without what it left out.
func acquisition(m stream.Metadata) map[string]any {
	out := map[string]any{}
	text := func(key, v string) {
		if v != "" {
			out[key] = v
		}
	}
	number := func(key string, v float64) {
		if v != 0 {
			out[key] = v
		}
	}
	text("vendor", m.Vendor)
	text("model", m.Model)
	text("detector", m.Detector)
	number("high_voltage_v", m.HighVoltageV)
	number("working_distance_m", m.WorkingDistanceM)
	number("dwell_time_s", m.DwellTimeS)
	number("beam_current_a", m.BeamCurrentA)
	number("hor_field_width_m", m.HorFieldWidthM)
	number("stage_x_m", m.StageXM)
	number("stage_y_m", m.StageYM)
	number("stage_z_m", m.StageZM)
	number("stage_rotation_rad", m.StageRotationRad)
	number("stage_tilt_rad", m.StageTiltRad)
	if !m.AcquiredAt.IsZero() {
		out["acquired_at"] = m.AcquiredAt.Format(time.RFC3339)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }
