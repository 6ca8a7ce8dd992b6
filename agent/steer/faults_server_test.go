package steer

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestFaultsOfTheServer(t *testing.T) {
	play(t, []fault{
		// The server.
		{name: "http 500 once", do: func(r *rig) { r.arm(true); r.server.onPost = first(1, 500); r.offer("PAUSE") },
			posts: []string{"pause id1", "pause id1"}, records: []string{"PAUSE pause2 done: is PAUSED"}, state: Paused},
		{name: "http 500 once for stop", do: func(r *rig) { r.arm(true); r.server.onPost = first(1, 500); r.offer("STOP") },
			posts: []string{"stop id1", "stop id1"}, records: []string{"STOP stop2 done: is IDLE"}, state: Idle},
		{name: "http 500 always", do: func(r *rig) { r.arm(true); r.server.onPost = always(500); r.offer("PAUSE") },
			posts: []string{"pause id1", "pause id1", "pause id1", "pause id1", "pause id1"},
			records: []string{"PAUSE pause5 failed: asked to pause, but the state is RUNNING, after: " + host +
				"pause_milling: answered 500: not done: see the controller's log"}},
		{name: "http 500 for the state: pauses blind", do: func(r *rig) { r.arm(true); r.server.onState = first(1, 500); r.offer("PAUSE") },
			posts: []string{"pause id1"}, records: []string{paused}, state: Paused},
		{name: "http 500 for the state: does not stop", do: func(r *rig) { r.arm(true); r.server.onState = first(1, 500); r.offer("STOP") },
			posts: []string{"pause id1"}, records: []string{"STOP pause1 done: pauses: the state is not known; is PAUSED"}, state: Paused},
		{name: "http 404", do: func(r *rig) { r.arm(true); r.server.onPost = always(404); r.offer("PAUSE") },
			posts:   []string{"pause id1"},
			records: []string{"PAUSE pause1 failed: " + host + "pause_milling: answered 404: refused: check the controller's address"}},
		{name: "http 504 for stop: a gateway does not know", do: func(r *rig) { r.arm(true); r.server.onPost = always(504); r.offer("STOP") },
			posts: []string{"stop id1"},
			records: []string{"STOP stop1 failed: asked to stop, but the state is RUNNING, after: " + host +
				"stop_milling: answered 504: see the controller's log"}},
		{name: "slow beyond validity", do: func(r *rig) { r.arm(true); r.server.onPost = late(5 * time.Second); r.offer("PAUSE") },
			posts: []string{"pause id1"},
			records: []string{"PAUSE pause1 failed: asked to pause, but the state is RUNNING, after: " + host +
				"pause_milling: no answer: context deadline exceeded"}},
		{name: "slow state leaves time to pause", do: func(r *rig) { r.arm(true); r.server.onState = late(5 * time.Second); r.offer("PAUSE") },
			posts: []string{"pause id1"},
			records: []string{"PAUSE pause1 failed: asked to pause, but the state cannot be read: " + host +
				"milling_state: no answer: context deadline exceeded"}, state: Paused},
		{name: "connection refused", do: func(r *rig) { r.arm(true); r.wire.refuse = 1 << 30; r.offer("PAUSE") },
			records: []string{"PAUSE pause5 failed: asked to pause, but the state cannot be read: " + host +
				"milling_state: no answer: not done: dial tcp: connection refused, after: " + host +
				"pause_milling: no answer: not done: dial tcp: connection refused"}},
		{name: "connection refused, then back", do: func(r *rig) { r.arm(true); r.wire.refuse = 3; r.offer("STOP") },
			posts: []string{"pause id1"}, records: []string{"STOP pause2 done: pauses: the state is not known; is PAUSED"}, state: Paused},
		{name: "pause acted on, answer lost", do: func(r *rig) { r.arm(true); r.server.onPost = r.lost(1, true); r.offer("PAUSE") },
			posts: []string{"pause id1"}, records: []string{paused}, state: Paused},
		{name: "pause lost with its answer", do: func(r *rig) { r.arm(true); r.server.onPost = r.lost(1, false); r.offer("PAUSE") },
			posts: []string{"pause id1", "pause id1"}, records: []string{"PAUSE pause2 done: is PAUSED"}, state: Paused},
		{name: "stop acted on, answer lost", do: func(r *rig) { r.arm(true); r.server.onPost = r.lost(1, true); r.offer("STOP") },
			posts: []string{"stop id1"}, records: []string{"STOP stop1 done: is IDLE"}, state: Idle},
		{name: "stop lost with its answer: next time it pauses", do: func(r *rig) {
			r.arm(true)
			r.server.onPost = r.lost(1, false)
			r.offer("STOP")
			r.wait(5 * time.Second)
			r.offer("STOP")
		}, posts: []string{"stop id1", "pause id2"},
			records: []string{"STOP stop1 failed: asked to stop, but the state is RUNNING, after: " + host + "stop_milling: no answer: EOF",
				"STOP pause1 done: pauses: a stop was sent before; is PAUSED"}, state: Paused},
		{name: "ok that does nothing", do: func(r *rig) { r.arm(true); r.server.frozen = true; r.offer("PAUSE") },
			posts: []string{"pause id1"}, records: []string{"PAUSE pause1 failed: asked to pause, but the state is RUNNING"}},
		{name: "redirect to another host", do: func(r *rig) {
			r.arm(true)
			r.server.onPost = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Location", "http://192.0.2.1/pause_milling")
				w.WriteHeader(http.StatusTemporaryRedirect)
				return true
			}
			r.offer("PAUSE")
		}, posts: []string{"pause id1"},
			records: []string{"PAUSE pause1 failed: " + host + "pause_milling: answered 307: refused: check the controller's address"}},
		{name: "state is nonsense", do: func(r *rig) { r.arm(true); r.server.onState = says(`{"state": NaN}`); r.offer("STOP") },
			posts: []string{"pause id1"}, records: []string{"STOP pause1 failed: pauses: the state is not known; asked to pause, but the state cannot be read: " +
				host + "milling_state: the answer is not a json object: is this OpenFIBSEM's server"}, state: Paused},
		{name: "state has an unknown name", do: func(r *rig) { r.arm(true); r.server.onState = says(`{"state": "MILLING"}`); r.offer("PAUSE") },
			posts: []string{"pause id1"}, records: []string{"PAUSE pause1 failed: asked to pause, but the state cannot be read: " +
				host + `milling_state: the state "MILLING" is unknown: is this OpenFIBSEM's server`}, state: Paused},
		{name: "state is huge", do: func(r *rig) {
			r.arm(true)
			r.server.onState = says(`{"state": "RUNNING", "x": "` + strings.Repeat("x", 10<<20) + `"}`)
			r.offer("PAUSE")
		}, posts: []string{"pause id1"}, records: []string{"PAUSE pause1 failed: asked to pause, but the state cannot be read: " +
			host + "milling_state: the answer has more than 65536 bytes: is this OpenFIBSEM's server"}, state: Paused},
		{name: "state is error", do: func(r *rig) { r.arm(true); r.server.is(Error); r.offer("STOP") },
			posts:   []string{"pause id1"},
			records: []string{"STOP pause1 failed: pauses: the state is not known; asked to pause, but the state is ERROR"}, state: Error},
		{name: "already paused", do: func(r *rig) { r.arm(true); r.server.is(Paused); r.offer("PAUSE", "STOP") },
			records: []string{already, "STOP 0 already: already PAUSED"}, state: Paused},
		{name: "already idle, stopping", do: func(r *rig) {
			r.arm(true)
			r.server.is(Idle)
			r.offer("STOP")
			r.server.is(Stopping)
			r.offer("STOP")
		}, records: []string{"STOP 0 already: already IDLE", "STOP 0 already: already STOPPING"}, state: Stopping},
	})
}
