package rules

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
)

// compiled is a checked rule with its defaults filled in.
type compiled struct {
	Rule
	name  int // of the table; -1 where an expression says the value
	value *expression
	clear *expression // nil: it is over when value is false
	unit  string
}

// Compile checks the rules and returns the set that evaluates them, without any active alert and without a past. An
// error names the rule, the cause and the remedy in one line.
func Compile(list []Rule) (*Set, error) {
	s := &Set{states: map[alertKey]*State{}, histories: map[string]*history{}, table: &table{}}
	code := regexp.MustCompile(`^[A-Z0-9_]{1,64}$`)
	codes := map[string]bool{}
	for i, r := range list {
		name := r.Code
		if !code.MatchString(r.Code) {
			return nil, fmt.Errorf("rules: rule %d: code %q: use 1 to 64 of A-Z, 0-9 and _", i+1, clip(r.Code))
		}
		if codes[name] {
			return nil, fmt.Errorf("rules: %s: rule %d has the code of an earlier one: give each rule its own", name, i+1)
		}
		codes[name] = true
		t := s.table
		if r.Off {
			if r.Metric == "" && r.Expr == "" {
				continue
			}
			t = &table{} // checked, so that it can be switched on again, but not evaluated
		}
		c, err := compile(r, t)
		if err != nil {
			return nil, fmt.Errorf("rules: %s: %w", name, err)
		}
		if !r.Off {
			s.rules = append(s.rules, c)
		}
	}
	s.scope = newScope(s.table)
	return s, nil
}

func compile(r Rule, t *table) (compiled, error) {
	c := compiled{Rule: r, name: -1}
	if err := c.watch(t); err != nil {
		return c, err
	}
	if err := c.times(); err != nil {
		return c, err
	}
	if err := c.words(); err != nil {
		return c, err
	}
	if c.boolean() {
		return c, nil
	}
	return c, c.limits()
}

func (c *compiled) boolean() bool { return c.value != nil && c.value.boolean }

// watch finds what the rule looks at.
func (c *compiled) watch(t *table) (err error) {
	r := &c.Rule
	if r.Expr == "" {
		switch {
		case r.Clear != "":
			return errors.New("clear belongs to an expr that is true or false: use hysteresis with a metric")
		case r.Unit != "" || r.Text != "":
			return errors.New("unit and text belong to an expr: leave them out with a metric")
		}
		if c.name, err = t.number("metric", r.Metric); err != nil {
			return err
		}
		c.unit = t.names[c.name].unit
		return nil
	}
	if r.Metric != "" {
		return errors.New("metric and expr: use one of them")
	}
	if c.value, err = compileExpression(r.Expr, t); err != nil {
		return fmt.Errorf("expr: %w", err)
	}
	c.unit = r.Unit
	if c.value.alone >= 0 {
		c.unit = cmp.Or(c.unit, t.names[c.value.alone].unit)
	}
	if r.Clear != "" {
		if c.clear, err = compileExpression(r.Clear, t); err != nil {
			return fmt.Errorf("clear: %w", err)
		}
	}
	switch {
	case !c.boolean() && c.clear != nil:
		return errors.New("clear belongs to an expr that is true or false: use hysteresis with one that is a number")
	case c.clear != nil && !c.clear.boolean:
		return errors.New("clear is a number: write a condition such as ecd_nm.p50 < 240")
	case c.boolean() && (r.Min != nil || r.Max != nil):
		return errors.New("min and max with an expr that is true or false: leave them out, or write an expr that is a number")
	case c.boolean() && (r.Hysteresis != 0 || r.Unit != ""):
		return errors.New("hysteresis and unit with an expr that is true or false: leave them out, clear says when it is over")
	}
	return nil
}

