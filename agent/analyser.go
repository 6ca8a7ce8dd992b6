package agent

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
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
	dynamics   *dynamics
	scorer     [sha256.Size]byte                                               // sum of the scorer's file
	instead    func(context.Context, *stream.Frame, string) (*Analysis, error) // tests; nil: the network
}

// Analysis is a frame with its objects.
type Analysis struct {
	Frame   *stream.Frame // pixels may be nil when there is no image
	Labels  []int32
	Objects []metrics.Object
	Result  *reporting.Result

	TextBoxes []metrics.Rect // where the scale bar's label stands
	NoOverlay bool           // its picture is not written
	Print     *metrics.Print // of the picture; nil without one
}

// OpenAnalyser loads the network and opens the dynamics, and runs both, so that the first frame is as fast as the others.
// Provider cuda needs the network on the GPU; the dynamics run there where they can.
func OpenAnalyser(ctx context.Context, c InferConfig) (*Analyser, error) {
	model, err := models.Load(c.Model)
	if err != nil {
		return nil, usageError{err}
	}
	session, err := infer.OpenSession(infer.SessionOptions{Provider: c.Provider, Model: model, Threads: c.Threads, Warm: true})
	if err != nil {
		if !errors.Is(err, infer.ErrNoLibrary) && !errors.Is(err, infer.ErrNoCUDA) {
			err = fmt.Errorf("model %s: %w", c.Model, err)
		}
		return nil, usageError{err}
	}
	scorer, err := infer.ReadScorer(model.Scorer)
	if err != nil {
		_ = session.Close()
		return nil, usageError{fmt.Errorf("model %s: %w", c.Model, err)}
	}
	a := &Analyser{
		Segmenter: infer.NewSegmenter(session, scorer),
		Model: &reporting.Model{
			Name: model.Name, Version: model.Version, SHA256: session.Network.SHA256, Precision: session.Network.Precision, Provider: session.Provider, Why: session.Why,
		},
		Version: version(),
		session: session, scorer: sha256.Sum256(model.Scorer),
	}
	if a.dynamics, err = openDynamics(c); err != nil {
		_ = session.Close()
		return nil, usageError{err}
	}
	a.Segmenter.Dynamics = a.dynamics.Dynamics
	a.Segmenter.Memory = c.workingMemory()
	if err := a.warm(ctx); err != nil {
		_ = a.Close()
		return nil, usageError{fmt.Errorf("model %s does not run: %w", c.Model, err)}
	}
	return a, nil
}

// warm finds the objects of a gradient: of the size of a small frame, so that the first one finds all memory ready.
func (a *Analyser) warm(ctx context.Context) error {
	const side = 1024
	pix := make([]uint8, side*side)
	for i := range pix {
		pix[i] = uint8(i % side)
	}
	_, err := a.Segmenter.Segment(ctx, infer.Image{Width: side, Height: side, Stride: side, Gray8: pix})
	return err
}

// Close frees the network, and the device of the dynamics.
func (a *Analyser) Close() error {
	if a.session == nil {
		return nil
	}
	return errors.Join(a.session.Close(), a.dynamics.Close())
}

// Analyse segments and measures a frame.
func (a *Analyser) Analyse(ctx context.Context, f *stream.Frame, mode string) (*Analysis, error) {
	if a.instead != nil {
		return a.instead(ctx, f, mode)
	}
	start := time.Now()
	a.dynamics.begin()
	s, err := a.segment(ctx, f)
	if err != nil {
		return nil, err
	}
	t := s.timings
	t.Scale = ms(s.took)
	an, err := a.measure(f, s.labels, s.Reading, s.confidence, &t)
	if err != nil {
		return nil, err
	}
	an.Result.Mode, an.Result.Model, an.Result.Dynamics = mode, a.Model, a.dynamics.ran()
	an.take(s.look)
	an.Result.TimingsMs.Total = ms(time.Since(start))
	return an, nil
}

// MeasureLabels measures labels made elsewhere; f has their size and may have no pixels.
func (a *Analyser) MeasureLabels(f *stream.Frame, labels []int32, mode string) (*Analysis, error) {
	start := time.Now()
	r := a.Scale.Resolve(f)
	t := reporting.Timings{Scale: ms(r.took)}
	an, err := a.measure(f, labels, r, nil, &t)
	if err != nil {
		return nil, err
	}
	an.Result.Mode = mode
	if hasPixels(f) {
		image := r.Area.image(f)
		an.take(lookAt(image, r.Area.Rect))
	}
	an.Result.TimingsMs.Total = ms(time.Since(start))
	return an, nil
}

func (a *Analyser) measure(f *stream.Frame, labels []int32, r Reading, confidence []float64, t *reporting.Timings) (*Analysis, error) {
	start := time.Now()
	opt := metrics.Options{Analysed: r.Area.Rect, Excluded: r.Area.Excluded, Confidence: confidence}
	if nm := r.Scale.NmPerPx; nm != nil {
		opt.NmPerPx = *nm
	}
	objects, err := metrics.Measure(labels, f.Width, f.Height, opt)
	if err != nil {
		return nil, fmt.Errorf("measure %s: %w", f.Name, err)
	}
	sum := metrics.Summarise(objects, opt, f.Width, f.Height)
	t.Measure = ms(time.Since(start))
	return &Analysis{Frame: f, Labels: labels, Objects: objects, TextBoxes: r.Boxes, Result: &reporting.Result{
		Schema: reporting.ResultSchema,
		Image: reporting.Image{
			Path: f.Path, Width: f.Width, Height: f.Height, SHA256: f.SHA256,
			Analysed: r.Area.analysed(),
		},
		Scale:         r.Scale,
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
