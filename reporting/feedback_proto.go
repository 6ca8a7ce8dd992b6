package reporting

import (
	"time"

	"google.golang.org/protobuf/proto"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// Proto is the message as FeedbackService sends it.
func (m *FeedbackMessage) Proto() *aimsv1.Feedback {
	p := &aimsv1.Feedback{
		Id: m.ID, Site: m.Site, Instrument: m.Instrument, TimeUnixNs: nanoseconds(m.Time), Source: m.Source, RunId: m.RunID, TaskId: m.TaskID, StageName: m.StageName,
		Beam: aimsv1.BeamType(aimsv1.BeamType_value[m.Beam]), FrameId: m.FrameID,
		FrameTimeUnixNs: nanoseconds(m.FrameTime), DecisionTimeUnixNs: nanoseconds(m.DecisionTime),
		ValidUntilUnixNs: nanoseconds(m.ValidUntil), ValidForMs: m.ValidForMs, Seq: m.Seq,
		Roi:         &aimsv1.Rectangle{Left: m.ROI.Left, Top: m.ROI.Top, Width: m.ROI.Width, Height: m.ROI.Height},
		Uncertainty: m.Uncertainty, Confidence: m.Confidence, NmPerPx: m.NmPerPx, ImageQuality: m.Quality,
		Advice: aimsv1.Advice(aimsv1.Advice_value[m.Advice]), Reasons: m.Reasons, Text: m.Text,
	}
	e := &m.Endpoint
	p.Endpoint = &aimsv1.Endpoint{
		Metric: e.Metric, Value: e.Value, RollingMean: e.RollingMean, PeakRollingMean: e.PeakRollingMean,
		ThresholdValue: e.ThresholdValue, DropFraction: e.DropFraction,
		ConsecutiveCount: uint32(e.ConsecutiveCount), WarmupComplete: e.WarmupComplete, Detected: e.Detected,
	}
	if d := m.Drift; d != nil {
		p.Drift = &aimsv1.Drift{
			ShiftPx: &aimsv1.Point{X: d.ShiftPx.X, Y: d.ShiftPx.Y}, Score: d.Score, Success: d.Success, Method: d.Method,
			MaxDisagreementPx: d.MaxDisagreementPx,
		}
		if d.ShiftM != nil {
			p.Drift.ShiftM = &aimsv1.Point{X: d.ShiftM.X, Y: d.ShiftM.Y}
		}
	}
	if g := m.Geometry; g != nil {
		p.Geometry = &aimsv1.Geometry{
			MilledAreaPx: g.MilledAreaPx, MilledAreaM2: g.MilledAreaM2, FrontPx: g.FrontPx, FrontM: g.FrontM,
			Progress: g.Progress, RemainingM: g.RemainingM, RateMPerS: g.RateMPerS, EtaS: g.EtaS,
		}
	}
	return p
}

// nanoseconds since 1970, 0 for no time.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// withSkipped is a copy that says how many were missed: the original goes to other readers as well.
func withSkipped(p *aimsv1.Feedback, n uint64) *aimsv1.Feedback {
	c := proto.CloneOf(p)
	c.Skipped = n
	return c
}

// withValidity is a copy that holds for what is left of its time.
func withValidity(p *aimsv1.Feedback, now time.Time) *aimsv1.Feedback {
	c := proto.CloneOf(p)
	left := time.Duration(p.GetValidUntilUnixNs() - now.UnixNano()).Milliseconds()
	c.ValidForMs = min(max(left, 0), p.GetValidForMs())
	return c
}
