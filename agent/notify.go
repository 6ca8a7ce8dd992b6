package agent

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// notifier tells a service manager what the daemon does: systemd over its socket, Windows by the service's
// state, nobody where there is none. The zero value and nil tell nobody.
type notifier struct {
	Send     func(state string) error         // sd_notify(3): lines of NAME=value
	Watchdog time.Duration                    // longest silence that the manager bears; 0: any
	OnReady  func()                           // may be nil
	LogFile  func(dataDir string) string      // where a service logs that has no log.file; nil: to stderr
	Now      func() (monotonic time.Duration) // for RELOADING

	mu     sync.Mutex
	pinged time.Time
	status string
}

// Ready says that the daemon is up, with the configuration as it is now.
func (n *notifier) Ready() {
	if n == nil {
		return
	}
	n.send("READY=1")
	if n.OnReady != nil {
		n.OnReady()
	}
}

// Reloading says that a configuration is being taken up; Ready ends it.
func (n *notifier) Reloading() {
	if n == nil {
		return
	}
	state := "RELOADING=1"
	if n.Now != nil {
		state += fmt.Sprintf("\nMONOTONIC_USEC=%d", n.Now().Microseconds())
	}
	n.send(state)
}

// Stopping says that the daemon drains.
func (n *notifier) Stopping() { n.send("STOPPING=1\nSTATUS=finishes the frames it has taken") }

// Status is a line for people; it is sent when it changes.
func (n *notifier) Status(text string) {
	if n == nil {
		return
	}
	text = strings.Join(strings.Fields(text), " ") // a line is one value
	n.mu.Lock()
	changed := text != n.status
	n.status = text
	n.mu.Unlock()
	if changed {
		n.send("STATUS=" + text)
	}
}

// Wait asks for so much more time to start or stop.
func (n *notifier) Wait(d time.Duration) {
	n.send(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
}

// Alive feeds the watchdog, at a third of the time that it bears.
func (n *notifier) Alive(now time.Time) {
	if n == nil || n.Watchdog <= 0 {
		return
	}
	n.mu.Lock()
	due := now.Sub(n.pinged) >= n.Watchdog/3
	if due {
		n.pinged = now
	}
	n.mu.Unlock()
	if due {
		n.send("WATCHDOG=1")
	}
}

// send says it; a manager that does not listen is no reason to stop.
func (n *notifier) send(state string) {
	if n != nil && n.Send != nil {
		_ = n.Send(state)
	}
}
