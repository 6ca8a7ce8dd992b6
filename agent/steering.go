package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/agent/steer"
	"github.com/uni-aims/aimsd/metrics/rules"
	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
	"github.com/uni-aims/aimsd/reporting"
)

// Codes of what acting on advice brings about.
const (
	codeActuationFailed = "ACTUATION_FAILED"
	codeActed           = "MILLING_ACTED"
	codeNotActed        = "MILLING_NOT_ACTED" // the rules forbid it, or it does not mill
	codeArmed           = "MILLING_ARMED"
	codeDisarmed        = "MILLING_DISARMED"
)

// steering holds what can pause milling, for each source that has a controller. Nothing of it acts before a run is
// armed, over gRPC or with `aimsd arm`.
//
//	feedback ─▶ driver ─▶ controller
//	Arm ─────────▶┘ └─▶ events, alert ACTUATION_FAILED
type steering struct {
	Store   *reporting.Store
	Builder reporting.Builder
	Alerts  *alerts
	Open    func(source string) string // the run that is open of a source; ""
	Log     *zap.Logger

	drivers map[string]*steer.Driver // by source
}

var _ reporting.Steering = (*steering)(nil)

// open makes the drivers that a configuration asks for.
func (s *steering) open(c *Config) error {
	s.drivers = map[string]*steer.Driver{}
	for _, m := range c.Milling {
		if m.Act.Controller == "" {
			continue
		}
		controller, err := steer.NewOpenFIBSEM(steer.OpenFIBSEMOptions{URL: m.Act.URL, Timeout: m.Act.Timeout, AllowRemote: m.Act.AllowRemote})
		if err != nil {
			return fmt.Errorf("source %s: milling.act: %w", m.Source, err)
		}
		source := m.Source
		s.drivers[source], err = steer.New(steer.Options{
			Source: source, Controller: controller, MaxLease: m.Act.MaxLease, Log: s.Log.Named(source),
			Record:  func(c steer.Command) { s.record(source, c) },
			Changed: func(a steer.ArmState) { s.changed(source, a) },
		})
		if err != nil {
			return fmt.Errorf("source %s: %w", source, err)
		}
	}
	return nil
}

// Run acts until ctx ends.
func (s *steering) Run(ctx context.Context) {
	var drivers sync.WaitGroup
	for _, d := range s.drivers {
		drivers.Go(func() { d.Run(ctx) })
	}
	drivers.Wait()
}

// offer hands a committed frame's advice to the source's driver.
func (s *steering) offer(m *reporting.FeedbackMessage, decided time.Time) {
	if d := s.drivers[m.Source]; d != nil {
		d.Offer(steer.Advice{
			Source: m.Source, RunID: m.RunID, FrameID: m.FrameID, ID: m.ID, Seq: m.Seq, Advice: m.Advice, Reasons: m.Reasons,
			DecidedAt: decided, ValidFor: time.Duration(m.ValidForMs) * time.Millisecond,
		})
	}
}

// closed disarms a run that has closed.
func (s *steering) closed(run, source string) {
	if d := s.drivers[source]; d != nil {
		d.RunClosed(run)
	}
}

// Arm implements reporting.Steering.
func (s *steering) Arm(_ context.Context, r *aimsv1.ArmRequest) (*aimsv1.ArmState, error) {
	d, err := s.driver(r.GetSource())
	if err != nil {
		return nil, err
	}
	open := s.Open(r.GetSource())
	switch {
	case open == "":
		return nil, fmt.Errorf("source %s has no open run; arm it when its first frame has come", r.GetSource())
	case r.GetRunId() != "" && r.GetRunId() != open:
		return nil, fmt.Errorf("run %q is not the open one of source %s, that is %s", r.GetRunId(), r.GetSource(), open)
	}
	const most = int64(1<<63-1) / int64(time.Millisecond)
	if r.GetLeaseMs() <= 0 || r.GetLeaseMs() > most {
		return nil, fmt.Errorf("lease_ms is %d; say for how long, in milliseconds", r.GetLeaseMs())
	}
	state, err := d.Arm(open, time.Duration(r.GetLeaseMs())*time.Millisecond, r.GetAllowStop(), r.GetBy())
	return armState(state), err
}

