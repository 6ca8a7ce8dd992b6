// Package metrics is what is measured: per-object morphometry from a label image, its distributions and
// their statistics. It imports nothing of ours: slices and values in, values out.
package metrics
