package agent

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/metrics/rules"
	"github.com/uni-aims/aimsd/reporting"
)

// alerts turns the rules' changes into states to commit and messages to send. Changes come from one
// goroutine, acknowledgements from another.
type alerts struct {
	Rules     *rules.Set
	Builder   reporting.Builder
	ModelHash string
	Log       *zap.Logger

	mu     sync.Mutex
	active map[string]reporting.AlertState // by code/key
}

// alertChange is one change on its way into a commit.
type alertChange struct {
	key      string
	state    reporting.AlertState
	messages []reporting.Message
}

// restore takes up the alerts that were active when the daemon last stopped. It returns what changed
// because the configuration did.
func (a *alerts) restore(stored []reporting.AlertState, configured []rules.Rule, now time.Time) []alertChange {
	a.active = map[string]reporting.AlertState{}
	metric := map[string]string{}
	for _, r := range configured {
		metric[r.Code] = r.Metric
	}
	var states []rules.State
	for _, s := range stored {
		a.active[s.Code+"/"+s.Key] = s
		var last reporting.AlertMessage
		if err := json.Unmarshal(s.Payload, &last); err != nil {
			a.Log.Warn("stored alert is unreadable", zap.String("code", s.Code), zap.Error(err))
		}
		state := rules.State{
			Code: s.Code, Key: s.Key, Active: true, Seq: s.Seq, Severity: s.Severity, Metric: metric[s.Code],
			Unit: last.Unit, RaisedAt: s.RaisedAt,
		}
		if last.Value != nil && last.Limit != nil {
			state.Value, state.Limit = *last.Value, *last.Limit
		}
		states = append(states, state)
	}
	changes := a.build(a.Rules.Restore(states, now), reporting.FrameRecord{}, nil)
	return changes
}

// evaluate compares a frame with the rules.
func (a *alerts) evaluate(rec reporting.FrameRecord, res *reporting.Result) []alertChange {
	fraction := 0.0
	if res.AreaFraction != nil {
		fraction = *res.AreaFraction
	}
	return a.build(a.Rules.Evaluate(rules.Input{
		Source: rec.Source, FrameID: rec.ID, Time: rec.DoneAt,
		Summary: metrics.Summary{
			Objects: res.Objects, Statistics: res.Statistics, EdgePolicy: res.EdgePolicy, AreaFraction: fraction,
			DensityPerUm2: res.DensityPerUm2, Confidence: res.Confidence, ScaleMismatch: scaleMismatch(&res.Scale),
		},
	}), rec, res)
}

// scaleMismatch is how far the sources of a scale are apart, nil where there is only one.
func scaleMismatch(s *reporting.Scale) *float64 {
	if s.Ratio == nil {
		return nil
	}
	off := math.Abs(*s.Ratio - 1)
	return &off
}

// mismatchText says of a frame's scale, in an alert's few words, what disagrees and why; "" where nothing does.
func mismatchText(s *reporting.Scale) string {
	for _, c := range s.Checks {
		if c.Name == checkMatch && c.Status == checkFail {
			_, cause, _ := strings.Cut(c.Detail, "; ")
			return strings.TrimSuffix(fmt.Sprintf("pixel sizes differ by a factor of %.4g: %s", *s.Ratio, cause), ": ")
		}
	}
	return ""
}

// build makes states and messages of changes. res is nil where no frame brought them.
func (a *alerts) build(changes []rules.Change, rec reporting.FrameRecord, res *reporting.Result) []alertChange {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []alertChange
	for _, c := range changes {
		m := reporting.AlertMessage{
			Code: c.Code, Key: c.Key, Severity: c.Severity, State: c.State, Text: c.Text, RaisedAt: c.RaisedAt,
			Value: &c.Value, Limit: &c.Limit, Unit: c.Unit, FrameID: rec.ID, RunID: rec.RunID, ModelHash: &a.ModelHash,
		}
		if c.Code == codeScaleMismatch && c.State != rules.Cleared && res != nil {
			m.Text = cmp.Or(mismatchText(&res.Scale), m.Text)
		}
		key := c.Code + "/" + c.Key
		if before, ok := a.active[key]; ok && c.State != rules.Raised {
			m.AlertID, m.Seq, m.RaisedAt = before.ID, before.Seq+1, before.RaisedAt
			if before.AckedBy != "" {
				m.AckedBy, m.AckedAt = &before.AckedBy, &before.AckedAt
			}
		}
		state, messages, err := a.Builder.Alert(m)
		if err != nil {
			a.Log.Error("alert message not built", zap.String("alert", key), zap.Error(err))
			continue
		}
		a.Log.Warn("alert", zap.String("alert", key), zap.String("state", c.State), zap.String("severity", c.Severity), zap.String("text", c.Text))
		out = append(out, alertChange{key, state, messages})
	}
	return out
}

// committed remembers what is now in the store.
func (a *alerts) committed(changes []alertChange) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range changes {
		if c.state.State == rules.Cleared {
			delete(a.active, c.key)
		} else {
			a.active[c.key] = c.state
		}
	}
}

// acked remembers an acknowledgement that the store has recorded.
func (a *alerts) acked(s reporting.AlertState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.active[s.Code+"/"+s.Key] = s
}
