// Package score compares what was found with the truth: objects by the overlap of two label images, scale bars
// by their length, value and unit. Slices and values in, figures out; no files.
package score
