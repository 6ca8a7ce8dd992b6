package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/metrics/milling"
	"github.com/uni-aims/aimsd/metrics/rules"
	"github.com/uni-aims/aimsd/reporting"
)

// alerts turns the rules' changes, faults of the daemon and operators' commands into states to commit and
// messages to send. One change is made at a time, from its making to its commit, so that an acknowledgement
// and a frame never tell two stories of one alert.
//
//	frame ─▶ rules ─┐
//	tick ───────────┼─▶ batch{states, messages} ─▶ commit ─▶ known
//	fault, command ─┘
type alerts struct {
	Rules     *rules.Set
	Store     *reporting.Store
	Builder   reporting.Builder
	ModelHash string
	Evidence  *evidence // nil: none is made
	Log       *zap.Logger
	Now       func() time.Time // nil: time.Now

	turn  chan struct{}                   // holds one token: whoever has it changes alerts
	known map[string]reporting.AlertState // by code/key: the last occurrence of each; whoever has the turn

	tickError string // said last; whoever has the turn
}

// alertBatch is what one frame, tick or command changes. It holds the turn until it is committed or given up.
type alertBatch struct {
	a        *alerts
	States   []reporting.AlertState
	Messages []reporting.Message
	before   *rules.Mark // to return to when the commit fails
	done     bool
}

// open takes up what the store knows of alerts, and clears those whose rule is gone.
func (a *alerts) open(ctx context.Context, configured []rules.Rule) error {
	if a.Now == nil {
		a.Now = time.Now
	}
	a.turn = make(chan struct{}, 1)
	a.known = map[string]reporting.AlertState{}
	stored, err := a.Store.Alerts(ctx)
	if err != nil {
		return err
	}
	for _, s := range stored {
		a.known[s.Code+"/"+s.Key] = s
	}
	a.turn <- struct{}{}
	return a.reconfigure(ctx, a.Rules, configured)
}

// setModel changes the model that messages name.
func (a *alerts) setModel(hash string) {
	<-a.turn
	a.ModelHash = hash
	a.turn <- struct{}{}
}

// reconfigure replaces the rules. Alerts that are still watched go on; the others are cleared. What the new rules
// look back at is taken from the old ones and from the store.
func (a *alerts) reconfigure(ctx context.Context, set *rules.Set, configured []rules.Rule) error {
	b, err := a.begin(ctx)
	if err != nil {
		return err
	}
	defer b.revert()
	old := a.Rules
	set.Adopt(old)
	if err := recallAll(ctx, a.Store, set); err != nil { // the rules look back at what comes from now on
		a.Log.Warn("the past of the rules was not read", zap.Error(err))
	}
	a.Rules = set
	changes := set.Restore(a.ruleStates(configured), a.Now())
	b.build(changes, reporting.FrameRecord{}, nil)
	if err := a.Store.PutAlerts(ctx, b.States, b.Messages); err != nil {
		a.Rules, b.before = old, nil
		return err
	}
	b.commit()
	return nil
}

// ruleStates are the states of rules' alerts that known amounts to.
func (a *alerts) ruleStates(configured []rules.Rule) (states []rules.State) {
	watched := map[string]string{}
	for _, r := range configured {
		watched[r.Code] = r.Watches()
	}
	for _, key := range slices.Sorted(maps.Keys(a.known)) {
		s := a.known[key]
		var last reporting.AlertMessage
		if err := json.Unmarshal(s.Payload, &last); err != nil {
			a.Log.Warn("stored alert is unreadable", zap.String("alert", key), zap.Error(err))
		}
		if last.FrameID == "" { // the daemon's own: see ownAlert
			continue
		}
		state := rules.State{
			Code: s.Code, Key: s.Key, Active: s.State != reporting.AlertCleared, Seq: s.Seq, Severity: s.Severity, Metric: watched[s.Code],
			Unit: last.Unit, RaisedAt: s.RaisedAt, ClearedAt: s.ClearedAt, Boolean: last.Value == nil,
		}
		if last.Value != nil && last.Limit != nil {
			state.Value, state.Limit = *last.Value, *last.Limit
		}
		states = append(states, state)
	}
	return states
}