// times checks severity, hold and times, and fills in the defaults.
func (c *compiled) times() error {
	r := &c.Rule
	switch r.Severity {
	case "":
		c.Severity = Warning
	case Info, Warning, Critical:
	default:
		return fmt.Errorf("severity %q: use info, warning or critical", clip(r.Severity))
	}
	switch {
	case r.Hold == 0:
		c.Hold = 1
	case r.Hold < 0:
		return fmt.Errorf("hold %d: use a number of frames, 1 or more", r.Hold)
	}
	for name, d := range map[string]time.Duration{"min_hold": r.MinHold, "cooldown": r.Cooldown} {
		if d < 0 || d > longest {
			return fmt.Errorf("%s %v: use a time between 0s and %v", name, d, longest)
		}
	}
	if r.Cooldown == 0 {
		c.Cooldown = DefaultCooldown
	}
	return nil
}

// Bounds of what a rule says, in bytes.
const (
	maxText = 100
	maxUnit = 16
)

// words checks unit, text and advice.
func (c *compiled) words() error {
	if len(c.Unit) > maxUnit || oneLine(c.Unit) != c.Unit {
		return fmt.Errorf("unit %q: use %d characters at most, without line breaks", clip(c.Unit), maxUnit)
	}
	if len(c.Text) > maxText || oneLine(c.Text) != c.Text {
		return fmt.Errorf("text %q: use %d characters at most, on one line", clip(c.Text), maxText)
	}
	known := []string{"{value}", "{limit}"}
	if c.boolean() {
		known = nil
	}
	for _, hole := range regexp.MustCompile(`\{[^{}]*\}`).FindAllString(c.Text, -1) {
		switch {
		case slices.Contains(known, hole):
		case c.boolean():
			return fmt.Errorf("text: an expr that is true or false has no %s: leave it out", clip(hole))
		default:
			return fmt.Errorf("text: unknown %s: use {value} and {limit}", clip(hole))
		}
	}
	if c.Advice != "" && c.Advice != Pause && c.Advice != Stop && c.Advice != Realign {
		return fmt.Errorf("advice %q: use %s", clip(c.Advice), strings.Join([]string{Pause, Stop, Realign}, ", "))
	}
	return nil
}

// limits checks those of a number.
func (c *compiled) limits() error {
	r := &c.Rule
	if r.Min == nil && r.Max == nil {
		return errors.New("no limit: set min, max or both")
	}
	for _, limit := range []*float64{r.Min, r.Max} {
		if limit != nil && (math.IsNaN(*limit) || math.IsInf(*limit, 0)) {
			return fmt.Errorf("limit %v: use a finite number", *limit)
		}
	}
	switch {
	case r.Hysteresis == 0:
		c.Hysteresis = DefaultHysteresis
	case !(r.Hysteresis > 0 && r.Hysteresis < 1):
		return fmt.Errorf("hysteresis %v: use a fraction of the limit between 0 and 1", r.Hysteresis)
	}
	if r.Min == nil || r.Max == nil {
		return nil
	}
	switch {
	case *r.Min > *r.Max:
		return fmt.Errorf("min %v is above max %v: swap them", *r.Min, *r.Max)
	case c.clearMin() > c.clearMax():
		return fmt.Errorf("min %v and max %v leave no room for a hysteresis of %v, so the alert could never clear: use a smaller one",
			*r.Min, *r.Max, c.Hysteresis)
	}
	return nil
}

// clearMin and clearMax bound the values that clear the alert.
func (c *compiled) clearMin() float64 { return *c.Min + c.band(*c.Min) }
func (c *compiled) clearMax() float64 { return *c.Max - c.band(*c.Max) }

func (c *compiled) band(limit float64) float64 { return c.Hysteresis * math.Abs(limit) }

// violated returns the limit that v is beyond.
func (c *compiled) violated(v float64) (limit float64, beyond bool) {
	switch {
	case c.Max != nil && v > *c.Max:
		return *c.Max, true
	case c.Min != nil && v < *c.Min:
		return *c.Min, true
	}
	return 0, false
}

// clears reports whether v is inside both limits by the hysteresis.
func (c *compiled) clears(v float64) bool {
	return (c.Max == nil || v <= c.clearMax()) && (c.Min == nil || v >= c.clearMin())
}
