package steer

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestFaultsOfPeople(t *testing.T) {
	play(t, []fault{
		// Who says so.
		{name: "not armed", do: func(r *rig) { r.offer("PAUSE", "STOP", "STOP") },
			records: []string{"PAUSE 0 ignored: not armed: never armed", "STOP 0 ignored: not armed: never armed"}, why: "never armed"},
		{name: "wrong run", do: func(r *rig) {
			r.arm(true)
			a := r.advice("STOP")
			a.RunID = "other"
			r.d.Offer(a)
		}, records: []string{"STOP 0 ignored: armed for another run"}},
		{name: "wrong source", do: func(r *rig) {
			r.arm(true)
			a := r.advice("STOP")
			a.Source = "sem"
			r.d.Offer(a)
		}, records: []string{"STOP 0 ignored: of another source"}},
		{name: "lease over", do: func(r *rig) { r.arm(true); r.wait(time.Minute); r.offer("PAUSE") },
			records: []string{"PAUSE 0 ignored: not armed: the lease is over"}, why: "the lease is over"},
		{name: "lease renewed", do: func(r *rig) {
			r.arm(true)
			r.wait(40 * time.Second)
			r.arm(true)
			r.wait(40 * time.Second)
			r.offer("PAUSE")
		}, posts: []string{"pause id1"}, records: []string{paused}, state: Paused},
		{name: "lease over between retries", do: func(r *rig) {
			r.arm(true)
			r.server.onPost = always(500)
			r.wait(time.Minute - 350*time.Millisecond)
			r.offer("PAUSE")
		}, posts: []string{"pause id1", "pause id1", "pause id1"},
			records: []string{"PAUSE pause3 failed: asked to pause, but the state is RUNNING, after: the lease is over"}, why: "the lease is over"},
		{name: "lease over between retries, armed anew", do: func(r *rig) {
			r.arm(true)
			r.server.onPost = first(3, 500)
			r.wait(time.Minute - 350*time.Millisecond)
			r.offer("PAUSE")
			r.wait(400 * time.Millisecond)
			r.arm(true)
		}, posts: []string{"pause id1", "pause id1", "pause id1"},
			records: []string{"PAUSE pause3 failed: asked to pause, but the state is RUNNING, after: the lease is over"}},
		{name: "lease over while it connects", do: func(r *rig) {
			r.arm(true)
			r.wait(59 * time.Second)
			r.slowAfterState(1500 * time.Millisecond)
			r.offer("PAUSE")
		}, records: []string{"PAUSE pause1 failed: asked to pause, but the state is RUNNING, after: the lease is over"}, why: "the lease is over"},
		{name: "no longer valid while it connects", do: func(r *rig) {
			r.arm(true)
			r.slowAfterState(1500 * time.Millisecond)
			a := r.advice("PAUSE")
			a.ValidFor = time.Second
			r.d.Offer(a)
		}, records: []string{"PAUSE pause1 failed: asked to pause, but the state is RUNNING, after: " + host +
			"pause_milling: no answer: context deadline exceeded"}},
		{name: "no longer valid behind another", do: func(r *rig) {
			r.arm(true)
			r.server.frozen = true
			r.offer("PAUSE")
			a := r.advice("STOP")
			a.ValidFor = time.Second
			r.d.Offer(a)
		}, posts: []string{"pause id1"},
			records: []string{"PAUSE pause1 failed: asked to pause, but the state is RUNNING", "STOP 0 ignored: no longer valid"}},
		{name: "waits behind another while valid", do: func(r *rig) {
			r.arm(true)
			r.server.frozen = true
			r.offer("PAUSE")
			r.wait(time.Second)
			r.offer("STOP")
		}, posts: []string{"pause id1", "stop id2"},
			records: []string{"PAUSE pause1 failed: asked to pause, but the state is RUNNING", "STOP stop1 failed: asked to stop, but the state is RUNNING"}},
		{name: "leave to stop withdrawn between retries", do: func(r *rig) {
			r.arm(true)
			r.server.onPost = first(1, 500)
			r.offer("STOP")
			r.arm(false)
		}, posts: []string{"stop id1", "pause id1"},
			records: []string{"STOP pause2 done: pauses: to stop was not allowed at arming; is PAUSED"}, state: Paused},
		{name: "disarmed before the request", do: func(r *rig) {
			r.arm(true)
			r.server.onState = late(100 * time.Millisecond)
			r.offer("STOP")
			r.d.Disarm("bob", "lunch")
		}, records: []string{"STOP 0 ignored: lunch"}, why: "lunch"},
		{name: "disarmed while a request is in flight", do: func(r *rig) {
			r.arm(true)
			r.server.onPost = late(time.Second)
			r.offer("PAUSE")
			r.d.Disarm("bob", "")
		}, posts: []string{"pause id1"}, records: []string{"PAUSE pause1 abandoned: disarmed; it was asked for and may have worked"}, why: "disarmed"},
		{name: "disarmed between retries", do: func(r *rig) {
			r.arm(true)
			r.server.onPost = always(500)
			r.offer("PAUSE")
			r.d.Disarm("bob", "")
			r.arm(true) // a new arming does not take up what was under way
		}, posts: []string{"pause id1"}, records: []string{"PAUSE pause1 abandoned: disarmed; it was asked for and may have worked"}},
		{name: "run closed", do: func(r *rig) { r.arm(true); r.d.RunClosed("run"); r.offer("STOP") },
			records: []string{"STOP 0 ignored: its run is closed"}, why: "the run is closed"},
		{name: "run closed while a request is in flight", do: func(r *rig) {
			r.arm(true)
			r.server.onPost = late(time.Second)
			r.offer("STOP")
			r.d.RunClosed("run")
		}, posts: []string{"stop id1"}, records: []string{"STOP stop1 abandoned: the run is closed; it was asked for and may have worked"}, why: "the run is closed"},
		{name: "another run closed", do: func(r *rig) { r.arm(true); r.d.RunClosed("other"); r.offer("PAUSE") },
			posts: []string{"pause id1"}, records: []string{paused}, state: Paused},
		{name: "restart", do: func(r *rig) { r.arm(true); r.boot(); r.offer("STOP") },
			records: []string{"STOP 0 ignored: not armed: never armed"}, why: "never armed"},
		{name: "restart while a request is in flight", do: func(r *rig) {
			r.arm(true)
			r.server.onPost = late(time.Second)
			a := r.advice("STOP")
			r.d.Offer(a)
			synctest.Wait()
			r.boot()
			r.d.Offer(a)
		}, posts: []string{"stop id1"}, records: []string{"STOP stop1 abandoned: the program stops; it was asked for and may have worked",
			"STOP 0 ignored: not armed: never armed"}, why: "never armed"},

		// The operator.
		{name: "operator resumed", do: func(r *rig) {
			r.arm(true)
			r.offer("PAUSE")
			r.server.is(Running)
			r.offer("CONTINUE", "PAUSE", "STOP")
		}, posts: []string{"pause id1"}, records: []string{paused, "PAUSE 0 ignored: resumed by the operator",
			"STOP 0 ignored: not armed: resumed by the operator"}, why: "resumed by the operator"},
		{name: "operator resumed and renewed the lease", do: func(r *rig) {
			r.arm(true)
			r.offer("PAUSE")
			r.server.is(Running)
			r.arm(true)
			r.offer("PAUSE")
		}, posts: []string{"pause id1"}, records: []string{paused, "PAUSE 0 ignored: resumed by the operator"}, why: "resumed by the operator"},
		{name: "operator resumed and armed anew", do: func(r *rig) {
			r.arm(true)
			r.offer("PAUSE")
			r.server.is(Running)
			r.d.Disarm("ann", "")
			r.arm(true)
			r.offer("PAUSE")
		}, posts: []string{"pause id1", "pause id2"}, records: []string{paused, paused}, state: Paused},
		{name: "operator may have resumed, the state is not known", do: func(r *rig) {
			r.arm(true)
			r.offer("PAUSE")
			r.server.is(Running)
			r.server.onState = always(500)
			r.offer("PAUSE")
		}, posts: []string{"pause id1"}, records: []string{paused, "PAUSE 0 ignored: the state is not known after a pause or stop that worked"}},
		{name: "operator resumed his own pause", do: func(r *rig) {
			r.arm(true)
			r.server.is(Paused)
			r.offer("PAUSE")
			r.server.is(Running)
			r.offer("PAUSE")
		}, posts: []string{"pause id2"}, records: []string{already, paused}, state: Paused},
		{name: "operator paused and resumed what a stop did not end", do: func(r *rig) {
			r.arm(true)
			r.server.frozen = true
			r.offer("STOP")
			r.server.is(Paused)
			r.wait(time.Second)
			r.server.is(Running)
			r.wait(10 * time.Second)
			r.offer("STOP")
		}, posts: []string{"stop id1"}, records: []string{"STOP stop1 failed: asked to stop, but the state is RUNNING",
			"STOP 0 ignored: resumed by the operator"}, why: "resumed by the operator"},
		{name: "started again after a stop", do: func(r *rig) {
			r.arm(true)
			r.offer("STOP")
			r.server.is(Running)
			r.offer("STOP")
		}, posts: []string{"stop id1"}, records: []string{"STOP stop1 done: is IDLE", "STOP 0 ignored: resumed by the operator"}, why: "resumed by the operator"},
	})
}
