package steer

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestFaultsOfAdviceAndTime(t *testing.T) {
	play(t, []fault{
		// What is advised.
		{name: "pause", do: func(r *rig) { r.arm(false); r.offer("PAUSE") },
			posts: []string{"pause id1"}, records: []string{paused}, state: Paused},
		{name: "stop", do: func(r *rig) { r.arm(true); r.offer("STOP") },
			posts: []string{"stop id1"}, records: []string{"STOP stop1 done: is IDLE"}, state: Idle},
		{name: "stop without leave pauses", do: func(r *rig) { r.arm(false); r.offer("STOP") },
			posts: []string{"pause id1"}, records: []string{"STOP pause1 done: pauses: to stop was not allowed at arming; is PAUSED"}, state: Paused},
		{name: "continue", do: func(r *rig) { r.arm(true); r.offer("CONTINUE", "CONTINUE") }},
		{name: "realign", do: func(r *rig) { r.arm(true); r.offer("REALIGN") }},
		{name: "frozen frame abstains", do: func(r *rig) { r.arm(true); r.offer("CONTINUE", "ABSTAIN") }},
		{name: "blank frames abstain", do: func(r *rig) { r.arm(true); r.offer("ABSTAIN", "ABSTAIN", "ABSTAIN") }},
		{name: "unknown words", do: func(r *rig) { r.arm(true); r.offer("NaN", "", "stop", "STOP ", "RESUME") },
			records: []string{"NaN 0 ignored: unknown advice", " 0 ignored: unknown advice", "stop 0 ignored: unknown advice",
				"STOP  0 ignored: unknown advice", "RESUME 0 ignored: unknown advice"}},
		{name: "unknown words do not hide the next advice", do: func(r *rig) {
			r.arm(true)
			a := r.advice("NaN")
			a.Seq = 1 << 63
			r.d.Offer(a)
			r.offer("PAUSE")
		}, posts: []string{"pause id2"}, records: []string{"NaN 0 ignored: unknown advice", paused}, state: Paused},
		{name: "without an id", do: func(r *rig) {
			r.arm(true)
			a := r.advice("STOP")
			a.ID = ""
			r.d.Offer(a)
		}, records: []string{"STOP 0 ignored: without a run or an id"}},

		// Order.
		{name: "duplicated pause", do: func(r *rig) {
			r.arm(true)
			a := r.advice("PAUSE")
			for range 3 {
				r.d.Offer(a)
				synctest.Wait()
			}
		}, posts: []string{"pause id1"}, records: []string{paused, "PAUSE 0 ignored: not newer than the one before"}, state: Paused},
		{name: "duplicated stop", do: func(r *rig) {
			r.arm(true)
			a := r.advice("STOP")
			r.d.Offer(a)
			r.d.Offer(a)
		}, posts: []string{"stop id1"}, records: []string{"STOP 0 ignored: not newer than the one before", "STOP stop1 done: is IDLE"}, state: Idle},
		{name: "reordered stop", do: func(r *rig) {
			r.arm(true)
			a := r.advice("STOP")
			r.offer("CONTINUE")
			r.d.Offer(a)
		}, records: []string{"STOP 0 ignored: not newer than the one before"}},
		{name: "duplicate from before arming", do: func(r *rig) {
			a := r.advice("STOP")
			r.d.Offer(a)
			r.arm(true)
			r.d.Offer(a)
		}, records: []string{"STOP 0 ignored: not armed: never armed", "STOP 0 ignored: not newer than the one before"}},
		{name: "newest wins", do: func(r *rig) {
			r.arm(true)
			r.server.onState = late(300 * time.Millisecond)
			r.offer("PAUSE")
			r.offer("STOP", "PAUSE") // while the first is under way
		}, posts: []string{"pause id1"}, records: []string{paused, already}, state: Paused},
		{name: "continue after pause", do: func(r *rig) { r.arm(true); r.offer("PAUSE", "CONTINUE", "CONTINUE") },
			posts: []string{"pause id1"}, records: []string{paused}, state: Paused},
		{name: "continue does not withdraw a pause under way", do: func(r *rig) {
			r.arm(true)
			r.server.onPost = first(1, 500)
			r.offer("PAUSE", "CONTINUE", "ABSTAIN")
		}, posts: []string{"pause id1", "pause id1"}, records: []string{"PAUSE pause2 done: is PAUSED"}, state: Paused},
		{name: "continue turns a stop under way into a pause", do: func(r *rig) {
			r.arm(true)
			r.server.onPost = first(1, 500)
			r.offer("STOP", "CONTINUE")
		}, posts: []string{"stop id1", "pause id1"},
			records: []string{"STOP pause2 done: pauses: a newer frame does not say STOP; is PAUSED"}, state: Paused},
		{name: "pause repeated", do: func(r *rig) { r.arm(true); r.offer("PAUSE", "PAUSE", "PAUSE", "PAUSE") },
			posts: []string{"pause id1"}, records: []string{paused, already}, state: Paused},
		{name: "stop after pause", do: func(r *rig) { r.arm(true); r.offer("PAUSE", "STOP") },
			posts: []string{"pause id1"}, records: []string{paused, "STOP 0 already: already PAUSED"}, state: Paused},

		// Time.
		{name: "stale", do: func(r *rig) {
			r.arm(true)
			a := r.advice("STOP")
			a.DecidedAt = a.DecidedAt.Add(-2 * time.Second)
			r.d.Offer(a)
		}, records: []string{"STOP 0 ignored: stale when offered"}},
		{name: "no time of decision, no validity", do: func(r *rig) {
			r.arm(true)
			a, b := r.advice("STOP"), r.advice("PAUSE")
			a.DecidedAt, b.ValidFor = time.Time{}, 0
			r.d.Offer(a)
			r.d.Offer(b)
		}, records: []string{"STOP 0 ignored: stale when offered", "PAUSE 0 ignored: stale when offered"}},
		{name: "wall clock forward while under way", do: func(r *rig) {
			r.arm(true)
			r.server.onPost = first(2, 500)
			r.offer("PAUSE")
			r.jump(10 * time.Hour)
		}, posts: []string{"pause id1", "pause id1", "pause id1"}, records: []string{"PAUSE pause3 done: is PAUSED"}, state: Paused},
		{name: "wall clock forward does not end a lease", do: func(r *rig) { r.arm(true); r.jump(10 * time.Hour); r.offer("PAUSE") },
			posts: []string{"pause id1"}, records: []string{paused}, state: Paused},
		{name: "wall clock back does not extend a lease", do: func(r *rig) {
			r.arm(true)
			r.jump(-10 * time.Hour)
			r.wait(time.Minute)
			r.offer("STOP")
		}, records: []string{"STOP 0 ignored: not armed: the lease is over"}, why: "the lease is over"},
		{name: "wall clock back does not extend an advice", do: func(r *rig) {
			r.arm(true)
			r.server.onPost = always(500)
			r.offer("PAUSE")
			r.jump(-10 * time.Hour)
			r.wait(2 * time.Second)
			r.server.mu.Lock()
			defer r.server.mu.Unlock()
			r.server.onPost = nil
		}, posts: []string{"pause id1", "pause id1", "pause id1", "pause id1", "pause id1"},
			records: []string{"PAUSE pause5 failed: asked to pause, but the state is RUNNING, after: " + host +
				"pause_milling: answered 500: not done: see the controller's log"}},
		{name: "wall clock between decision and offer", do: func(r *rig) { // without monotonic readings the age is not known
			r.arm(true)
			a, b := r.advice("PAUSE"), r.advice("STOP")
			r.jump(-time.Hour)
			r.d.Offer(a)
			r.jump(2 * time.Hour)
			r.d.Offer(b)
		}, records: []string{"PAUSE 0 ignored: decided in the future: the clock was set back", "STOP 0 ignored: stale when offered"}},
		{name: "broker lost, nothing arrives", do: func(r *rig) { r.arm(true); r.wait(2 * time.Minute) }, why: "the lease is over"},
	})
}
