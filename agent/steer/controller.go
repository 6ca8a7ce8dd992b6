package steer

import (
	"context"
	"errors"
)

// State is a milling controller's state, by the names of OpenFIBSEM's MillingState; empty: not known.
type State string

// The states.
const (
	Idle     State = "IDLE"
	Running  State = "RUNNING"
	Stopping State = "STOPPING"
	Paused   State = "PAUSED"
	Error    State = "ERROR"
)

// known reports whether s is one of the states.
func (s State) known() bool {
	switch s {
	case Idle, Running, Stopping, Paused, Error:
		return true
	}
	return false
}

// atRest reports whether nothing is left to pause or stop.
func (s State) atRest() bool { return s == Idle || s == Stopping || s == Paused }

// Controller is what mills. Each method makes one request, without retries of its own, and returns soon after its context is
// done; one goroutine calls them. id is the command's idempotence key: the feedback's id, the same for each retry.
//
// An error that wraps ErrRefused or ErrNotDone says what became of the request. After any other error the controller may
// or may not have acted.
type Controller interface {
	State(ctx context.Context) (State, error)
	Pause(ctx context.Context, id string) error
	Stop(ctx context.Context, id string) error
}

var (
	// ErrRefused says that the controller does not take the request, nor the same one again.
	ErrRefused = errors.New("refused")
	// ErrNotDone says that the request certainly did nothing and may be tried again.
	ErrNotDone = errors.New("not done")
)
