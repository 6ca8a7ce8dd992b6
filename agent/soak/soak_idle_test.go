//go:build linux

package soak

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A daemon that is left alone goes on being ready and stops cleanly, having taken nothing and kept no
// descriptor more than it began with.
func TestDaemonLeftAloneSoak(t *testing.T) {
	length, _ := minutes(t, 2*time.Second)
	d := newSite(t, "", "").start()
	open := func() int {
		entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(d.cmd.Process.Pid), "fd"))
		require.NoError(t, err)
		return len(entries)
	}
	require.NoError(t, d.cmd.Process.Signal(syscall.Signal(0)))
	d.counts("acq")
	before := open()
	for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(length / 20) {
		require.Zero(t, d.counts("acq")["received"])
	}
	require.LessOrEqual(t, open(), before+4)
	require.Zero(t, d.stop())
}
