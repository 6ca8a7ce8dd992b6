package agent

import (
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// newNotifier speaks sd_notify(3) to the socket that systemd names in the environment. The protocol is one
// datagram for each message; a library would be longer than this.
func newNotifier(environ func(string) string) *notifier {
	path := environ("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	n := &notifier{
		Send: func(state string) error {
			address := &net.UnixAddr{Name: path, Net: "unixgram"} // a leading @ is the abstract name space
			conn, err := net.DialUnix("unixgram", nil, address)
			if err != nil {
				return err
			}
			defer conn.Close()
			_, err = conn.Write([]byte(state))
			return err
		},
		Now: func() time.Duration {
			var t unix.Timespec
			if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
				return 0
			}
			return time.Duration(t.Nano())
		},
	}
	if pid := environ("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if usec, err := strconv.ParseInt(environ("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 {
			n.Watchdog = time.Duration(usec) * time.Microsecond
		}
	}
	return n
}
