//go:build linux

package agent

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestTheServiceManagerIsToldInItsProtocol(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "notify"), "@aimsd-test-" + filepath.Base(t.TempDir())} {
		socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		require.NoError(t, err)
		defer socket.Close()
		heard := func() string {
			require.NoError(t, socket.SetReadDeadline(time.Now().Add(10*time.Second)))
			b := make([]byte, 4096)
			n, err := socket.Read(b)
			require.NoError(t, err)
			return string(b[:n])
		}
		n := newNotifier(func(name string) string {
			return map[string]string{"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "3000000"}[name]
		})
		require.Equal(t, 3*time.Second, n.Watchdog)
		n.Ready()
		require.Equal(t, "READY=1", heard())
		n.Reloading()
		require.Regexp(t, `^RELOADING=1\nMONOTONIC_USEC=[1-9]\d+$`, heard())
		n.Status("one\nREADY=1")
		require.Equal(t, "STATUS=one READY=1", heard(), "no line is smuggled in")
		n.Status("one READY=1") // is said already
		now := time.Now()
		n.Alive(now)
		require.Equal(t, "WATCHDOG=1", heard())
		n.Alive(now.Add(900 * time.Millisecond)) // too early
		n.Wait(time.Minute)
		require.Equal(t, "EXTEND_TIMEOUT_USEC=60000000", heard())
		n.Alive(now.Add(time.Second))
		require.Equal(t, "WATCHDOG=1", heard())
		n.Stopping()
		require.True(t, strings.HasPrefix(heard(), "STOPPING=1"))
	}
}

func TestWithoutAServiceManagerNobodyIsTold(t *testing.T) {
	n := newNotifier(func(string) string { return "" })
	require.Nil(t, n)
	n.Ready()
	n.Reloading()
	n.Status("x")
	n.Wait(time.Second)
	n.Alive(time.Now())
	n.Stopping()
	other := newNotifier(func(name string) string {
		return map[string]string{"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}[name]
	})
	require.Zero(t, other.Watchdog, "meant for another process")
	other.Ready() // nobody listens, which is no reason to fail
}

func TestEveryThreadGivesWayToTheInstrument(t *testing.T) {
	kernel, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	require.NoError(t, err)
	if 20-kernel > niceness {
		t.Skipf("SKIPPED, NOT TESTED: the test itself runs at niceness %d", 20-kernel)
	}
	require.NoError(t, lowerPriority())
	threads, err := filepath.Glob("/proc/self/task/*")
	require.NoError(t, err)
	for _, thread := range threads {
		id := 0
		for _, c := range filepath.Base(thread) {
			id = 10*id + int(c-'0')
		}
		if kernel, err := unix.Getpriority(unix.PRIO_PROCESS, id); err == nil {
			require.Equal(t, niceness, 20-kernel)
		}
	}
}
