package agent

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/metrics/rules"
	"github.com/uni-aims/aimsd/reporting"
)

// codeScaleMismatch is the alert of a frame whose sources disagree about its pixel size.
const codeScaleMismatch = "SCALE_MISMATCH"

// builtinRules hold without being configured. A configured rule of the same code replaces one; {code: X, off: true}
// switches it off.
func builtinRules() []rules.Rule {
	return []rules.Rule{
		{Code: codeScaleMismatch, Metric: "scale_mismatch", Max: new(maxScaleMismatch), Severity: rules.Critical},
		{Code: "IMAGE_INCOMPLETE", Expr: `"incomplete" in image_quality`, Severity: rules.Warning, Text: "a part of the image is missing"},
		{Code: "IMAGE_FROZEN", Expr: `"frozen" in image_quality`, Hold: 3, Severity: rules.Warning, Text: "the image does not change any more"},
		{Code: "IMAGE_SATURATED", Expr: `"saturated" in image_quality`, Hold: 5, Severity: rules.Warning,
			Text: "many pixels are black or white: set brightness and contrast"},
	}
}

// allRules are the configured rules and the built-in ones that none of them replaces.
func allRules(configured []rules.Rule) []rules.Rule {
	all := slices.Clip(configured)
	for _, b := range builtinRules() {
		if !slices.ContainsFunc(configured, func(r rules.Rule) bool { return r.Code == b.Code }) {
			all = append(all, b)
		}
	}
	return all
}

// frameInput is what rules see of a frame, when it is done and when it is read from the store again.
func frameInput(rec *reporting.FrameRecord, res *reporting.Result) rules.Input {
	fraction := math.NaN()
	if res.AreaFraction != nil {
		fraction = *res.AreaFraction
	}
	return rules.Input{
		Source: rec.Source, RunID: rec.RunID, FrameID: rec.ID, Time: rec.DoneAt, Taken: res.Time,
		NmPerPx: res.Scale.NmPerPx, ImageQuality: res.ImageQuality, Values: ruleValues(res),
		Summary: metrics.Summary{
			Objects: res.Objects, Statistics: res.Statistics, EdgePolicy: res.EdgePolicy, AreaFraction: fraction,
			DensityPerUm2: res.DensityPerUm2, Confidence: res.Confidence, ScaleMismatch: scaleMismatch(&res.Scale),
		},
	}
}

// ruleValues are the numbers of a frame beside its objects, by the names that rules have for them.
func ruleValues(res *reporting.Result) map[string]float64 {
	values := res.Milling.Values()
	if q := res.Quality; q != nil {
		for name, v := range map[string]*float64{
			"sharpness": q.Sharpness, "noise": q.Noise, "saturated_share": q.SaturatedShare, "charging": q.Charging,
			"curtaining": q.Curtaining, "complete_share": q.CompleteShare,
		} {
			if v != nil {
				values["quality."+name] = *v
			}
		}
	}
	return values
}

// scaleMismatch is how far the sources of a scale are apart, nil where there is only one.
func scaleMismatch(s *reporting.Scale) *float64 {
	if s.Ratio == nil {
		return nil
	}
	off := math.Abs(*s.Ratio - 1)
	return &off
}

// changeText is what an alert says of a change; res is nil where no frame brought it.
func changeText(c *rules.Change, res *reporting.Result) string {
	if c.Code == codeScaleMismatch && c.State != rules.Cleared && res != nil {
		return cmp.Or(mismatchText(&res.Scale), c.Text)
	}
	return c.Text
}

// mismatchText says of a frame's scale, in an alert's few words, what disagrees and why; "" where nothing does.
func mismatchText(s *reporting.Scale) string {
	for _, c := range s.Checks {
		if c.Name == checkMatch && c.Status == checkFail {
			_, cause, _ := strings.Cut(c.Detail, "; ")
			return strings.TrimSuffix(fmt.Sprintf("pixel sizes differ by a factor of %.4g: %s", *s.Ratio, cause), ": ")
		}
	}
	return ""
}
