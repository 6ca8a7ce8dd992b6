package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/metrics/milling"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// millings follows the runs of sources where something is milled: what each frame shows, what is advised, and who
// hears of it.
//
//	analysed ─▶ observe ─▶ Result.Milling ─▶ rules ─▶ decide ─▶ commit ─▶ publish ─▶ FeedbackService, driver
//
// What was decided about a frame that could not be committed never happened. A run goes on after a restart from its
// recorded observations and its reference frame.
type millings struct {
	Store    *reporting.Store
	Builder  reporting.Builder
	Feedback *reporting.FeedbackService
	RunDir   func(run string) string
	Offer    func(m *reporting.FeedbackMessage, decided time.Time) // may be nil
	Log      *zap.Logger
	Now      func() time.Time

	mu      sync.Mutex
	plans   map[string]milling.Plan // by source
	counted map[string]bool         // sources whose frames are numbered by who sends them, and all of them wanted
	runs    map[string]*millingRun  // by source: the one that its last frame belongs to
	last    map[string]uint64       // number of a source's last frame
}

// millingRun is a run of a source where something is milled.
type millingRun struct {
	id       string
	plan     milling.Plan
	observer *milling.Observer
	tracker  *milling.Tracker
	lost     bool // its reference is gone
}

// advised is a frame's decision on its way to the commit.
type advised struct {
	run     *millingRun
	tracker *milling.Tracker // as it is once committed
	message reporting.FeedbackMessage
	at      time.Time // of the decision, with its monotonic reading
}

// configure sets what is milled where. A run goes on under a plan with the same region; another region is for the
// next run, because what was seen so far was seen of the old one.
func (m *millings) configure(ctx context.Context, c *Config) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.plans, m.counted = c.plans(), map[string]bool{}
	for _, s := range c.streams() {
		m.counted[s.Name] = s.Policy != "latest"
	}
	for source, run := range m.runs {
		plan, ok := m.plans[source]
		switch {
		case !ok:
			delete(m.runs, source)
		case plan == run.plan:
		case plan.ROI != run.plan.ROI || plan.ScanDirection != run.plan.ScanDirection:
			m.Log.Warn("another region or scan direction takes effect with the next run", zap.String("source", source), zap.String("run_id", run.id))
		default:
			tracker, _, err := m.replay(ctx, run.id, source, plan)
			if err != nil {
				m.Log.Error("the milling plan takes effect with the next run: what was seen is not readable", zap.String("run_id", run.id), zap.Error(err))
				continue
			}
			run.plan, run.tracker = plan, tracker
		}
	}
}

// observe looks at an analysed frame of a source where something is milled; others are left alone. A frame that cannot
// be looked at has its result all the same, and abstains.
func (m *millings) observe(ctx context.Context, a stream.Arrival, f *stream.Frame, res *reporting.Result) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	run, err := m.of(ctx, a)
	if run == nil && err == nil {
		return
	}
	var o milling.Observation
	var roi milling.Rectangle
	if err == nil {
		roi = run.plan.ROI
		err = guarded(m.Log, "milling", a.Name, func() (err error) {
			o, err = m.see(run, f, res)
			return err
		})
	}
	if err != nil {
		m.Log.Error("the milled region was not looked at", zap.String("source", a.Source), zap.String("name", a.Name), zap.Error(err))
		o = milling.Observation{Fault: milling.ReasonNoResult}
	}
	o = o.Finite()
	o.NmPerPx, o.Quality = res.Scale.NmPerPx, slices.Clone(res.ImageQuality)
	o.ScaleMismatch = mismatchText(&res.Scale) != ""
	m.identify(&o, a, f.ReceivedAt)
	res.Milling = &reporting.Milling{ROI: roi, Observation: o}
}

// see looks at a frame of a run.
func (m *millings) see(run *millingRun, f *stream.Frame, res *reporting.Result) (o milling.Observation, err error) {
	if run.lost {
		return milling.Observation{Fault: milling.ReasonLost}, nil
	}
	frame, nmPerPx := millingFrame(f, res.Scale.NmPerPx, res.Image.Analysed)
	o, err = run.observer.Observe(frame, res.ImageQuality, nmPerPx)
	if err == nil && o.Reference {
		if err := m.keepReference(run, f); err != nil {
			m.Log.Error("after a restart the run could not go on", zap.Error(err))
		}
	}
	return o, err
}

// millingFrame is a frame with the analysed area and the pixel size (0: unknown) that its result says.
func millingFrame(f *stream.Frame, scale *float64, b reporting.Analysed) (frame milling.Frame, nmPerPx float64) {
	if scale != nil {
		nmPerPx = *scale
	}
	return milling.Frame{
		Width: f.Width, Height: f.Height, Gray8: f.Gray8, Gray16: f.Gray16,
		Analysed: metrics.Rect{X0: b.X0, Y0: b.Y0, X1: b.X1, Y1: b.Y1},
	}, nmPerPx
}

