package simulate

import "context"

// State is a milling state, in OpenFIBSEM's words.
type State string

// States.
const (
	Idle    State = "IDLE" // not started, or stopped
	Running State = "RUNNING"
	Paused  State = "PAUSED"
)

// Beam is what the ion beam did up to a frame.
type Beam struct {
	Dose   int   // beam-on frames before this one
	Before int   // the same for the frame before this one, whose pixels a frozen frame repeats
	State  State // while this one was taken
}

// beamed is a scene that a beam changes.
type beamed interface {
	Scene
	under(ctx context.Context, index int, beam Beam) (*Frame, error)
}

var _ beamed = (*Milling)(nil)
