package reporting

import (
	"time"

	"github.com/uni-aims/aimsd/metrics/milling"
)

// Milling is what a frame of a milling source was seen to be, and what was advised. The advice is made with the
// commit, after the frame's result.json is written, and stands in the store and in the feedback message.
type Milling struct {
	ROI         milling.Rectangle   `json:"roi"` // what is milled, as a share of the image
	Observation milling.Observation `json:"observation"`
	Decision    *milling.Decision   `json:"decision,omitempty"`
}

// Point is a place or a displacement, as OpenFIBSEM's Point.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// FeedbackDrift is the displacement of a frame's content from the run's reference frame, +x right, +y down, with the
// names of OpenFIBSEM's AlignmentIteration. ShiftM is nil without a pixel size.
type FeedbackDrift struct {
	ShiftM            *Point  `json:"shift_m,omitempty"`
	ShiftPx           Point   `json:"shift_px"`
	Score             float64 `json:"score"`
	Success           bool    `json:"success"`
	Method            string  `json:"method"`
	MaxDisagreementPx float64 `json:"max_disagreement_px"`
}

// FeedbackEndpoint has the names of the statistics of OpenFIBSEM's CoincidenceMillingStrategy.
type FeedbackEndpoint struct {
	Metric           string   `json:"metric"`
	Value            *float64 `json:"value"`
	RollingMean      *float64 `json:"rolling_mean"`
	PeakRollingMean  *float64 `json:"peak_rolling_mean"`
	ThresholdValue   *float64 `json:"threshold_value"`
	DropFraction     *float64 `json:"drop_fraction"`
	ConsecutiveCount int      `json:"consecutive_count"`
	WarmupComplete   bool     `json:"warmup_complete"`
	Detected         bool     `json:"detected"`
}

// FeedbackGeometry is where the milled region stands. Metres are left out without a pixel size.
type FeedbackGeometry struct {
	MilledAreaPx *float64 `json:"milled_area_px"`
	MilledAreaM2 *float64 `json:"milled_area_m2,omitempty"`
	FrontPx      *float64 `json:"front_px"`
	FrontM       *float64 `json:"front_m,omitempty"`
	Progress     *float64 `json:"progress"`
	RemainingM   *float64 `json:"remaining_m,omitempty"`
	RateMPerS    *float64 `json:"rate_m_per_s,omitempty"`
	EtaS         *float64 `json:"eta_s"`
}

// FeedbackMessage is the advice of one frame of a milling source, SI units. It holds until ValidUntil, or for
// ValidForMs from its arrival, where clocks differ.
type FeedbackMessage struct {
	Envelope
	Source       string            `json:"source"`
	RunID        string            `json:"run_id"`
	TaskID       string            `json:"task_id"`
	StageName    string            `json:"stage_name"`
	Beam         string            `json:"beam"` // ELECTRON or ION
	FrameID      string            `json:"frame_id"`
	FrameTime    time.Time         `json:"frame_time"`
	DecisionTime time.Time         `json:"decision_time"`
	ValidUntil   time.Time         `json:"valid_until"`
	ValidForMs   int64             `json:"valid_for_ms"`
	Seq          uint64            `json:"seq"`
	Endpoint     FeedbackEndpoint  `json:"endpoint"`
	Drift        *FeedbackDrift    `json:"drift"`
	ROI          milling.Rectangle `json:"roi"`
	Geometry     *FeedbackGeometry `json:"geometry"`
	Uncertainty  *float64          `json:"uncertainty"` // standard deviation of endpoint.value, in its unit
	Confidence   *float64          `json:"confidence"`
	NmPerPx      *float64          `json:"nm_per_px"`
	Quality      []string          `json:"image_quality"`
	Advice       string            `json:"advice"` // CONTINUE, PAUSE, STOP, REALIGN or ABSTAIN
	Reasons      []string          `json:"reasons"`
	Text         string            `json:"text"`
}

