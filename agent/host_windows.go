package agent

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/windows"
)

// clockSynced is not known here.
func clockSynced() (synced, known bool) { return false, false }

// diskFree is the space this user can still write at dir, bytes.
func diskFree(dir string) (uint64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, err
	}
	return free, nil
}

// addressInUse reports whether an address cannot be listened on because another program does.
func addressInUse(err error) bool {
	return errors.Is(err, windows.WSAEADDRINUSE) || errors.Is(err, syscall.EADDRINUSE)
}

// lowerPriority puts the instrument's own programs first.
func lowerPriority() error {
	if err := windows.SetPriorityClass(windows.CurrentProcess(), windows.BELOW_NORMAL_PRIORITY_CLASS); err != nil {
		return fmt.Errorf("lower the priority: %w", err)
	}
	return nil
}
