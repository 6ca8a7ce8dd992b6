package agent

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/uni-aims/aimsd/metrics/rules"
	"github.com/uni-aims/aimsd/reporting"
)

// codeScaleMismatch is the alert of a frame whose sources disagree about its pixel size.
const codeScaleMismatch = "SCALE_MISMATCH"

// allRules are the configured rules and the built-in one, unless a configured one has its code.
func allRules(configured []rules.Rule) []rules.Rule {
	if slices.ContainsFunc(configured, func(r rules.Rule) bool { return r.Code == codeScaleMismatch }) {
		return configured
	}
	limit := maxScaleMismatch
	return append(slices.Clip(configured), rules.Rule{
		Code: codeScaleMismatch, Metric: "scale_mismatch", Max: &limit, Severity: rules.Critical,
	})
}

// scaleMismatch is how far the sources of a scale are apart, nil where there is only one.
func scaleMismatch(s *reporting.Scale) *float64 {
	if s.Ratio == nil {
		return nil
	}
	off := math.Abs(*s.Ratio - 1)
	return &off
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
