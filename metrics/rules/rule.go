package rules

import (
	"strings"
	"time"
)

// Rule is one entry of the configuration's rules list: a Metric or an Expr, and when its alert is raised and cleared.
type Rule struct {
	// Code names the alert in topics and messages: A-Z, 0-9 and _, at most 64.
	Code string `yaml:"code"`
	// Metric is objects, area_fraction, density_per_um2, confidence, scale_mismatch, or COLUMN.STATISTIC with a column of
	// particles.csv and one of n, n_excluded, min, max, mean, sd, p10, p50, p90: ecd_nm.p50.
	// The further names are those of an expression.
	Metric string `yaml:"metric"`
	// Expr is an expression over the frame's numbers and those of the frames before, in place of a metric. One that
	// gives a number has limits as a metric has; one that is true or false has none and raises while it is true.
	Expr string `yaml:"expr"`
	// Clear is when an alert that a true Expr raised is over; "" is when Expr is false.
	Clear string `yaml:"clear"`
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
	// Unit is that of an expression's number; "" is that of the name, where the expression is a name alone.
	Unit string `yaml:"unit"`
	// Text is what the alert of an expression says in place of it. {value} and {limit} stand for the numbers.
	Text string `yaml:"text"`
	// Advice is what milling should do while the alert is raised: PAUSE, STOP, REALIGN, or "" for nothing.
	Advice string `yaml:"advice"`
	// Off switches the rule off, also a built-in one of this code. Then nothing but the code is required.
	Off bool `yaml:"off"`
}

// Advices for milling.
const (
	Pause   = "PAUSE"
	Stop    = "STOP"
	Realign = "REALIGN"
)

// Watches is what a rule looks at: its metric or its expression.
func (r *Rule) Watches() string {
	if r.Expr == "" {
		return r.Metric
	}
	return oneLine(r.Expr)
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

// clip keeps what an error repeats of its input short and on one line.
func clip(s string) string {
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}
