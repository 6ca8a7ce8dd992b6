package steer

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	defaultMaxLease = time.Hour
	defaultGrace    = 2 * time.Second
)

// Options of a Driver.
type Options struct {
	Source     string // whose advice it follows
	Controller Controller
	MaxLease   time.Duration // 0: 1 h
	// Grace is how long after the validity of an advice the state is still read, to learn what became of a request; nothing
	// is asked for any more. 0: 2 s.
	Grace time.Duration
	Log   *zap.Logger      // nil: none
	Now   func() time.Time // the wall clock, for records and the age of an advice; nil: time.Now
	// Record gets every command when it has ended; an outcome Failed is the alert ACTUATION_FAILED, a later Done or Already of
	// the source its end. Changed gets every change of the arming. Both may be nil; one goroutine of Run calls them, in order,
	// and may wait: acting does not wait for it.
	Record  func(Command)
	Changed func(ArmState)
}

// Driver acts on the advice of one source. It is disarmed at first, after its run and when its program starts again.
type Driver struct {
	opt   Options
	log   *zap.Logger
	start time.Time     // of the monotonic clock
	wake  chan struct{} // for Run: an advice, or another lease

	mu      sync.Mutex
	arm     *arming            // nil: disarmed
	last    ArmState           // how the last arming ended
	closed  string             // the run that closed last
	over    bool               // Run has ended
	seqs    map[string]uint64  // newest advice of each open run
	waiting *waiting           // newest PAUSE or STOP not yet looked at
	cancel  context.CancelFunc // of what is under way
	out     chan struct{}      // closed when the request under way has ended; nil: none is

	journal journal
}

// waiting is an advice that may be acted on.
type waiting struct {
	Advice
	arm     *arming // must still be the one in force
	offered time.Duration
	wall    time.Time
	until   time.Duration // end of its validity
}

// New makes a disarmed driver; Run makes it act.
func New(o Options) (*Driver, error) {
	switch {
	case o.Source == "":
		return nil, errors.New("steering: no source: name the one whose frames show the milling")
	case o.Controller == nil:
		return nil, errors.New("steering: no controller: configure one or leave steering out")
	case o.MaxLease < 0 || o.Grace < 0:
		return nil, errors.New("steering: a time is below zero: set it to 0 or more")
	}
	if o.MaxLease == 0 {
		o.MaxLease = defaultMaxLease
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return &Driver{
		opt: o, log: o.Log.With(zap.String("source", o.Source)), start: time.Now(), wake: make(chan struct{}, 1),
		last: ArmState{Source: o.Source, Why: "never armed"}, seqs: map[string]uint64{}, journal: newJournal(),
	}, nil
}

// clock is the monotonic time since the driver was made.
func (d *Driver) clock() time.Duration { return time.Since(d.start) }

// Offer hands over what a committed frame's feedback says. It never waits; Run acts on the newest.
func (d *Driver) Offer(a Advice) {
	now, wall := d.clock(), d.opt.Now()
	age := wall.Sub(a.DecidedAt)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire(now)
	why := d.sort(a)
	switch {
	case why != "":
	case !a.acts():
		return
	case d.arm == nil:
		why = "not armed: " + d.last.Why
	case d.arm.runID != a.RunID:
		why = "armed for another run"
	case age < 0:
		why = "decided in the future: the clock was set back"
	case age >= a.ValidFor:
		why = "stale when offered"
	default:
		left := min(a.ValidFor-age, d.opt.MaxLease)
		d.waiting = &waiting{Advice: a, arm: d.arm, offered: now, wall: wall, until: now + left}
		d.nudge()
		return
	}
	c := newCommand(a, wall)
	c.Outcome, c.Why = Ignored, why
	if d.arm != nil {
		c.ArmedBy, c.AllowStop = d.arm.by, d.arm.allowStop
	}
	d.record(c)
}

// sort takes an advice into account; not empty: why it is ignored. The lock is held.
func (d *Driver) sort(a Advice) (why string) {
	switch a.Advice {
	case adviceContinue, advicePause, adviceStop, adviceRealign, adviceAbstain:
	default:
		return "unknown advice"
	}
	switch {
	case a.Source != d.opt.Source:
		return "of another source"
	case a.RunID == "" || a.ID == "":
		return "without a run or an id"
	case a.RunID == d.closed:
		return "its run is closed"
	}
	if last, ok := d.seqs[a.RunID]; ok && a.Seq <= last {
		return "not newer than the one before"
	}
	d.seqs[a.RunID] = a.Seq
	if d.arm != nil && d.arm.runID == a.RunID {
		d.arm.newest = a.Advice
	}
	return ""
}

// Run acts until the context is done; then it is disarmed for good. It is called once.
func (d *Driver) Run(ctx context.Context) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		d.journal.deliver(end, d.opt.Record, d.opt.Changed)
	}()
	defer func() {
		d.mu.Lock()
		d.over = true
		d.disarm("", "the program stops")
		d.mu.Unlock()
		close(end)
		<-ended
	}()
	for ctx.Err() == nil {
		w, lease := d.next()
		if w != nil {
			d.act(ctx, w)
			continue
		}
		select {
		case <-ctx.Done():
		case <-d.wake:
		case <-lease:
		}
	}
}

// next takes the advice that waits, and says when the lease is over.
func (d *Driver) next() (*waiting, <-chan time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock()
	d.expire(now)
	w := d.waiting
	d.waiting = nil
	if d.arm == nil {
		return w, nil
	}
	return w, time.After(d.arm.until - now)
}

func (d *Driver) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// record puts a command on the journal's queue. The lock is held.
func (d *Driver) record(c Command) {
	if !d.journal.command(c) {
		return
	}
	log := d.log.Info
	if c.Outcome == Failed {
		log = d.log.Error
	}
	log("milling advice", zap.String("run", c.RunID), zap.String("frame", c.FrameID), zap.Uint64("seq", c.Seq),
		zap.String("advice", c.Advice), zap.String("verb", string(c.Verb)), zap.Int("requests", c.Requests),
		zap.String("outcome", string(c.Outcome)), zap.String("why", c.Why), zap.String("state", string(c.State)))
}
