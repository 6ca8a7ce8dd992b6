package steer

import (
	"time"

	"github.com/uni-aims/aimsd/metrics/milling"
)

// The words of a feedback message's advice.
const (
	adviceContinue = milling.Continue
	advicePause    = milling.Pause
	adviceStop     = milling.Stop
	adviceRealign  = milling.Realign
	adviceAbstain  = milling.Abstain
)

// Advice is what the feedback of one committed frame says.
type Advice struct {
	Source  string
	RunID   string
	FrameID string
	ID      string // of the feedback message: the command's idempotence key
	Seq     uint64 // rises within a run
	Advice  string // CONTINUE, PAUSE, STOP, REALIGN, ABSTAIN
	// Reasons are the feedback's, for the record.
	Reasons []string
	// DecidedAt is as time.Now gave it: with its monotonic reading a wall clock that jumps does not matter. Without one,
	// advice that seems to be of the future or too old is ignored.
	DecidedAt time.Time
	ValidFor  time.Duration // from DecidedAt
}

// acts reports whether the advice asks for something.
func (a Advice) acts() bool { return a.Advice == advicePause || a.Advice == adviceStop }

// Verb is what is asked of a controller.
type Verb string

// The verbs. There is none that starts or resumes.
const (
	Pause Verb = "pause"
	Stop  Verb = "stop"
)

// Outcome is what became of an advice.
type Outcome string

// The outcomes.
const (
	Done      Outcome = "done"      // asked for, and the state shows it
	Already   Outcome = "already"   // nothing was asked for: it did not mill
	Ignored   Outcome = "ignored"   // nothing was asked for: the rules forbid it
	Failed    Outcome = "failed"    // asked for, and the state does not show it: raise ACTUATION_FAILED
	Abandoned Outcome = "abandoned" // disarmed after it was asked for: it may have worked
)

// Command is the record of one PAUSE or STOP, or of an advice that is not understood.
type Command struct {
	ID        string    `json:"id"`
	Source    string    `json:"source"`
	RunID     string    `json:"run_id"`
	FrameID   string    `json:"frame_id"`
	Seq       uint64    `json:"seq"`
	Advice    string    `json:"advice"`
	Reasons   []string  `json:"reasons,omitempty"` // the feedback's
	ArmedBy   string    `json:"armed_by,omitempty"`
	AllowStop bool      `json:"allow_stop"`
	Verb      Verb      `json:"verb,omitempty"` // the last one asked for
	Requests  int       `json:"requests"`       // sent or tried
	Outcome   Outcome   `json:"outcome"`
	Why       string    `json:"why"`             // of the verb and the outcome
	State     State     `json:"state,omitempty"` // last one read
	OfferedAt time.Time `json:"offered_at"`
	EndedAt   time.Time `json:"ended_at"`
	TookMs    float64   `json:"took_ms"` // from the offer, on the monotonic clock
}

func newCommand(a Advice, at time.Time) Command {
	return Command{ID: a.ID, Source: a.Source, RunID: a.RunID, FrameID: a.FrameID, Seq: a.Seq, Advice: a.Advice,
		Reasons: a.Reasons, OfferedAt: at, EndedAt: at}
}
