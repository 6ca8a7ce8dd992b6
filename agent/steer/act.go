package steer

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	firstBackoff = 100 * time.Millisecond // between two tries; doubles
	lastBackoff  = time.Second
	pollEvery    = 100 * time.Millisecond // the state, after a request
)

// act follows one advice to its end and records it.
func (d *Driver) act(ctx context.Context, w *waiting) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	d.mu.Lock()
	if d.arm != w.arm { // disarmed since it was taken
		cancel()
	}
	d.cancel = cancel
	d.mu.Unlock()

	c := newCommand(w.Advice, w.wall)
	c.ArmedBy, c.AllowStop = w.arm.by, w.arm.allowStop
	outcome, why := d.pursue(ctx, w, &c)

	d.mu.Lock()
	defer d.mu.Unlock()
	d.cancel = nil
	if ctx.Err() != nil && outcome != Done {
		if outcome, why = Ignored, d.last.Why; d.arm == w.arm {
			why = "the program stops"
		}
		if c.Requests > 0 {
			outcome, why = Abandoned, why+"; it was asked for and may have worked"
		}
	}
	if c.Why != "" { // why the verb is not the advice's
		why = c.Why + "; " + why
	}
	c.Outcome, c.Why = outcome, why
	c.EndedAt, c.TookMs = d.opt.Now(), float64(d.clock()-w.offered)/float64(time.Millisecond)
	d.record(c)
}

// pursue reads the state and asks for what it calls for, until that is certain or not allowed any more.
func (d *Driver) pursue(ctx context.Context, w *waiting, c *Command) (Outcome, string) {
	for wait := firstBackoff; ; wait = min(2*wait, lastBackoff) {
		// A third: a controller that does not tell its state must leave time for the pause.
		state, _ := d.look(ctx, (w.until-d.clock())/3, c)
		switch {
		case ctx.Err() != nil:
			return Abandoned, ""
		case state.atRest():
			return d.settle(w, c)
		}
		verb, until, why := d.begin(w, c, state)
		if verb == "" && c.Requests > 0 {
			return d.verify(ctx, w, c, errors.New(why))
		}
		if verb == "" {
			return Ignored, why
		}
		err := d.request(ctx, w, verb, until)
		switch {
		case err == nil, verb == Stop && !errors.Is(err, ErrNotDone) && !errors.Is(err, ErrRefused):
			return d.verify(ctx, w, c, err) // a stop that may have worked is not sent again
		case errors.Is(err, ErrRefused):
			return Failed, err.Error()
		}
		if left := w.until - d.clock(); !sleep(ctx, min(wait, left)) {
			return Abandoned, ""
		}
		if d.clock() >= w.until {
			return d.verify(ctx, w, c, err)
		}
	}
}

// begin decides on a request. If one is to be made, it counts as under way when begin returns, and until is its end; else
// why says what forbids it.
func (d *Driver) begin(w *waiting, c *Command, state State) (verb Verb, until time.Duration, why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock()
	d.expire(now)
	a := w.arm
	switch {
	case d.arm != a:
		return "", 0, d.last.Why
	case now >= w.until:
		return "", 0, "no longer valid"
	case a.settled && state == Running:
		d.release("", "resumed by the operator")
		return "", 0, d.last.Why
	case a.settled:
		return "", 0, "the state is not known after a pause or stop that worked"
	}
	verb, c.Why = Pause, ""
	if w.Advice.Advice == adviceStop {
		switch {
		case !a.allowStop:
			c.Why = "pauses: to stop was not allowed at arming"
		case a.newest != adviceStop:
			c.Why = "pauses: a newer frame does not say STOP"
		case a.stopSent:
			c.Why = "pauses: a stop was sent before"
		case state != Running:
			c.Why = "pauses: the state is not known"
		default:
			verb, a.askedStop, a.stopSent = Stop, true, true
		}
	}
	a.askedPause = a.askedPause || verb == Pause
	c.Verb = verb
	c.Requests++
	d.out = make(chan struct{})
	return verb, min(w.until, a.until), ""
}

// request makes the request that begin allowed.
func (d *Driver) request(ctx context.Context, w *waiting, verb Verb, until time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, until-d.clock())
	defer cancel()
	send := d.opt.Controller.Pause
	if verb == Stop {
		send = d.opt.Controller.Stop
	}
	err := send(ctx, w.ID)
	d.mu.Lock()
	defer d.mu.Unlock()
	if verb == Stop && (errors.Is(err, ErrNotDone) || errors.Is(err, ErrRefused)) {
		w.arm.stopSent = false
	}
	close(d.out)
	d.out = nil
	return err
}

// verify reads the state until it shows what was asked for. failure is the last request's.
func (d *Driver) verify(ctx context.Context, w *waiting, c *Command, failure error) (Outcome, string) {
	end := w.until + d.opt.Grace
	var seen State
	for {
		state, err := d.look(ctx, end-d.clock(), c)
		if err == nil {
			seen = state
		}
		if state.atRest() {
			outcome, why := d.settle(w, c)
			if c.Verb == Pause || state == Idle {
				return outcome, why
			}
		}
		now := d.clock()
		if now+pollEvery >= end || now >= w.until && d.newerWaits() || !sleep(ctx, pollEvery) {
			why := fmt.Sprintf("asked to %s, but the state is %s", c.Verb, seen)
			if seen == "" {
				why = fmt.Sprintf("asked to %s, but the state cannot be read: %s", c.Verb, err)
			}
			if failure != nil {
				why += ", after: " + failure.Error()
			}
			return Failed, why
		}
	}
}

// settle says what a state at rest is for a command, and keeps in mind whether it may be our doing. IDLE after a pause is
// not: milling had ended by itself.
func (d *Driver) settle(w *waiting, c *Command) (Outcome, string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.arm.askedStop || w.arm.askedPause && c.State == Paused {
		w.arm.settled = true
	}
	if c.Requests == 0 {
		return Already, "already " + string(c.State)
	}
	return Done, "is " + string(c.State)
}

func (d *Driver) newerWaits() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waiting != nil
}

// look reads the state, within a time.
func (d *Driver) look(ctx context.Context, within time.Duration, c *Command) (State, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	s, err := d.opt.Controller.State(ctx)
	if err == nil && !s.known() {
		err = fmt.Errorf("controller: unknown state %.20q: it must be one of OpenFIBSEM's MillingState", s)
	}
	if err != nil {
		return "", err
	}
	c.State = s
	return s, nil
}

// sleep reports whether the context lasted.
func sleep(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