// identify says which frame an observation is of, and when it was taken.
func (m *millings) identify(o *milling.Observation, a stream.Arrival, received time.Time) {
	o.FrameID, o.Seq, o.FrameTime = a.FrameID, a.Admission.Seq, a.ModTime
	if o.FrameTime.IsZero() {
		o.FrameTime = received
	}
	if last, ok := m.last[a.Source]; ok && m.counted[a.Source] && o.Seq > last+1 {
		o.Missing = o.Seq - last - 1
	}
	m.last[a.Source] = max(m.last[a.Source], o.Seq)
	o.FrameTime = o.FrameTime.UTC()
}

// decide says what a frame amounts to, and makes the message that tells it; nil where nothing is milled. Active are
// the rules with an advice.
func (m *millings) decide(rec reporting.FrameRecord, res *reporting.Result, active []milling.RuleAdvice) (*advised, []reporting.Message, error) {
	if m == nil || res.Milling == nil {
		return nil, nil, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	run := m.runs[rec.Source]
	if run == nil || run.id != rec.RunID {
		return nil, nil, nil
	}
	return m.conclude(run, rec, res.Milling, active)
}

func (m *millings) conclude(run *millingRun, rec reporting.FrameRecord, seen *reporting.Milling, active []milling.RuleAdvice) (*advised, []reporting.Message, error) {
	next := &advised{run: run, tracker: run.tracker.Clone(), at: m.Now()}
	seen.Observation.DecisionTime, seen.Observation.Rules = next.at.UTC(), active
	d := next.tracker.Decide(seen.Observation)
	seen.Decision = &d
	var msg reporting.Message
	var err error
	next.message, msg, err = m.Builder.Feedback(reporting.FeedbackOf(rec, &run.plan, &seen.Observation, &d))
	return next, []reporting.Message{msg}, err
}

// preview lets rules ask where the region stands: it notes what would be decided without them.
func (m *millings) preview(rec reporting.FrameRecord, res *reporting.Result) {
	if m == nil || res == nil || res.Milling == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if run := m.runs[rec.Source]; run != nil && run.id == rec.RunID {
		o := res.Milling.Observation
		o.DecisionTime = m.Now().UTC()
		d := run.tracker.Clone().Decide(o)
		res.Milling.Decision = &d
	}
}

// unseen is the feedback of a frame of such a source that has no result; nil of other sources.
func (m *millings) unseen(ctx context.Context, a stream.Arrival, rec reporting.FrameRecord) (*advised, []reporting.Message, error) {
	if m == nil || rec.State != string(stream.StateRejected) { // for a dropped one, a newer one is on its way
		return nil, nil, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	run, err := m.of(ctx, a)
	if run == nil || err != nil {
		return nil, nil, err
	}
	seen := &reporting.Milling{ROI: run.plan.ROI, Observation: milling.Observation{Fault: milling.ReasonNoResult}}
	m.identify(&seen.Observation, a, m.Now())
	return m.conclude(run, rec, seen, nil)
}

// publish remembers what was committed and tells it.
func (m *millings) publish(next *advised) {
	if next == nil {
		return
	}
	m.mu.Lock()
	next.run.tracker = next.tracker
	m.mu.Unlock()
	m.Feedback.Publish(&next.message)
	if m.Offer != nil {
		m.Offer(&next.message, next.at)
	}
}

// closed ends a run.
func (m *millings) closed(id, source string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if run := m.runs[source]; run != nil && run.id == id {
		delete(m.runs, source)
		m.Feedback.Forget(source)
	}
}

// of is the run of an arrival; nil where nothing is milled.
func (m *millings) of(ctx context.Context, a stream.Arrival) (*millingRun, error) {
	plan, ok := m.plans[a.Source]
	if !ok {
		return nil, nil
	}
	if run := m.runs[a.Source]; run != nil && run.id == a.RunID {
		return run, nil
	}
	tracker, first, err := m.replay(ctx, a.RunID, a.Source, plan)
	if err != nil {
		return nil, err
	}
	run := &millingRun{id: a.RunID, plan: plan, observer: milling.NewObserver(plan), tracker: tracker}
	if first != nil {
		if err := m.readReference(ctx, run, first); err != nil {
			run.lost = true
			m.Log.Error("the reference frame of the run is gone: frames abstain until its next run", zap.String("run_id", run.id), zap.Error(err))
		}
	}
	m.runs[a.Source] = run
	return run, nil
}
