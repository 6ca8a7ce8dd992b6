package agent

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
)

// resetPeakMemory gives freed memory back and begins the peak anew, where the system can: Linux.
func resetPeakMemory() {
	debug.FreeOSMemory()
	f, err := os.OpenFile("/proc/self/clear_refs", os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString("5") // proc(5): resets VmHWM
}

// peakMemory is the most memory that the process had at once since its start or the last reset, bytes: VmHWM of
// proc(5). nil where it is not known.
func peakMemory() *int64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil
	}
	_, rest, ok := bytes.Cut(data, []byte("VmHWM:"))
	if fields := bytes.Fields(rest); ok && len(fields) > 1 {
		if kib, err := strconv.ParseInt(string(fields[0]), 10, 64); err == nil {
			kib <<= 10
			return &kib
		}
	}
	return nil
}
