package agent

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/metrics/rules"
	"github.com/uni-aims/aimsd/reporting"
)

// ownAlert is an alert of the daemon about itself, such as a full disk: no rule watches for it.
type ownAlert struct {
	Code     string // A-Z, 0-9 and _
	Key      string // the part that it is about
	Severity string // rules.Info, Warning or Critical
	Cause    error  // nil: it is over
	Value    *float64
	Limit    *float64
	Unit     string
}

// conditionEvery is how often at most an alert of the daemon tells another cause: a text may hold a number that
// changes all the time.
const conditionEvery = time.Minute

// condition raises an alert of the daemon, tells that its cause or severity is another, or ends it; while nothing
// changes it does nothing, so that it can be called as often as one likes. An error means that the store does
// not take it now: call again.
func (a *alerts) condition(ctx context.Context, o ownAlert) error {
	return a.change(ctx, func(b *alertBatch) {
		before, ok := a.known[o.Code+"/"+o.Key]
		active := ok && before.State != reporting.AlertCleared
		m := reporting.AlertMessage{
			Code: o.Code, Key: o.Key, State: rules.Raised, Severity: o.Severity, Value: o.Value, Limit: o.Limit, Unit: o.Unit,
		}
		if active {
			last, err := a.Builder.Resume(before)
			if err != nil {
				a.Log.Warn("stored alert is unreadable", zap.String("alert", o.Code+"/"+o.Key), zap.Error(err))
			}
			m.State, m.Text = rules.Updated, last.Text
			fresh := a.Now().Sub(before.At) < conditionEvery
			if o.Cause != nil && last.Severity == o.Severity && (fresh || last.Text == reporting.AlertText(o.Cause.Error())) {
				return
			}
		}
		switch {
		case o.Cause != nil:
			m.Text = o.Cause.Error()
		case active:
			m.State, m.Severity = rules.Cleared, before.Severity
		default:
			return
		}
		b.add(m)
	})
}

// isActive reports whether an alert, by code/key, is not cleared.
func (a *alerts) isActive(key string) bool {
	<-a.turn
	defer func() { a.turn <- struct{}{} }()
	s, ok := a.known[key]
	return ok && s.State != reporting.AlertCleared
}

// change commits what make adds to a batch.
func (a *alerts) change(ctx context.Context, build func(*alertBatch)) error {
	b, err := a.begin(ctx)
	if err != nil {
		return err
	}
	defer b.revert()
	build(b)
	if err := a.Store.PutAlerts(ctx, b.States, b.Messages); err != nil {
		return err
	}
	b.commit()
	return nil
}

// command does what an operator asks for; reporting.ErrNotFound when there is no such alert.
func (a *alerts) command(ctx context.Context, c reporting.Command) error {
	b, err := a.begin(ctx)
	if err != nil {
		return err
	}
	defer b.revert()
	state, err := a.Store.Command(ctx, a.Builder, c)
	if err != nil {
		return err
	}
	b.States = append(b.States, state)
	b.commit()
	a.Log.Info("alert command", zap.String("alert", c.Code+"/"+c.Key), zap.String("verb", c.Verb), zap.String("by", c.By))
	return nil
}

// tick makes the changes whose time has come: what a rule's times held back, and the end of a shelving. It does
// not wait for a frame that is being committed.
func (a *alerts) tick(ctx context.Context) {
	select {
	case <-a.turn:
	default:
		return
	}
	b := &alertBatch{a: a, before: new(a.Rules.Mark())}
	defer b.revert()
	now := a.Now()
	for key, s := range a.known {
		if s.ShelvedUntil.IsZero() || s.Shelved(now) {
			continue
		}
		if s.State == reporting.AlertCleared {
			s.ShelvedBy, s.ShelvedUntil, s.At = "", time.Time{}, time.Time{}
			b.States = append(b.States, s)
			continue
		}
		m, err := a.Builder.Resume(s)
		if err != nil {
			a.Log.Warn("stored alert is unreadable", zap.String("alert", key), zap.Error(err))
			continue
		}
		m.State, m.ShelvedBy, m.ShelvedUntil = rules.Updated, nil, nil
		b.add(m)
	}
	b.build(a.Rules.Tick(now), reporting.FrameRecord{}, nil)
	if len(b.States) == 0 {
		return
	}
	if err := a.Store.PutAlerts(ctx, b.States, b.Messages); err != nil {
		if text := err.Error(); text != a.tickError && !errors.Is(err, context.Canceled) { // not the same line every second
			a.tickError = text
			a.Log.Error("alerts not recorded; trying again", zap.Error(err))
		}
		return
	}
	a.tickError = ""
	b.commit()
	a.Evidence.raised(b.raised())
}
