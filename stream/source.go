package stream

import (
	"context"
	"errors"
	"time"
)

// SkipUnchanged is the reason of a file whose content is known and whose time alone has changed.
const SkipUnchanged = "unchanged"

// State is where a frame stands in the journal.
type State string

// States of a frame. Accepted is the only one that is not final.
const (
	StateAccepted  State = "accepted"
	StateProcessed State = "processed"
	StateGated     State = "gated"    // deliberately not analysed (backlog, unchanged frame)
	StateRejected  State = "rejected" // could not be analysed; Reason says why
	StateDropped   State = "dropped"  // superseded under the policy "latest"
)

// Final reports whether nothing more will happen to the frame.
func (s State) Final() bool { return s != StateAccepted }

// Receipt is what a source knows about a frame when it takes it. (Source, Key) identifies the frame for
// ever: for a file, path, size, modification time and a hash of its head and tail (see pageKey for files of
// several frames); for a stream, frame_uid.
type Receipt struct {
	Source  string
	Key     string
	Path    string
	Name    string // of the file, with the page where it has several
	Page    int    // counted from 1, in a file of several frames; 0 in others
	RunHint string // run_id of a stream header; "" lets the daemon choose
	Seq     uint64 // 0 lets the journal number it
	Size    int64
	ModTime time.Time
	// SkipReason says why a frame is skipped; "": it is backlog.
	SkipReason string
	// EndOfRun asks for the run to be closed after this frame.
	EndOfRun bool
}

// Admission is the journal's answer to a receipt.
type Admission struct {
	FrameID string // ULID
	RunID   string
	Seq     uint64
	State   State  // StateAccepted: process it (again, after a crash); final: already done
	Result  []byte // the committed result summary of a final frame, JSON, may be nil
}

// Journal is what sources need of the store. Its writes are durable when it returns.
type Journal interface {
	// Admit records a received frame. The same (Source, Key) is admitted once; later calls return the
	// first admission with its present state.
	Admit(ctx context.Context, r Receipt) (Admission, error)
	// Skip records frames that are deliberately not processed (backlog: skip, or unchanged) as gated.
	Skip(ctx context.Context, rs []Receipt) error
	// FirstSight reports whether this source was never seen before, and remembers it.
	FirstSight(ctx context.Context, source string) (bool, error)
}

// Recaller is what a Journal may offer besides: it spares a folder source reading the head and tail of
// every known file after a restart.
type Recaller interface {
	// Recall reports whether a frame of the source whose key begins with keyPrefix is known to be final.
	// False where in doubt.
	Recall(ctx context.Context, source, keyPrefix string) (bool, error)
}

// Withdrawer is what a Journal may offer besides: it is told of frames that it admitted and that their source,
// which stops, does not bring. They stay accepted, and are admitted again when the source runs again.
type Withdrawer interface {
	Withdraw(a Admission)
}

// Errors of Arrival.Open.
var (
	// ErrVanished says that the file was overwritten or removed between its admission and its turn.
	ErrVanished = errors.New("vanished")
	// ErrAway says that the folder cannot be reached now: the frame is neither read nor lost.
	ErrAway = errors.New("the folder cannot be reached now")
	// ErrGivenUp says that the file never became complete, or readable, in the time it was given.
	ErrGivenUp = errors.New("given up")
)

// givenUp is an ErrGivenUp that says why.
type givenUp struct {
	path string
	why  error
}

func (e givenUp) Error() string        { return e.path + ": " + e.why.Error() }
func (e givenUp) Unwrap() error        { return e.why }
func (e givenUp) Is(target error) bool { return target == ErrGivenUp }

// Outcome is a frame's end.
type Outcome struct {
	State  State
	Reason string
	Result []byte // the committed result summary, JSON; nil unless processed
}

// Arrival is an admitted frame on its way into the pipeline.
type Arrival struct {
	Receipt
	Admission
	// Open decodes the frame; the caller releases it. An error rejects the frame, but for ErrAway: then nothing
	// is committed, and Settle with StateAccepted has the source bring the frame again when it can be read.
	Open func(ctx context.Context) (*Frame, error)
	// Settle is called once for each time the arrival is brought, after the outcome is committed. Never nil.
	Settle func(Outcome)
	// Passed is called when the frame has left the stage that takes longest: a source that keeps only its newest
	// frame waiting hands over the next one then. nil: nobody asks.
	Passed func()
}

// Pass calls Passed, if there is one.
func (a Arrival) Pass() {
	if a.Passed != nil {
		a.Passed()
	}
}

// Source delivers arrivals until its context ends. Run closes nothing; a full channel is back-pressure.
type Source interface {
	Name() string
	Run(ctx context.Context, out chan<- Arrival) error
	// Ready returns nil once the source is watching, else what is wrong and the remedy.
	Ready() error
}
