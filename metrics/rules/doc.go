// Package rules watches what is measured and says when it leaves its limits.
//
//	Input ──▶ Set.Evaluate ──▶ Change{raised|updated|cleared}
//	          │        └▶ the source's past: a ring of its newest frames ─▶ Rollback, Adopt, Recall
//	          └▶ State ──▶ store, and back by Restore after a restart
//
// A rule compares one number of a frame with a minimum, a maximum or both. The number is a metric (objects,
// area_fraction, density_per_um2, confidence, scale_mismatch, nm_per_px, the statistic of a CSV column such as
// ecd_nm.p50, or a value of another part such as drift.nm) or an expression over such names and their past. An
// expression can also be a condition, true or false, without limits. Names are in names.go, functions in functions.go.
//
// Every source has its own alert. A value beyond a limit, or a true condition, for Hold frames in a row raises it; only
// a value inside the limits by the hysteresis, or what Clear says, again for Hold frames in a row, clears it, so that a
// value trembling about its limit raises one alert. It stays raised for MinHold at least, and is not raised again for
// Cooldown after its end; what these held back, Tick brings when no frame does. A frame where a rule reads something
// undefined, or not finite, changes nothing.
//
// Expressions are read by github.com/expr-lang/expr, but only what rewrite.go lets pass is compiled: numbers,
// comparisons, and, or, not, ?: and our functions. There are no loops, no text and no side effects.
package rules