// FeedbackOf gathers a frame's feedback.
func FeedbackOf(rec FrameRecord, plan *milling.Plan, o *milling.Observation, d *milling.Decision) FeedbackMessage {
	m := FeedbackMessage{
		Source: rec.Source, RunID: rec.RunID, TaskID: plan.TaskID, StageName: plan.StageName, Beam: plan.Beam,
		FrameID: rec.ID, FrameTime: o.FrameTime, DecisionTime: o.DecisionTime, ValidUntil: d.ValidUntil,
		ValidForMs: plan.ValidFor.Milliseconds(), Seq: rec.Seq, ROI: plan.ROI,
		Uncertainty: d.Uncertainty, Confidence: o.Confidence, NmPerPx: o.NmPerPx, Quality: o.Quality,
		Advice: d.Advice, Reasons: d.Reasons, Text: d.Text,
	}
	m.Time = o.DecisionTime
	e := &d.Endpoint
	m.Endpoint = FeedbackEndpoint{
		e.Metric, e.Value, e.RollingMean, e.PeakRollingMean, e.ThresholdValue, e.DropFraction, e.ConsecutiveCount, e.WarmupComplete, e.Detected,
	}
	if s := o.Drift; s != nil {
		m.Drift = &FeedbackDrift{
			ShiftPx: Point{s.XPx, s.YPx}, Score: s.Score, Success: s.Success, Method: s.Method, MaxDisagreementPx: s.MaxDisagreementPx,
		}
		if o.NmPerPx != nil {
			m.Drift.ShiftM = &Point{s.XPx * *o.NmPerPx * 1e-9, s.YPx * *o.NmPerPx * 1e-9}
		}
	}
	if g := d.Geometry; g != nil {
		m.Geometry = &FeedbackGeometry{g.MilledAreaPx, g.MilledAreaM2, g.FrontPx, g.FrontM, g.Progress, g.RemainingM, g.RateMPerS, g.EtaS}
	}
	return m
}

// Feedback is the advice of one frame of a milling source.
func (b Builder) Feedback(m FeedbackMessage) (FeedbackMessage, Message, error) {
	b.fill(&m.Envelope, FeedbackSchema)
	m.FrameTime, m.DecisionTime, m.ValidUntil = m.FrameTime.UTC(), m.DecisionTime.UTC(), m.ValidUntil.UTC()
	if m.Quality == nil {
		m.Quality = []string{}
	}
	if m.Reasons == nil {
		m.Reasons = []string{}
	}
	m.finite()
	msg, err := b.message(b.Topics.Feedback(), m.FrameID, m.Envelope, m)
	return m, msg, err
}

// finite leaves out what is no number.
func (m *FeedbackMessage) finite() {
	m.Uncertainty, m.Confidence, m.NmPerPx = finite(m.Uncertainty), finite(m.Confidence), finite(m.NmPerPx)
	e := &m.Endpoint
	for _, p := range []**float64{&e.Value, &e.RollingMean, &e.PeakRollingMean, &e.ThresholdValue, &e.DropFraction} {
		*p = finite(*p)
	}
	if m.Geometry != nil {
		g := *m.Geometry
		for _, p := range []**float64{&g.MilledAreaPx, &g.MilledAreaM2, &g.FrontPx, &g.FrontM, &g.Progress, &g.RemainingM, &g.RateMPerS, &g.EtaS} {
			*p = finite(*p)
		}
		m.Geometry = &g
	}
	if m.Drift != nil {
		d := *m.Drift
		if !isFinite(d.ShiftPx.X) || !isFinite(d.ShiftPx.Y) || d.ShiftM != nil && (!isFinite(d.ShiftM.X) || !isFinite(d.ShiftM.Y)) {
			d.Success, d.ShiftPx, d.ShiftM = false, Point{}, nil
		}
		d.Score, d.MaxDisagreementPx = finiteOr0(d.Score), finiteOr0(d.MaxDisagreementPx)
		m.Drift = &d
	}
}
