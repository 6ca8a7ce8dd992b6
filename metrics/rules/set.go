package rules

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/uni-aims/aimsd/metrics"
)

// States of a change.
const (
	Raised  = "raised"
	Updated = "updated" // got worse by the hysteresis, crossed to the other limit, or has a new severity
	Cleared = "cleared"
)

// Input is what one frame amounts to.
type Input struct {
	Source  string // also the alert's key
	FrameID string
	Time    time.Time
	Summary metrics.Summary
}

// Change is an alert that was raised, updated or cleared.
type Change struct {
	Code     string
	Key      string // the source
	State    string // Raised, Updated or Cleared
	Seq      uint64 // counts this alert's changes, from 1, over all its occurrences
	Severity string
	Metric   string
	Value    float64
	Limit    float64 // the one that was crossed
	Unit     string  // of Value and Limit; "" for plain numbers
	Text     string  // one English sentence with value and limit
	FrameID  string  // of the frame that brought the change; "" when the rule is gone
	RaisedAt time.Time
	Time     time.Time // of this change
}

// State is what a set knows about one alert between frames.
type State struct {
	Code      string    `json:"code"`
	Key       string    `json:"key"`
	Active    bool      `json:"active"`
	Streak    int       `json:"streak"` // frames in a row that speak for changing Active
	Seq       uint64    `json:"seq"`
	Severity  string    `json:"severity,omitempty"`
	Metric    string    `json:"metric,omitempty"`
	Value     float64   `json:"value"` // last reported
	Limit     float64   `json:"limit"`
	Unit      string    `json:"unit,omitempty"`
	RaisedAt  time.Time `json:"raised_at,omitzero"`
	ClearedAt time.Time `json:"cleared_at,omitzero"` // end of the last occurrence

	// What the last frame of the streak brought: a change that a time holds back is made of it.
	PendingValue float64 `json:"pending_value"`
	PendingLimit float64 `json:"pending_limit"`
	PendingFrame string  `json:"pending_frame,omitempty"`
}

// Set evaluates compiled rules and remembers their alerts. It is safe for concurrent use; frames of one
// source must come in order.
type Set struct {
	rules []compiled

	mu     sync.Mutex
	states map[alertKey]*State
}

type alertKey struct{ code, key string }

// Evaluate compares one frame with every rule of its source and returns what changed, in the rules' order.
func (s *Set) Evaluate(in Input) []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	var changes []Change
	for i := range s.rules {
		r := &s.rules[i]
		if r.Source != "" && r.Source != in.Source {
			continue
		}
		value, ok := r.read(&in.Summary)
		if !ok {
			continue
		}
		key := alertKey{r.Code, in.Source}
		st := s.states[key]
		if st == nil {
			st = &State{Code: r.Code, Key: in.Source}
			s.states[key] = st
		}
		if state := st.advance(r, value, in.FrameID, in.Time); state != "" {
			changes = append(changes, st.change(state, in.FrameID, in.Time))
		}
		if st.Seq == 0 && st.Streak == 0 {
			delete(s.states, key) // sources come and go; only alerts are remembered
		}
	}
	return changes
}

// Tick makes the changes that a minimum hold or a cooldown held back and whose time has come, without waiting
// for a frame.
func (s *Set) Tick(now time.Time) []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	var changes []Change
	for i := range s.rules {
		r := &s.rules[i]
		for key, st := range s.states {
			if key.code != r.Code || st.Streak < r.Hold {
				continue
			}
			if state := st.turn(r, now); state != "" {
				changes = append(changes, st.change(state, st.PendingFrame, now))
			}
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Key, b.Key)) })
	return changes
}

// advance takes one value and returns how the alert changes, "" when it does not.
func (st *State) advance(r *compiled, value float64, frameID string, now time.Time) string {
	limit, beyond := r.violated(value)
	speaks, about := beyond, limit // for changing Active, because of a limit
	if st.Active {
		speaks, about = r.clears(value), st.Limit
	}
	if speaks {
		st.Streak++
		st.PendingValue, st.PendingLimit, st.PendingFrame = value, about, frameID
		return st.turn(r, now)
	}
	st.Streak = 0
	if !st.Active || !beyond {
		return ""
	}
	worse := math.Abs(value-limit) > math.Abs(st.Value-limit)+r.band(limit)
	if worse || limit != st.Limit || r.Severity != st.Severity {
		st.report(r, value, limit)
		return Updated
	}
	return ""
}

// turn ends or raises the alert when enough frames speak for it and its time has come.
func (st *State) turn(r *compiled, now time.Time) string {
	since, atLeast, state := st.ClearedAt, r.Cooldown, Raised
	if st.Active {
		since, atLeast, state = st.RaisedAt, r.MinHold, Cleared
	}
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
	st.Value, st.Limit, st.Severity, st.Metric, st.Unit = value, limit, r.Severity, r.Metric, r.unit
}

func (st *State) change(state, frameID string, at time.Time) Change {
	return Change{
		Code: st.Code, Key: st.Key, State: state, Seq: st.Seq, Severity: st.Severity, Metric: st.Metric,
		Value: st.Value, Limit: st.Limit, Unit: st.Unit, Text: st.text(state),
		FrameID: frameID, RaisedAt: st.RaisedAt, Time: at,
	}
}

func (st *State) text(state string) string {
	number := func(v float64) string {
		s := strconv.FormatFloat(v, 'g', 6, 64)
		if st.Unit != "" {
			s += " " + st.Unit
		}
		return s
	}
	relation := "above its maximum of"
	switch {
	case state == Cleared:
		relation = "back within its limit of"
	case st.Value < st.Limit:
		relation = "below its minimum of"
	}
	return fmt.Sprintf("%s is %s, %s %s", st.Metric, number(st.Value), relation, number(st.Limit))
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

// Restore takes over states that an earlier set returned, in place of its own. Alerts that are active but
// whose rule is gone, watches another metric or another source now, are cleared; now is their time.
func (s *Set) Restore(states []State, now time.Time) []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.states)
	var changes []Change
	for _, st := range states {
		i := slices.IndexFunc(s.rules, func(r compiled) bool { return r.Code == st.Code })
		kept := i >= 0 && (s.rules[i].Source == "" || s.rules[i].Source == st.Key) &&
			(st.Metric == "" || st.Metric == s.rules[i].Metric)
		switch {
		case kept:
			s.states[alertKey{st.Code, st.Key}] = &st
		case st.Active:
			st.Active, st.ClearedAt = false, now
			st.Seq++
			c := st.change(Cleared, "", now)
			c.Text = fmt.Sprintf("%s is no longer watched by this rule", st.Metric)
			changes = append(changes, c)
		}
	}
	return changes
}
