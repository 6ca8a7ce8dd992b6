//go:build !linux

package agent

import "errors"

// clockSynced is not known here.
func clockSynced() (synced, known bool) { return false, false }

// diskFree is not known here.
func diskFree(string) (uint64, error) { return 0, errors.New("not asked on this system") }
