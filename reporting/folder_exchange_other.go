//go:build !linux

package reporting

import "errors"

// exchange is not available here; folders are replaced step by step.
func exchange(_, _ string) error { return errors.ErrUnsupported }
