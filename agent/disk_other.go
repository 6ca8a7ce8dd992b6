//go:build !linux && !windows

package agent

import "math"

// diskSpace is not known here: a full disk is noticed by the writes that fail.
func diskSpace(string) (space, error) { return space{free: math.MaxUint64}, nil }
