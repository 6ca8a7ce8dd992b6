package agent

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// niceness of a daemon below normal priority, as in the systemd unit.
const niceness = 5

// clockSynced reports whether the kernel's clock follows a reference.
func clockSynced() (synced, known bool) {
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return false, false
	}
	return t.Status&unix.STA_UNSYNC == 0, true
}

// diskFree is the space an ordinary user can still write at dir, bytes.
func diskFree(dir string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}

// addressInUse reports whether an address cannot be listened on because another program does.
func addressInUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// lowerPriority puts the instrument's own programs first. Linux keeps a niceness for each thread; those to
// come take that of the thread that starts them, so that threads are looked at until none is left. A niceness
// that is higher already is left alone.
func lowerPriority() error {
	for {
		changed, err := lowerThreads()
		if err != nil {
			return fmt.Errorf("lower the priority: %w", err)
		}
		if !changed {
			return nil
		}
	}
}

func lowerThreads() (changed bool, err error) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return false, err
	}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		kernel, err := unix.Getpriority(unix.PRIO_PROCESS, id) // 20 - niceness
		if err != nil || 20-kernel >= niceness {               // it may have ended
			continue
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, id, niceness); err != nil && !errors.Is(err, unix.ESRCH) {
			return false, err
		}
		changed = true
	}
	return changed, nil
}
