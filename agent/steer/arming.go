package steer

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// ArmState is whether a source's advice is acted on, and until when.
type ArmState struct {
	Armed     bool      `json:"armed"`
	Source    string    `json:"source"`
	RunID     string    `json:"run_id,omitempty"`
	By        string    `json:"by,omitempty"` // who armed it; disarmed: who ended it, empty for the driver itself
	AllowStop bool      `json:"allow_stop"`
	LeaseMs   int64     `json:"lease_ms"`       // left, on the monotonic clock
	Since     time.Time `json:"since,omitzero"` // wall clock, for people; disarmed: when it ended
	Why       string    `json:"why,omitempty"`  // disarmed: why
}

// arming is one time between Arm and Disarm; renewed leases belong to it.
type arming struct {
	runID, by string
	allowStop bool
	since     time.Time
	until     time.Duration // monotonic
	newest    string        // advice word of the run
	// What the driver has asked for, and that it was seen to work; only a new arming forgets it.
	askedPause, askedStop bool
	stopSent              bool // a stop that worked or may still work
	settled               bool
}

// Arm makes the driver act on the advice of a run for the time of the lease; armed for it already, it renews the lease and
// keeps what it knows of the run. allowStop: STOP stops. by: who says so, for the record.
func (d *Driver) Arm(runID string, lease time.Duration, allowStop bool, by string) (ArmState, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock()
	d.expire(now)
	switch {
	case runID == "":
		return d.state(now), errors.New("arming: no run: name the run that mills")
	case by == "":
		return d.state(now), errors.New("arming: nobody's name: say who arms")
	case lease <= 0 || lease > d.opt.MaxLease:
		return d.state(now), fmt.Errorf("arming run %s: a lease of %s: it must be above 0 and at most %s, and can be renewed", runID, lease, d.opt.MaxLease)
	case d.over:
		return d.state(now), fmt.Errorf("arming run %s: the program stops: arm after its next start", runID)
	case runID == d.closed:
		return d.state(now), fmt.Errorf("arming run %s: it is closed: arm the one that is open", runID)
	case d.arm != nil && d.arm.runID != runID:
		return d.state(now), fmt.Errorf("arming run %s: armed for run %s by %s: disarm that first", runID, d.arm.runID, d.arm.by)
	}
	if d.arm == nil {
		d.arm = &arming{runID: runID, since: d.opt.Now()}
	}
	d.arm.by, d.arm.allowStop, d.arm.until = by, allowStop, now+lease
	s := d.state(now)
	d.journal.arming(s)
	d.log.Warn("milling is steered", zap.String("run", runID), zap.String("by", by), zap.Duration("lease", lease), zap.Bool("allow_stop", allowStop))
	d.nudge()
	return s, nil
}

// Disarm ends it. When it has returned no request is under way and none follows; a Controller must not call it.
func (d *Driver) Disarm(by, why string) ArmState {
	d.mu.Lock()
	if why == "" {
		why = "disarmed"
	}
	out := d.disarm(by, why)
	s := d.state(d.clock())
	d.mu.Unlock()
	if out != nil {
		<-out
	}
	return s
}

// RunClosed disarms if it is armed for the run, as Disarm does, and forgets the run.
func (d *Driver) RunClosed(runID string) {
	d.mu.Lock()
	d.closed = runID
	delete(d.seqs, runID)
	var out <-chan struct{}
	if d.arm != nil && d.arm.runID == runID {
		out = d.disarm("", "the run is closed")
	}
	d.mu.Unlock()
	if out != nil {
		<-out
	}
}

// State says whether it is armed.
func (d *Driver) State() ArmState {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock()
	d.expire(now)
	return d.state(now)
}

func (d *Driver) state(now time.Duration) ArmState {
	a := d.arm
	if a == nil {
		return d.last
	}
	return ArmState{Armed: true, Source: d.opt.Source, RunID: a.runID, By: a.by, AllowStop: a.allowStop,
		LeaseMs: (a.until - now).Milliseconds(), Since: a.since}
}

// expire ends an arming whose lease is over. What is under way may still read the state, but asks for nothing more.
func (d *Driver) expire(now time.Duration) {
	if d.arm != nil && now >= d.arm.until {
		d.release("", "the lease is over")
	}
}

// disarm ends the arming and what is under way; out is closed when the request under way has ended.
func (d *Driver) disarm(by, why string) (out <-chan struct{}) {
	if d.arm != nil {
		d.release(by, why)
	}
	if d.cancel != nil {
		d.cancel()
	}
	return d.out
}

func (d *Driver) release(by, why string) {
	d.last = ArmState{Source: d.opt.Source, RunID: d.arm.runID, By: by, Since: d.opt.Now(), Why: why}
	d.arm = nil
	d.journal.arming(d.last)
	d.log.Warn("milling is no longer steered", zap.String("run", d.last.RunID), zap.String("by", by), zap.String("why", why))
	d.nudge()
}