// Disarm implements reporting.Steering.
func (s *steering) Disarm(_ context.Context, r *aimsv1.DisarmRequest) (*aimsv1.ArmState, error) {
	d, err := s.driver(r.GetSource())
	if err != nil {
		return nil, err
	}
	return armState(d.Disarm(r.GetBy(), "")), nil
}

// Arming implements reporting.Steering.
func (s *steering) Arming(_ context.Context, r *aimsv1.ArmingRequest) (*aimsv1.ArmState, error) {
	d, err := s.driver(r.GetSource())
	if err != nil {
		return nil, err
	}
	return armState(d.State()), nil
}

func (s *steering) driver(source string) (*steer.Driver, error) {
	if d := s.drivers[source]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("source %q has no controller; set act in its entry of milling, and restart aimsd", source)
}

func armState(a steer.ArmState) *aimsv1.ArmState {
	return &aimsv1.ArmState{Source: a.Source, Armed: a.Armed, RunId: a.RunID, LeaseLeftMs: a.LeaseMs, AllowStop: a.AllowStop, By: a.By, Why: a.Why}
}

// record tells what was done, or was not, for an advice.
func (s *steering) record(source string, c steer.Command) {
	code, severity := codeActed, rules.Info
	switch c.Outcome {
	case steer.Ignored, steer.Already:
		code = codeNotActed
	case steer.Failed:
		severity = rules.Critical
	case steer.Done, steer.Abandoned:
		severity = rules.Warning
	}
	s.event(reporting.EventMessage{
		Code: code, Severity: severity, Text: fmt.Sprintf("advice %s of source %s: %s, %s", c.Advice, source, c.Outcome, c.Why),
		RunID: &c.RunID, FrameID: known(c.FrameID), Data: map[string]any{
			"source": source, "command_id": c.ID, "advice": c.Advice, "verb": string(c.Verb), "outcome": string(c.Outcome), "why": c.Why,
			"state": string(c.State), "requests": c.Requests, "armed_by": c.ArmedBy, "allow_stop": c.AllowStop, "took_ms": c.TookMs, "seq": c.Seq,
		},
	})
	switch c.Outcome {
	case steer.Failed:
		s.alert(source, fmt.Errorf("milling was advised to %s and does not: %s", c.Advice, c.Why))
	case steer.Done, steer.Already:
		s.alert(source, nil)
	}
}

func (s *steering) alert(source string, cause error) {
	err := s.Alerts.condition(context.Background(), ownAlert{Code: codeActuationFailed, Key: source, Severity: rules.Critical, Cause: cause})
	if err != nil {
		s.Log.Error("the alert of an action that failed is not recorded", zap.String("source", source), zap.NamedError("cause", cause), zap.Error(err))
	}
}

// changed tells that a run was armed or disarmed.
func (s *steering) changed(source string, a steer.ArmState) {
	code, text := codeDisarmed, fmt.Sprintf("milling of source %s is no longer acted on: %s", source, a.Why)
	if a.Armed {
		code, text = codeArmed, fmt.Sprintf("%s armed source %s for %s", a.By, source, time.Duration(a.LeaseMs)*time.Millisecond)
	}
	s.event(reporting.EventMessage{
		Code: code, Severity: rules.Warning, Text: text, RunID: known(a.RunID),
		Data: map[string]any{"source": source, "by": a.By, "allow_stop": a.AllowStop, "lease_ms": a.LeaseMs, "why": a.Why},
	})
}

func (s *steering) event(m reporting.EventMessage) {
	msg, err := s.Builder.Event(m)
	if err == nil {
		err = s.Store.Enqueue(context.Background(), msg)
	}
	if err != nil {
		s.Log.Error("what was done to the milling is not recorded", zap.String("text", m.Text), zap.Error(err))
	}
}

func known(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