// begin waits for the turn.
func (a *alerts) begin(ctx context.Context) (*alertBatch, error) {
	select {
	case <-a.turn:
		return &alertBatch{a: a, before: new(a.Rules.Mark())}, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// evaluate compares a frame with the rules and has what that changes committed. It returns the occurrences that
// the frame raised; when commit fails, nothing has changed.
func (a *alerts) evaluate(ctx context.Context, rec reporting.FrameRecord, res *reporting.Result,
	commit func([]reporting.AlertState, []reporting.Message) error,
) ([]reporting.AlertState, error) {
	b, err := a.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer b.revert()
	b.build(a.Rules.Evaluate(frameInput(&rec, res)), rec, res)
	if err := commit(b.States, b.Messages); err != nil {
		return nil, err
	}
	b.commit()
	return b.raised(), nil
}

// advices are what the active rules of a source advise. It is called by whoever has the turn.
func (a *alerts) advices(source string) []milling.RuleAdvice {
	var list []milling.RuleAdvice
	for _, r := range a.Rules.Advices(source) {
		list = append(list, milling.RuleAdvice{Code: r.Code, Advice: r.Advice})
	}
	return list
}

// build makes states and messages of changes. res is nil where no frame brought them.
func (b *alertBatch) build(changes []rules.Change, rec reporting.FrameRecord, res *reporting.Result) {
	for _, c := range changes {
		m := reporting.AlertMessage{
			Code: c.Code, Key: c.Key, Severity: c.Severity, State: c.State, Text: changeText(&c, res), RaisedAt: c.RaisedAt,
			Unit: c.Unit, FrameID: cmp.Or(rec.ID, c.FrameID), RunID: cmp.Or(rec.RunID, c.RunID),
		}
		if !c.Boolean {
			m.Value, m.Limit = &c.Value, &c.Limit
		}
		m.Time = c.Time
		b.add(m)
	}
}

// add makes one change of an alert: State, Code, Key and what it tells of are given; what stays the same within an
// occurrence, and from one to the next, is taken from what is known.
func (b *alertBatch) add(m reporting.AlertMessage) {
	a := b.a
	key := m.Code + "/" + m.Key
	if m.Time.IsZero() {
		m.Time = a.Now()
	}
	if a.ModelHash != "" {
		m.ModelHash = &a.ModelHash
	}
	before, known := a.known[key]
	active := known && before.State != reporting.AlertCleared
	if active {
		m.AlertID, m.Seq, m.RaisedAt = before.ID, before.Seq+1, before.RaisedAt
		if !before.AckedAt.IsZero() {
			m.AckedBy, m.AckedAt = &before.AckedBy, &before.AckedAt
		}
		var last reporting.AlertMessage
		if json.Unmarshal(before.Payload, &last) == nil {
			m.EvidenceURI, m.Comment = last.EvidenceURI, last.Comment
		}
	} else {
		m.AlertID, m.Seq = reporting.NewID(m.Time), 1
		if a.Evidence != nil && m.FrameID != "" {
			uri := a.Evidence.uri(m.AlertID)
			m.EvidenceURI = &uri
		}
	}
	quiet := false
	if shelved := known && before.Shelved(a.Now()); shelved {
		m.ShelvedBy, m.ShelvedUntil = &before.ShelvedBy, &before.ShelvedUntil
		if m.State != rules.Cleared {
			quiet = active // that it is there is told once, what becomes of it is not
			m.State = reporting.AlertShelved
		}
	}
	if quiet {
		m.Seq = before.Seq
	}
	state, messages, err := a.Builder.Alert(m)
	if err != nil {
		a.Log.Error("alert message not built", zap.String("alert", key), zap.Error(err))
		return
	}
	if quiet {
		state.At, messages = time.Time{}, nil
	}
	a.Log.Warn("alert", zap.String("alert", key), zap.String("state", state.State), zap.String("severity", m.Severity), zap.String("text", m.Text))
	b.States, b.Messages = append(b.States, state), append(b.Messages, messages...)
}

// commit remembers what is now in the store, and gives the turn on.
func (b *alertBatch) commit() {
	for _, s := range b.States {
		b.a.known[s.Code+"/"+s.Key] = s
	}
	b.end()
}

// revert undoes what was not committed; after commit it does nothing.
func (b *alertBatch) revert() {
	if b.done {
		return
	}
	if b.before != nil {
		b.a.Rules.Rollback(*b.before, b.a.Now())
	}
	b.end()
}

func (b *alertBatch) end() {
	b.done = true
	b.a.turn <- struct{}{}
}

// raised returns the occurrences that began with this batch.
func (b *alertBatch) raised() (ids []reporting.AlertState) {
	for _, s := range b.States {
		if s.Seq == 1 && s.State != reporting.AlertCleared {
			ids = append(ids, s)
		}
	}
	return ids
}
