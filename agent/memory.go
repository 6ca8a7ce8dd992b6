package agent

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// gcPercent is how much garbage may lie beside what is in use. Nearly all of that is pixels, which the collector need
// not look at: it runs more often than usual for little, and the memory's peak is lower by a third.
const gcPercent = 30

// limitMemory makes the garbage collector work harder, most of all before the program takes most of the machine. GOGC
// and GOMEMLIMIT, when set, are obeyed.
func limitMemory() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	if total := machineMemory(); total > 0 {
		debug.SetMemoryLimit(total * 6 / 10)
	}
}

// machineMemory is the memory this process may use, bytes: the machine's, or its control group's if less.
// 0 where it is not known.
func machineMemory() int64 {
	total := int64(0)
	if data, err := os.ReadFile("/proc/meminfo"); err == nil {
		if fields := strings.Fields(string(data)); len(fields) > 1 && fields[0] == "MemTotal:" {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			total = kib << 10
		}
	}
	if data, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil && (total == 0 || limit < total) {
			total = limit
		}
	}
	return total
}

// workingMemory is what an image scale may take, bytes; 0 where nothing limits it.
func (c InferConfig) workingMemory() int {
	if c.MemoryMB > 0 {
		return c.MemoryMB << 20
	}
	return int(machineMemory() / 3)
}
