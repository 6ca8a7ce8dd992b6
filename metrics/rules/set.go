package rules

import (
	"cmp"
	"slices"
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
	RunID   string // the frames of a source with the same one are a run
	FrameID string
	Time    time.Time // when it was done
	Taken   time.Time // when it came; zero is Time
	Summary metrics.Summary
	NmPerPx *float64 // nil without scale

	ImageQuality []string
	Values       map[string]float64 // by names of the table of values, such as milling.front_nm
}

// Change is an alert that was raised, updated or cleared.
type Change struct {
	Code     string
	Key      string // the source
	State    string // Raised, Updated or Cleared
	Seq      uint64 // counts this alert's changes, from 1, over all its occurrences
	Severity string
	Metric   string // or the expression
	Boolean  bool   // the expression is true or false: there is no value and no limit
	Value    float64
	Limit    float64 // the one that was crossed
	Unit     string  // of Value and Limit; "" for plain numbers
	Text     string  // one English sentence with value and limit
	Advice   string  // of the rule; see Rule.Advice
	FrameID  string  // of the frame that brought the change; "" when the rule is gone
	RunID    string  // the frame's
	RaisedAt time.Time
	Time     time.Time // of this change
}

// Verdict is what a rule said of a frame.
type Verdict struct {
	Code    string
	Boolean bool
	Value   float64 // 0 of a boolean rule
	Unit    string
	Speaks  bool   // for the alert: the value is beyond its limit, or the expression is true
	Missing string // why there is no verdict; "" where there is one
}

// Set evaluates compiled rules and remembers their alerts and what they look back at. It is safe for concurrent
// use; frames of one source must come in order.
type Set struct {
	rules []compiled
	table *table

	mu        sync.Mutex
	states    map[alertKey]*State
	histories map[string]*history // by source
	scope     *scope
	evaluated uint64 // frames
	newest    string // source of the last one
}

type alertKey struct{ code, key string }

// Evaluate compares one frame with every rule of its source and returns what changed, in the rules' order. The frame
// is part of the past from then on, until Rollback.
func (s *Set) Evaluate(in Input) []Change { return s.Trace(in, nil) }

// Trace is Evaluate that also tells every rule's verdict, in the rules' order.
func (s *Set) Trace(in Input, tell func(Verdict)) []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scope.look(&in)
	s.evaluated++
	s.newest = in.Source
	if s.table.kept > 0 {
		s.scope.history = s.of(in.Source)
		s.scope.remember(&in)
	}
	var changes []Change
	for i := range s.rules {
		r := &s.rules[i]
		if r.Source != "" && r.Source != in.Source {
			continue
		}
		key := alertKey{r.Code, in.Source}
		st := s.states[key]
		v := s.verdict(r, st != nil && st.Active)
		if tell != nil {
			tell(Verdict{Code: r.Code, Boolean: r.boolean(), Value: v.value, Unit: r.unit, Speaks: v.beyond, Missing: v.missing})
		}
		if v.missing != "" {
			continue
		}
		if st == nil {
			st = &State{Code: r.Code, Key: in.Source}
			s.states[key] = st
		}
		if state := st.advance(r, v, &in); state != "" {
			changes = append(changes, st.change(r, state, in.FrameID, in.RunID, in.Time))
		}
		if st.Seq == 0 && st.Streak == 0 {
			delete(s.states, key) // sources come and go; only alerts are remembered
		}
	}
	return changes
}

// verdict is what a rule says of the frame in scope.
type verdict struct {
	value, limit   float64
	beyond, clears bool
	missing        string
}

func (s *Set) verdict(r *compiled, active bool) (v verdict) {
	if r.boolean() {
		if active && r.clear != nil {
			_, v.clears, v.missing = s.scope.run(r.clear)
			v.beyond = !v.clears
			return v
		}
		_, v.beyond, v.missing = s.scope.run(r.value)
		v.clears = !v.beyond
		return v
	}
	if r.value != nil {
		v.value, _, v.missing = s.scope.run(r.value)
	} else {
		s.scope.missing = ""
		v.value = s.scope.read(r.name)
		v.missing = s.scope.missing
	}
	v.limit, v.beyond = r.violated(v.value)
	v.clears = r.clears(v.value)
	return v
}

// Tick makes the changes that a minimum hold or a cooldown held back and whose time has come, without waiting
// for a frame.
func (s *Set) Tick(now time.Time) []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	var changes []Change
	s.held(func(r *compiled, st *State) {
		if state := st.turn(r, now); state != "" {
			changes = append(changes, st.change(r, state, st.PendingFrame, st.PendingRun, now))
		}
	})
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Key, b.Key)) })
	return changes
}

// Due is when Tick will make the next change, if no frame comes before; ok is false when none is held back.
func (s *Set) Due() (at time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held(func(r *compiled, st *State) {
		since, atLeast, _ := st.next(r)
		if due := since.Add(atLeast); !ok || due.Before(at) {
			at, ok = due, true
		}
	})
	return at, ok
}

// held calls do for the alerts that enough frames speak for changing.
func (s *Set) held(do func(r *compiled, st *State)) {
	for i := range s.rules {
		for key, st := range s.states {
			if key.code == s.rules[i].Code && st.Streak >= s.rules[i].Hold {
				do(&s.rules[i], st)
			}
		}
	}
}
