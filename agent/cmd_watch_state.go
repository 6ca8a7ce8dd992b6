package agent

import (
	"maps"
	"slices"
	"time"

	"github.com/uni-aims/aimsd/metrics/milling"
	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// shownChanges is how many changes of advice are remembered of a source.
const shownChanges = 8

// watchState is what a watcher knows.
type watchState struct {
	address string
	up      bool
	down    error     // why there is no connection
	since   time.Time // that is so
	sources map[string]*watched
}

// watched is a source where something is milled.
type watched struct {
	last    *aimsv1.Feedback // nil: nothing came yet
	at      time.Time        // of its arrival, with the monotonic reading
	changes []adviceChange   // the newest last
	plan    *milling.Plan    // of the configuration; nil: not known
	armed   *aimsv1.ArmState // nil: nothing can act on its advice, or it is not known
	armedAt time.Time        // when that was told
}

// adviceChange is a feedback whose advice is another one than that before.
type adviceChange struct {
	at       time.Time
	feedback *aimsv1.Feedback
}

// newWatchState begins with the sources of a configuration, which may be nil.
func newWatchState(address, only string, c *Config) *watchState {
	s := &watchState{address: address, sources: map[string]*watched{}}
	if c != nil {
		for name, plan := range c.plans() {
			if only == "" || only == name {
				s.sources[name] = &watched{plan: &plan}
			}
		}
	}
	return s
}

// take notes what was seen.
func (s *watchState) take(seen sighting) {
	f := seen.Feedback
	if a := seen.Armed; a != nil {
		if w := s.sources[a.GetSource()]; w != nil {
			w.armed, w.armedAt = a, seen.At
		}
		return
	}
	if f == nil {
		if s.up || s.since.IsZero() || seen.Down == nil {
			s.since = seen.At
		}
		s.up, s.down = seen.Down == nil, seen.Down
		for _, w := range s.sources {
			w.armed = nil // it is asked anew
		}
		return
	}
	w := s.sources[f.GetSource()]
	if w == nil {
		w = &watched{}
		s.sources[f.GetSource()] = w
	}
	if w.last.GetRunId() != f.GetRunId() {
		w.changes = nil
	}
	if len(w.changes) == 0 || w.last.GetAdvice() != f.GetAdvice() {
		w.changes = append(w.changes, adviceChange{seen.At, f})
		w.changes = w.changes[max(0, len(w.changes)-shownChanges):]
	}
	w.last, w.at = f, seen.At
	if decided := time.Unix(0, f.GetDecisionTimeUnixNs()); seen.Kept && decided.Before(seen.At) {
		w.at = decided // by the daemon's clock: there is no other
	}
}

// names of the sources, sorted.
func (s *watchState) names() []string { return slices.Sorted(maps.Keys(s.sources)) }

// validFor is how long the last advice holds from its arrival.
func (w *watched) validFor() time.Duration {
	return time.Duration(w.last.GetValidForMs()) * time.Millisecond
}

// expired reports whether the last advice has run out. Its age counts from its arrival here, because clocks differ.
func (w *watched) expired(now time.Time) bool { return w.last != nil && now.Sub(w.at) > w.validFor() }
