package steer

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// always and first make faults of an answer.
func always(code int) func(int, http.ResponseWriter, *http.Request) bool { return first(1<<30, code) }

func first(k, code int) func(int, http.ResponseWriter, *http.Request) bool {
	return func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n <= k {
			w.WriteHeader(code)
		}
		return n <= k
	}
}

func says(body string) func(int, http.ResponseWriter, *http.Request) bool {
	return func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		fmt.Fprint(w, body)
		return true
	}
}

// late answers after a time, unless the client has gone.
func late(d time.Duration) func(int, http.ResponseWriter, *http.Request) bool {
	return func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		select {
		case <-r.Context().Done():
			return true
		case <-time.After(d):
			return false
		}
	}
}

// lost acts, then breaks the connection instead of answering, the first k times.
func (r *rig) lost(k int, acts bool) func(int, http.ResponseWriter, *http.Request) bool {
	return func(n int, _ http.ResponseWriter, req *http.Request) bool {
		if n > k {
			return false
		}
		if acts {
			r.server.act(req.URL.Path)
		}
		panic(http.ErrAbortHandler)
	}
}

// slowAfterState makes connections slow when the state has been read once.
func (r *rig) slowAfterState(d time.Duration) {
	r.server.onState = func(int, http.ResponseWriter, *http.Request) bool {
		r.wire.slow(d)
		return false
	}
}

// fault is a story, and all that comes of it.
type fault struct {
	name    string
	do      func(r *rig)
	posts   []string // what the server was asked, exactly
	records []string // what the record says, exactly
	state   State    // in the end; empty: RUNNING
	why     string   // disarmed; empty: still armed
}

const (
	already = "PAUSE 0 already: already PAUSED"
	paused  = "PAUSE pause1 done: is PAUSED"
	host    = "http://127.0.0.1:8001/"
)

func play(t *testing.T, faults []fault) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				f.do(r)
				r.wait(10 * time.Second)
				require.Equal(t, f.posts, r.server.posts)
				require.Equal(t, f.records, r.records)
				if f.state == "" {
					f.state = Running
				}
				require.Equal(t, f.state, r.server.now())
				s := r.d.State()
				require.Equal(t, f.why, s.Why)
				require.Equal(t, f.why == "", s.Armed)
				for address := range r.wire.dialed {
					require.Equal(t, "127.0.0.1:8001", address)
				}
			})
		})
	}
}
