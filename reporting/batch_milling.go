package reporting

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/uni-aims/aimsd/metrics/milling"
)

// MillingFrame is what reports show of one frame of a milling source. A nil pointer is unknown.
type MillingFrame struct {
	Source   string
	Seq      uint64
	Time     time.Time // when the frame was taken, or else came
	Advice   string    // "" where the store has no decision
	Reasons  []string
	Text     string
	Detected bool // the end-point

	Progress  *float64
	Threshold *float64 // of progress, where the end-point is told by progress or front
	FrontNm   *float64
	NmPerPx   *float64
	DriftX    *float64 // px, as DriftY; nil where it is not to be used
	DriftY    *float64
	Metric    string // of the end-point
}

// MillingFrameOf reduces what the store holds of a frame to what reports show; nil where nothing is milled.
func MillingFrameOf(source string, seq uint64, m *Milling) *MillingFrame {
	if m == nil {
		return nil
	}
	o := &m.Observation
	f := &MillingFrame{Source: source, Seq: seq, Time: o.FrameTime, NmPerPx: finite(o.NmPerPx)}
	if d := o.Drift; d != nil && d.Success && isFinite(d.XPx) && isFinite(d.YPx) {
		f.DriftX, f.DriftY = &d.XPx, &d.YPx
	}
	d := m.Decision
	if d == nil {
		return f
	}
	f.Advice, f.Reasons, f.Text, f.Detected, f.Metric = d.Advice, d.Reasons, d.Text, d.Endpoint.Detected, d.Endpoint.Metric
	if g := d.Geometry; g != nil {
		f.Progress, f.FrontNm = finite(g.Progress), times(finite(g.FrontM), 1e9)
	}
	switch t := finite(d.Endpoint.ThresholdValue); {
	case t == nil:
	case f.Metric == milling.MetricProgress:
		f.Threshold = t
	case f.Metric == milling.MetricFront && o.LengthPx > 0 && f.NmPerPx != nil && *f.NmPerPx > 0:
		f.Threshold = times(t, 1/(o.LengthPx**f.NmPerPx))
	}
	return f
}

// times is v times a factor, nil for nil.
func times(v *float64, factor float64) *float64 {
	if v == nil {
		return nil
	}
	x := *v * factor
	return &x
}

// millingRuns are a batch's frames of milling sources, by source, each in the order of its numbers.
func (b *Batch) millingRuns() [][]*MillingFrame {
	var runs [][]*MillingFrame
	at := map[string]int{}
	for i := range b.Inputs {
		m := b.Inputs[i].Milling
		if m == nil {
			continue
		}
		k, ok := at[m.Source]
		if !ok {
			k = len(runs)
			at[m.Source], runs = k, append(runs, nil)
		}
		runs[k] = append(runs[k], m)
	}
	for _, frames := range runs {
		slices.SortStableFunc(frames, func(a, b *MillingFrame) int {
			switch {
			case a.Seq < b.Seq:
				return -1
			case a.Seq > b.Seq:
				return 1
			}
			return 0
		})
	}
	return runs
}

// milled reports whether something is milled in a batch's inputs.
func (b *Batch) milled() bool {
	return slices.ContainsFunc(b.Inputs, func(in BatchInput) bool { return in.Milling != nil })
}

