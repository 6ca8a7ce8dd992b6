//go:build !linux && !windows

package agent

import (
	"errors"
	"syscall"
)

// clockSynced is not known here.
func clockSynced() (synced, known bool) { return false, false }

// diskFree is not known here.
func diskFree(string) (uint64, error) { return 0, errors.New("not asked on this system") }

// addressInUse reports whether an address cannot be listened on because another program does.
func addressInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// lowerPriority leaves the priority as it is.
func lowerPriority() error { return nil }
