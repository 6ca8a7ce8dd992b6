package agent

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/uni-aims/aimsd/metrics/rules"
	"github.com/uni-aims/aimsd/reporting"
)

// rulesTrial is what rules would have made of a run: the object of `aimsd rules test --json`.
type rulesTrial struct {
	RunID  string       `json:"run_id"`
	Frames int          `json:"frames"` // with a result
	Rules  []*ruleTrial `json:"rules"`
}

// ruleTrial is what one rule would have made of it.
type ruleTrial struct {
	Code     string       `json:"code"`
	Builtin  bool         `json:"builtin"`
	Watches  string       `json:"watches"` // metric or expression
	Clear    string       `json:"clear,omitempty"`
	Severity string       `json:"severity"`
	Min      *float64     `json:"min"`
	Max      *float64     `json:"max"`
	Hold     int          `json:"hold"`
	Frames   int          `json:"frames"` // with a verdict
	Without  []noVerdict  `json:"without_verdict"`
	Speaking int          `json:"speaking"`        // frames beyond the limit, or in which the condition is true
	InARow   int          `json:"speaking_in_row"` // most of them
	Nearest  *nearest     `json:"nearest"`         // nil: a condition, or no frame with a verdict
	Changes  []trialEvent `json:"changes"`

	rule rules.Rule
	row  map[string]int // by source: in a row until now
}

// noVerdict counts frames for which a rule had no verdict.
type noVerdict struct {
	Why    string `json:"why"`
	Frames int    `json:"frames"`
}

// nearest is the value that came nearest to a limit, or went farthest beyond one.
type nearest struct {
	trialFrame
	Value float64 `json:"value"`
	Limit float64 `json:"limit"`
	Unit  string  `json:"unit"`
}

// trialFrame names a frame.
type trialFrame struct {
	Frame   uint64 `json:"seq"`
	FrameID string `json:"frame_id"`
	Name    string `json:"name"`
	Source  string `json:"source"`
}

// trialEvent is a change of an alert.
type trialEvent struct {
	trialFrame
	State    string    `json:"state"`
	Severity string    `json:"severity"`
	Value    *float64  `json:"value"` // nil of a condition
	Limit    *float64  `json:"limit"`
	Unit     string    `json:"unit"`
	Text     string    `json:"text"`
	Advice   string    `json:"advice,omitempty"`
	Time     time.Time `json:"time"`
}

// tryRules takes a run's results through rules, as the daemon would have.
func tryRules(ctx context.Context, data, id string, configured []rules.Rule) (t *rulesTrial, err error) {
	set, err := rules.Compile(allRules(configured))
	if err != nil {
		return nil, usageError{err}
	}
	store, run, err := storedRun(ctx, data, id)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if err := resultsLeft(&run); err != nil {
		return nil, err
	}
	t = newRulesTrial(id, configured)
	begun, frames := map[string]bool{}, map[string]trialFrame{}
	for r, err := range store.DoneResults(ctx, id, "") {
		if err != nil {
			return nil, err
		}
		if source := r.Frame.Source; !begun[source] {
			begun[source] = true
			if err := recall(ctx, store, set, source, r.Frame.DoneAt); err != nil {
				return nil, err
			}
		}
		in := frameInput(&r.Frame, &r.Result)
		t.tick(set, in.Time, frames)
		frame := trialFrame{r.Frame.Seq, r.Frame.ID, r.Frame.Name, in.Source}
		frames[frame.FrameID] = frame
		t.Frames++
		for _, c := range set.Trace(in, func(v rules.Verdict) { t.of(v.Code).count(v, frame) }) {
			t.changed(&c, frame, &r.Result)
		}
	}
	t.tick(set, run.ClosedAt, frames)
	return t, nil
}

func newRulesTrial(id string, configured []rules.Rule) *rulesTrial {
	t := &rulesTrial{RunID: id}
	for i, r := range allRules(configured) {
		if r.Off {
			continue
		}
		t.Rules = append(t.Rules, &ruleTrial{
			Code: r.Code, Builtin: i >= len(configured), Watches: r.Watches(), Clear: r.Clear, Severity: severityOf(r),
			Min: r.Min, Max: r.Max, Hold: max(r.Hold, 1), Without: []noVerdict{}, Changes: []trialEvent{}, rule: r, row: map[string]int{},
		})
	}
	return t
}

func (t *rulesTrial) of(code string) *ruleTrial {
	return t.Rules[slices.IndexFunc(t.Rules, func(r *ruleTrial) bool { return r.Code == code })]
}

// tick makes the changes that the rules' times held back, each at its time, up to but without now.
func (t *rulesTrial) tick(set *rules.Set, now time.Time, frames map[string]trialFrame) {
	for {
		due, ok := set.Due()
		if !ok || !due.Before(now) {
			return
		}
		for _, c := range set.Tick(due) {
			t.changed(&c, frames[c.FrameID], nil)
		}
	}
}

// changed notes a change of an alert.
func (t *rulesTrial) changed(c *rules.Change, frame trialFrame, res *reporting.Result) {
	e := trialEvent{trialFrame: frame, State: c.State, Severity: c.Severity, Unit: c.Unit, Text: changeText(c, res), Advice: c.Advice, Time: c.Time}
	if !c.Boolean {
		e.Value, e.Limit = &c.Value, &c.Limit
	}
	r := t.of(c.Code)
	r.Changes = append(r.Changes, e)
}

// count notes a verdict.
func (r *ruleTrial) count(v rules.Verdict, frame trialFrame) {
	if v.Missing != "" {
		i := slices.IndexFunc(r.Without, func(n noVerdict) bool { return n.Why == v.Missing })
		if i < 0 {
			i, r.Without = len(r.Without), append(r.Without, noVerdict{Why: v.Missing})
		}
		r.Without[i].Frames++
		return
	}
	r.Frames++
	if v.Speaks {
		r.Speaking++
		r.row[frame.Source]++
		r.InARow = max(r.InARow, r.row[frame.Source])
	} else {
		r.row[frame.Source] = 0
	}
	if v.Boolean {
		return
	}
	limit, gap := math.NaN(), math.Inf(1) // to the limit; below 0 beyond it
	for _, l := range []*float64{r.Min, r.Max} {
		if l == nil {
			continue
		}
		if g := inside(v.Value, l, r.Max); g < gap {
			limit, gap = *l, g
		}
	}
	if r.Nearest == nil || gap < inside(r.Nearest.Value, &r.Nearest.Limit, r.Max) {
		r.Nearest = &nearest{frame, v.Value, limit, v.Unit}
	}
}

// inside is how far a value is inside a limit.
func inside(v float64, limit, maximum *float64) float64 {
	if maximum != nil && *limit == *maximum {
		return *limit - v
	}
	return v - *limit
}

func severityOf(r rules.Rule) string {
	if r.Severity == "" {
		return rules.Warning
	}
	return r.Severity
}