// millingSummary is what summary.json tells of a run's milling, and what the report's figures are made of.
type millingSummary struct {
	Source          string         `json:"source"`
	Frames          int            `json:"frames"`
	FirstTime       *time.Time     `json:"first_frame_time"`
	LastTime        *time.Time     `json:"last_frame_time"`
	DurationS       float64        `json:"duration_s"`
	EndpointReached bool           `json:"endpoint_reached"`
	EndpointMetric  string         `json:"endpoint_metric"`
	EndpointSeq     *uint64        `json:"endpoint_seq"` // the frame that it was told at
	EndpointTime    *time.Time     `json:"endpoint_time"`
	EndpointAfterS  *float64       `json:"endpoint_after_s"` // the first frame
	FinalProgress   *float64       `json:"final_progress"`
	FinalFrontNm    *float64       `json:"final_front_nm"`
	MeanRateNmPerS  *float64       `json:"mean_rate_nm_per_s"` // from the first front that was seen to the end-point, or to the last one
	LargestDriftPx  *float64       `json:"largest_drift_px"`
	LargestDriftNm  *float64       `json:"largest_drift_nm"`
	LargestDriftSeq *uint64        `json:"largest_drift_seq"`
	Advices         map[string]int `json:"advices"` // frames by advice
	Abstained       map[string]int `json:"abstained"`
	FinalAdvice     string         `json:"final_advice"`

	Others []*millingSummary `json:"others,omitempty"` // further sources that share the run
}

// millingSummaryOf sums up a batch; nil where nothing was milled.
func millingSummaryOf(b *Batch) *millingSummary {
	var all []*millingSummary
	for _, frames := range b.millingRuns() {
		all = append(all, sumMilling(frames))
	}
	if len(all) == 0 {
		return nil
	}
	all[0].Others = all[1:]
	return all[0]
}

// sumMilling sums up the frames of one source; there is at least one.
func sumMilling(frames []*MillingFrame) *millingSummary {
	first, last := frames[0], frames[len(frames)-1]
	s := &millingSummary{
		Source: first.Source, Frames: len(frames), FirstTime: known(first.Time), LastTime: known(last.Time),
		DurationS: last.Time.Sub(first.Time).Seconds(), EndpointMetric: last.Metric, FinalAdvice: last.Advice,
		Advices: map[string]int{}, Abstained: map[string]int{},
	}
	var from, to *MillingFrame // of the mean rate
	for _, f := range frames {
		if f.Advice != "" {
			s.Advices[f.Advice]++
		}
		if f.Advice == milling.Abstain {
			for _, r := range f.Reasons {
				s.Abstained[r]++
			}
		}
		if f.Progress != nil {
			s.FinalProgress, s.FinalFrontNm = f.Progress, f.FrontNm
		}
		s.drifted(f)
		if f.FrontNm != nil && !s.EndpointReached {
			if from == nil {
				from = f
			}
			to = f
		}
		if f.Detected && !s.EndpointReached {
			s.EndpointReached, s.EndpointSeq, s.EndpointTime = true, &f.Seq, known(f.Time)
			after := f.Time.Sub(first.Time).Seconds()
			s.EndpointAfterS = &after
		}
	}
	if from != nil {
		if took := to.Time.Sub(from.Time).Seconds(); took > 0 {
			rate := (*to.FrontNm - *from.FrontNm) / took
			s.MeanRateNmPerS = &rate
		}
	}
	return s
}

// drifted notes the largest drift.
func (s *millingSummary) drifted(f *MillingFrame) {
	if f.DriftX == nil {
		return
	}
	if px := math.Hypot(*f.DriftX, *f.DriftY); s.LargestDriftPx == nil || px > *s.LargestDriftPx {
		s.LargestDriftPx, s.LargestDriftSeq, s.LargestDriftNm = &px, &f.Seq, nil
		if f.NmPerPx != nil {
			s.LargestDriftNm = times(&px, *f.NmPerPx)
		}
	}
}

// millingHeader are the columns that summary.csv has besides, where something is milled.
func millingHeader() []string {
	return []string{"progress", "front_nm", "drift_x_px", "drift_y_px", "advice"}
}

func (f *MillingFrame) row() []string {
	if f == nil {
		return make([]string, len(millingHeader()))
	}
	return []string{number(f.Progress), number(f.FrontNm), number(f.DriftX), number(f.DriftY), f.Advice}
}

// reasonText writes the reasons of a frame in one line.
func (f *MillingFrame) reasonText() string { return strings.Join(f.Reasons, ", ") }
