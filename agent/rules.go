package agent

import (
	"slices"

	"github.com/uni-aims/aimsd/metrics/rules"
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
