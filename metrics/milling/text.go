package milling

import (
	"fmt"
	"math"
	"strings"
)

// text says a decision in one sentence.
func (t *Tracker) text(o *Observation, d *Decision) string {
	switch d.Advice {
	case Abstain:
		return "do not act on this frame: " + because(d.Reasons)
	case Pause, Stop:
		verb := map[string]string{Pause: "pause", Stop: "stop"}[d.Advice] + " milling"
		if t.detected {
			return fmt.Sprintf("%s: the end-point is reached, %s", verb, t.standing(d))
		}
		return fmt.Sprintf("%s: %s; %s", verb, because(d.Reasons), t.standing(d))
	case Realign:
		if o.Drift != nil && t.realign {
			return fmt.Sprintf("realign: the field has drifted %.1f px; %s", math.Hypot(o.Drift.XPx, o.Drift.YPx), t.standing(d))
		}
		return fmt.Sprintf("realign: %s; %s", because(d.Reasons), t.standing(d))
	}
	if !d.Endpoint.WarmupComplete {
		return fmt.Sprintf("warming up, frame %d of %d; %s", t.good, t.plan.Endpoint.WarmupFrames, t.standing(d))
	}
	return t.standing(d)
}

// standing says how far milling is.
func (t *Tracker) standing(d *Decision) string {
	g := d.Geometry
	if g == nil {
		return "where the front is, is not known"
	}
	parts := []string{fmt.Sprintf("progress %.1f %%", 100**g.Progress)}
	if g.FrontM != nil {
		parts = append(parts, "front at "+Length(*g.FrontM))
	}
	if g.RateMPerS != nil {
		parts = append(parts, Length(*g.RateMPerS)+"/s")
	}
	if g.EtaS != nil && !t.detected {
		parts = append(parts, fmt.Sprintf("%.0f s to go", *g.EtaS))
	}
	return strings.Join(parts, ", ")
}

// Length writes metres for a person.
func Length(m float64) string {
	switch a := math.Abs(m); {
	case a >= 1e-3:
		return fmt.Sprintf("%.3g mm", m*1e3)
	case a >= 1e-6:
		return fmt.Sprintf("%.3g µm", m*1e6)
	}
	return fmt.Sprintf("%.3g nm", m*1e9)
}

// because says reasons in words.
func because(reasons []string) string {
	words := map[string]string{
		ReasonNoScale: "its pixel size is not known", ReasonMismatch: "metadata and scale bar disagree about its pixel size",
		ReasonStale: "it is too old", ReasonOrder: "it is older than one before it", ReasonGap: "frames before it are missing",
		ReasonClock: "its time is ahead of the clock, or the clock was set back", ReasonNoDrift: "its drift is not known",
		ReasonUnsure: "the milled region is not clear", ReasonField: "the field of view is another one",
		ReasonUndefined: "a value is not a number", ReasonOutside: "the region has drifted out of the frame",
		ReasonNoResult: "it could not be analysed",
	}
	said := make([]string, len(reasons))
	for i, r := range reasons {
		flag, quality := strings.CutPrefix(r, ReasonQuality)
		code, rule := strings.CutPrefix(r, ReasonRule+":")
		switch {
		case quality:
			said[i] = "the image is " + strings.ToLower(flag)
		case rule:
			said[i] = "rule " + code
		case words[r] != "":
			said[i] = words[r]
		default:
			said[i] = strings.ToLower(r)
		}
	}
	return strings.Join(said, "; ")
}
