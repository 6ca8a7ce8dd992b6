package agent

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// limitMemory makes the garbage collector work harder before the program takes most of the machine: a
// frame of 16K x 16K needs about 14 GB, and garbage could double that. GOMEMLIMIT, when set, is obeyed.
func limitMemory() {
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
