// Package rules watches what is measured and says when it leaves its limits.
//
//	metrics.Summary ──▶ Set.Evaluate ──▶ Change{raised|updated|cleared}
//	                        │
//	                     State ──▶ store, and back by Restore after a restart
//
// A rule compares one number of a frame (objects, area_fraction, density_per_um2, confidence, scale_mismatch, or the
// statistic of a CSV column such as ecd_nm.p50) with a minimum, a maximum or both. Every source has its own
// alert. A value beyond a limit for Hold frames in a row raises it; only a value inside the limits by the
// hysteresis, again for Hold frames in a row, clears it, so that a value trembling about its limit raises
// one alert. It stays raised for MinHold at least, and is not raised again for Cooldown after its end; what these
// held back, Tick brings when no frame does. A frame where the number is undefined changes nothing.
package rules
