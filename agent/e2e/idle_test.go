//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream/simulate"
)

// cpuTicks is the processor time a process has taken, in hundredths of a second (proc_pid_stat(5), fields 14
// and 15, with the usual clock tick).
func cpuTicks(t *testing.T, pid int) int {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Skipf("SKIPPED, NOT TESTED: no /proc here: %v", err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // from field 3 on
	user, err := strconv.Atoi(fields[11])
	require.NoError(t, err)
	system, err := strconv.Atoi(fields[12])
	require.NoError(t, err)
	return user + system
}

// peakRSS is the most memory a process had, in MiB (VmHWM).
func peakRSS(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(status), "VmHWM:")
	require.True(t, found)
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(t, err)
	return kib >> 10
}

func TestMemoryIsBoundedAndAnIdleDaemonHardlyWorks(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	s := newSite(t, b.settings())
	for i := range 100 { // a folder with something in it
		put(t, filepath.Join(s.frames, fmt.Sprintf("day%d", i%5), fmt.Sprintf("old%d.tif", i)), constantTIFF(t, 64, 64, uint8(i)))
	}
	d := s.start()
	const frames = 3
	for i := range frames {
		var file bytes.Buffer
		require.NoError(t, scene(t, simulate.Particles{Width: 1024, Height: 1024, Seed: 3}, i+1).WriteTIFF(&file))
		require.NoError(t, writeRenamed(filepath.Join(s.frames, fmt.Sprintf("f%d.tif", i)), file.Bytes()))
	}
	require.Equal(t, frames, d.settled("acq", 100+frames)["processed"])
	rss := peakRSS(t, d.cmd.Process.Pid)

	const window = 10 * time.Second
	before := cpuTicks(t, d.cmd.Process.Pid)
	time.Sleep(window) // what is measured is that nothing happens
	ticks := cpuTicks(t, d.cmd.Process.Pid) - before
	t.Logf("ready after %s, %d MiB at most, %d0 ms of processor time in %s", d.readyAfter.Round(time.Millisecond), rss, ticks, window)
	require.LessOrEqual(t, rss, 800, "MiB")
	require.LessOrEqual(t, time.Duration(ticks)*10*time.Millisecond, window/100)
	require.Zero(t, d.stop())
}
