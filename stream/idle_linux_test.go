package stream_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestIdleSourceCostsNoProcessorTime(t *testing.T) {
	b := newBench(t)
	for i := range 200 {
		b.write(fmt.Sprintf("s%d/f%d.tif", i%10, i), tinyTIFF(64, 1))
	}
	b.start()
	time.Sleep(500 * time.Millisecond)
	before := cpuTime(t)
	const watched = 3 * time.Second
	time.Sleep(watched)
	used := cpuTime(t) - before
	t.Logf("idle: %s of processor time in %s (%.2f %%)", used, watched, 100*used.Seconds()/watched.Seconds())
	require.Less(t, used, watched/100)
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
