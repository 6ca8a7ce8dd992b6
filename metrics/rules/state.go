package rules

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// State is what a set knows about one alert between frames.
type State struct {
	Code      string    `json:"code"`
	Key       string    `json:"key"`
	Active    bool      `json:"active"`
	Streak    int       `json:"streak"` // frames in a row that speak for changing Active
	Seq       uint64    `json:"seq"`
	Severity  string    `json:"severity,omitempty"`
	Metric    string    `json:"metric,omitempty"`  // or the expression
	Boolean   bool      `json:"boolean,omitempty"` // without value and limit
	Value     float64   `json:"value"`             // last reported
	Limit     float64   `json:"limit"`
	Unit      string    `json:"unit,omitempty"`
	RaisedAt  time.Time `json:"raised_at,omitzero"`
	ClearedAt time.Time `json:"cleared_at,omitzero"` // end of the last occurrence

	// What the last frame of the streak brought: a change that a time holds back is made of it.
	PendingValue float64 `json:"pending_value"`
	PendingLimit float64 `json:"pending_limit"`
	PendingFrame string  `json:"pending_frame,omitempty"`
	PendingRun   string  `json:"pending_run,omitempty"`
}

// advance takes one verdict and returns how the alert changes, "" when it does not.
func (st *State) advance(r *compiled, v verdict, in *Input) string {
	speaks, about := v.beyond, v.limit // for changing Active, because of a limit
	if st.Active {
		speaks, about = v.clears, st.Limit
	}
	if speaks {
		st.Streak++
		st.PendingValue, st.PendingLimit, st.PendingFrame, st.PendingRun = v.value, about, in.FrameID, in.RunID
		return st.turn(r, in.Time)
	}
	st.Streak = 0
	if !st.Active || !v.beyond {
		return ""
	}
	worse := math.Abs(v.value-v.limit) > math.Abs(st.Value-v.limit)+r.band(v.limit)
	if worse || v.limit != st.Limit || r.Severity != st.Severity {
		st.report(r, v.value, v.limit)
		return Updated
	}
	return ""
}

// next is what the alert's next change is and what holds it back: a time since another.
func (st *State) next(r *compiled) (since time.Time, atLeast time.Duration, state string) {
	if st.Active {
		return st.RaisedAt, r.MinHold, Cleared
	}
	return st.ClearedAt, r.Cooldown, Raised
}

// turn ends or raises the alert when enough frames speak for it and its time has come.
func (st *State) turn(r *compiled, now time.Time) string {
	since, atLeast, state := st.next(r)
	// A clock that was set back holds nothing back.
	if held := now.Sub(since); st.Streak < r.Hold || (!since.IsZero() && held >= 0 && held < atLeast) {
		return ""
	}
	st.Active, st.Streak = !st.Active, 0
	if st.Active {
		st.RaisedAt = now
	} else {
		st.ClearedAt = now
	}
	st.report(r, st.PendingValue, st.PendingLimit)
	return state
}

func (st *State) report(r *compiled, value, limit float64) {
	st.Seq++
	st.Value, st.Limit, st.Severity, st.Metric, st.Unit, st.Boolean = value, limit, r.Severity, r.Watches(), r.unit, r.boolean()
}

// change tells of the alert; r is nil when its rule is gone.
func (st *State) change(r *compiled, state, frameID, runID string, at time.Time) Change {
	c := Change{
		Code: st.Code, Key: st.Key, State: state, Seq: st.Seq, Severity: st.Severity, Metric: st.Metric, Boolean: st.Boolean,
		Value: st.Value, Limit: st.Limit, Unit: st.Unit,
		FrameID: frameID, RunID: runID, RaisedAt: st.RaisedAt, Time: at,
	}
	if r == nil {
		c.Text = fmt.Sprintf("%s is no longer watched by this rule", short(st.Metric))
		return c
	}
	c.Text, c.Advice = st.text(r.Text, state), r.Advice
	return c
}

// text is one sentence; said is the rule's own, "" for ours.
func (st *State) text(said, state string) string {
	number := func(v float64) string {
		s := strconv.FormatFloat(v, 'g', 6, 64)
		if st.Unit != "" {
			s += " " + st.Unit
		}
		return s
	}
	if said != "" {
		if state == Cleared {
			said = "over: " + said
		}
		return strings.NewReplacer("{value}", number(st.Value), "{limit}", number(st.Limit)).Replace(said)
	}
	if st.Boolean {
		if state == Cleared {
			return "over: " + short(st.Metric)
		}
		return short(st.Metric)
	}
	relation := "above its maximum of"
	switch {
	case state == Cleared:
		relation = "back within its limit of"
	case st.Value < st.Limit:
		relation = "below its minimum of"
	}
	return fmt.Sprintf("%s is %s, %s %s", short(st.Metric), number(st.Value), relation, number(st.Limit))
}

// short leaves room for value and limit beside a long expression.
func short(expr string) string {
	const most = 60
	if r := []rune(expr); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return expr
}

// State returns what must survive a restart, by code and key.
func (s *Set) State() []State {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]State, 0, len(s.states))
	for _, st := range s.states {
		list = append(list, *st)
	}
	slices.SortFunc(list, func(a, b State) int { return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Key, b.Key)) })
	return list
}

// Restore takes over states that an earlier set returned, in place of its own; what is remembered of frames stays.
// Alerts that are active but whose rule is gone, watches another metric or another source now, are cleared; now is
// their time.
func (s *Set) Restore(states []State, now time.Time) []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.states)
	var changes []Change
	for _, st := range states {
		i := slices.IndexFunc(s.rules, func(r compiled) bool { return r.Code == st.Code })
		kept := i >= 0 && (s.rules[i].Source == "" || s.rules[i].Source == st.Key) &&
			(st.Metric == "" || st.Metric == s.rules[i].Watches())
		switch {
		case kept:
			s.states[alertKey{st.Code, st.Key}] = &st
		case st.Active:
			st.Active, st.ClearedAt = false, now
			st.Seq++
			changes = append(changes, st.change(nil, Cleared, "", "", now))
		}
	}
	return changes
}
