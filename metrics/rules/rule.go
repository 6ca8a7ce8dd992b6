package rules

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Rule is one entry of the configuration's rules list.
type Rule struct {
	// Code names the alert in topics and messages: A-Z, 0-9 and _, at most 64.
	Code string `yaml:"code"`
	// Metric is objects, area_fraction, density_per_um2, confidence, scale_mismatch, or COLUMN.STATISTIC with a column of
	// particles.csv and one of n, n_excluded, min, max, mean, sd, p10, p50, p90: ecd_nm.p50.
	Metric string `yaml:"metric"`
	// Min and Max are limits in the metric's own unit. At least one is set; a value equal to it is inside.
	Min *float64 `yaml:"min"`
	Max *float64 `yaml:"max"`
	// Severity is info, warning (the default) or critical.
	Severity string `yaml:"severity"`
	// Hysteresis is how far inside its limit a value must be to clear the alert, and how much worse it must
	// get to be reported again, as a fraction of the limit. 0 means 0.02; a limit of 0 has none.
	Hysteresis float64 `yaml:"hysteresis"`
	// Hold is how many frames in a row it takes to raise, and to clear. 0 means 1.
	Hold int `yaml:"hold"`
	// MinHold is how long an alert stays raised at least. 0 means no time.
	MinHold time.Duration `yaml:"min_hold"`
	// Cooldown is how long after its end the alert is not raised again; a value that is still beyond its limit
	// then raises it. 0 means 10 s.
	Cooldown time.Duration `yaml:"cooldown"`
	// Source restricts the rule to one source; "" means every one.
	Source string `yaml:"source"`
}

// Severities of an alert.
const (
	Info     = "info"
	Warning  = "warning"
	Critical = "critical"
)

// DefaultHysteresis is used where a rule says 0.
const DefaultHysteresis = 0.02

// DefaultCooldown is used where a rule says 0.
const DefaultCooldown = 10 * time.Second

// longest bounds a rule's times: beyond it an alert would be as good as switched off.
const longest = 7 * 24 * time.Hour

// compiled is a checked rule with its defaults filled in.
type compiled struct {
	Rule
	read reader
	unit string
}

// Compile checks the rules and returns the set that evaluates them, without any active alert. An error
// names the rule, the cause and the remedy in one line.
func Compile(list []Rule) (*Set, error) {
	s := &Set{states: map[alertKey]*State{}}
	code := regexp.MustCompile(`^[A-Z0-9_]{1,64}$`)
	for i, r := range list {
		name := r.Code
		if !code.MatchString(r.Code) {
			return nil, fmt.Errorf("rules: rule %d: code %q: use 1 to 64 of A-Z, 0-9 and _", i+1, clip(r.Code))
		}
		if slices.ContainsFunc(s.rules, func(c compiled) bool { return c.Code == r.Code }) {
			return nil, fmt.Errorf("rules: %s: rule %d has the code of an earlier one: give each rule its own", name, i+1)
		}
		c, err := compile(r)
		if err != nil {
			return nil, fmt.Errorf("rules: %s: %w", name, err)
		}
		s.rules = append(s.rules, c)
	}
	return s, nil
}

func compile(r Rule) (compiled, error) {
	c := compiled{Rule: r}
	var err error
	if c.read, c.unit, err = metric(r.Metric); err != nil {
		return c, err
	}
	if r.Min == nil && r.Max == nil {
		return c, errors.New("no limit: set min, max or both")
	}
	for _, limit := range []*float64{r.Min, r.Max} {
		if limit != nil && (math.IsNaN(*limit) || math.IsInf(*limit, 0)) {
			return c, fmt.Errorf("limit %v: use a finite number", *limit)
		}
	}
	switch r.Severity {
	case "":
		c.Severity = Warning
	case Info, Warning, Critical:
	default:
		return c, fmt.Errorf("severity %q: use info, warning or critical", clip(r.Severity))
	}
	switch {
	case r.Hysteresis == 0:
		c.Hysteresis = DefaultHysteresis
	case !(r.Hysteresis > 0 && r.Hysteresis < 1):
		return c, fmt.Errorf("hysteresis %v: use a fraction of the limit between 0 and 1", r.Hysteresis)
	}
	switch {
	case r.Hold == 0:
		c.Hold = 1
	case r.Hold < 0:
		return c, fmt.Errorf("hold %d: use a number of frames, 1 or more", r.Hold)
	}
	for name, d := range map[string]time.Duration{"min_hold": r.MinHold, "cooldown": r.Cooldown} {
		if d < 0 || d > longest {
			return c, fmt.Errorf("%s %v: use a time between 0s and %v", name, d, longest)
		}
	}
	if r.Cooldown == 0 {
		c.Cooldown = DefaultCooldown
	}
	if r.Min == nil || r.Max == nil {
		return c, nil
	}
	switch {
	case *r.Min > *r.Max:
		return c, fmt.Errorf("min %v is above max %v: swap them", *r.Min, *r.Max)
	case c.clearMin() > c.clearMax():
		return c, fmt.Errorf("min %v and max %v leave no room for a hysteresis of %v, so the alert could never clear: use a smaller one",
			*r.Min, *r.Max, c.Hysteresis)
	}
	return c, nil
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

// clip keeps what an error repeats of its input short and on one line.
func clip(s string) string {
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}
