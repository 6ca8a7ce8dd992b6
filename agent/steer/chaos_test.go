package steer

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// chaos plays a script of bytes against a driver and a server that misbehaves.
func chaos(t testing.TB, script []byte) (posts int) {
	r := newRig(t)
	o := &oracle{newest: map[string]uint64{}, final: map[string]bool{}, ours: map[Verb]bool{}}
	next := func() int {
		if len(script) == 0 {
			return 0
		}
		b := script[0]
		script = script[1:]
		return int(b)
	}
	var mu sync.Mutex
	stateFault, postFault, delay := 0, 0, time.Duration(0)
	faults := func() (int, int, time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		return stateFault, postFault, delay
	}
	set := func(s, p int, d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		stateFault, postFault, delay = s, p, d
	}
	r.server.onState = func(_ int, w http.ResponseWriter, req *http.Request) bool {
		o.answered("")
		fault, _, d := faults()
		if fault > 0 && d > 0 && late(d)(0, w, req) {
			return true
		}
		switch fault {
		case 2:
			w.WriteHeader(500)
		case 3:
			fmt.Fprint(w, `{"state": NaN}`)
		case 4:
			panic(http.ErrAbortHandler)
		case 5:
			fmt.Fprint(w, `{"state": "ERROR"}`)
		default:
			s := r.server.now()
			o.answered(s)
			fmt.Fprintf(w, `{"state":%q}`, s)
		}
		return true
	}
	r.server.onPost = func(_ int, w http.ResponseWriter, req *http.Request) bool {
		path, id := req.URL.Path, req.Header.Get(key)
		o.arrived(path, id)
		_, fault, d := faults()
		act := func() { r.server.act(path) }
		code := 0
		switch fault {
		case 1:
			code = 500
		case 2: // acts, and says it did not
			act()
			code = 500
		case 3:
			act()
			panic(http.ErrAbortHandler)
		case 4:
			panic(http.ErrAbortHandler)
		case 5:
			code = 404
		case 6: // says it acted, and does not
			code = 200
		case 7:
			code = 504
		case 8:
			code = 302
			w.Header().Set("Location", "/resume_milling")
		case 9: // acts late
			if late(d)(0, w, req) {
				act()
				return true
			}
			fallthrough
		default:
			act()
			code = 200
		}
		o.became(path, id, code)
		w.WriteHeader(code)
		return true
	}

	words := []string{"PAUSE", "STOP", "STOP", "CONTINUE", "ABSTAIN", "REALIGN", "PAUSE", "NaN"}
	runs := []string{"run", "run", "run", "other"}
	for len(script) > 0 {
		synctest.Wait() // what the oracle hears and what the driver hears is then one moment
		switch op := next(); op % 16 {
		case 0, 1, 2, 3, 4:
			a := r.advice(words[next()%len(words)])
			a.RunID = runs[next()%len(runs)]
			a.ValidFor = time.Duration(next()) * 10 * time.Millisecond
			age := time.Duration(0)
			if b := next(); b%4 == 0 {
				age = time.Duration(b-128) * 10 * time.Millisecond // half of them of the future
			}
			if b := next(); b%8 == 0 {
				a.Seq -= min(a.Seq, uint64(b/8)) // duplicated or reordered
			}
			if next()%16 == 0 {
				a.Source = "sem"
			}
			a.DecidedAt = a.DecidedAt.Add(-age)
			o.offer(a, age)
			r.d.Offer(a)
		case 5, 6, 7:
			time.Sleep(time.Duration(next())*7*time.Millisecond + 500*time.Microsecond)
		case 8:
			time.Sleep(time.Duration(next()) * 99 * time.Millisecond)
		case 9, 10:
			run, lease, stop := runs[next()%len(runs)], time.Duration(next()+1)*101*time.Millisecond, next()%4 > 0
			anew := !r.d.State().Armed
			if _, err := r.d.Arm(run, lease, stop, "ann"); err == nil {
				o.arm(run, lease, stop, anew)
			}
		case 11:
			if next()%4 == 0 {
				r.d.Disarm("bob", "")
				o.disarm()
			}
		case 12:
			if next()%16 == 0 {
				run := runs[next()%len(runs)]
				r.d.RunClosed(run)
				o.close(run)
			}
		case 13:
			// No round number: an answer at the very instant of a timeout was sent and not heard.
			set(next()%6, next()%10, time.Duration(next())*17*time.Millisecond+137911)
		case 14:
			r.jump(time.Duration(next()-128) * time.Minute)
		case 15:
			r.server.is([]State{Running, Running, Running, Paused, Idle, Stopping, Error}[next()%7])
		}
	}
	synctest.Wait()
	require.Empty(t, o.broken)

	// After all that, a pause that is called for is made.
	set(0, 0, 0)
	r.wait(20 * time.Second)
	r.d.Disarm("bob", "")
	o.disarm()
	r.server.is(Running)
	before := o.posts
	_, err := r.d.Arm("last", time.Minute, true, "ann")
	require.NoError(t, err)
	o.arm("last", time.Minute, true, true)
	a := r.advice("PAUSE")
	a.RunID = "last"
	o.offer(a, 0)
	r.d.Offer(a)
	r.wait(time.Second)
	require.Equal(t, Paused, r.server.now())
	require.Equal(t, before+1, o.posts)
	require.Empty(t, o.broken)
	for _, p := range r.server.posts {
		require.Regexp(t, `^(pause|stop) id\d+$`, p)
	}
	return o.posts
}

func TestNothingForbiddenIsEverAsked(t *testing.T) {
	posts := 0
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 18))
		script := make([]byte, 400)
		for i := range script {
			script[i] = byte(random.IntN(256))
		}
		ok := t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { posts += chaos(t, script) })
		})
		if !ok {
			return
		}
	}
	t.Logf("%d requests judged", posts)
	require.Greater(t, posts, 1000, "the scripts must reach the rules")
}

func FuzzDriver(f *testing.F) {
	f.Add([]byte{9, 0, 200, 1, 0, 0, 0, 0, 200, 1, 1, 1, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 2000 {
			return
		}
		synctest.Test(t, func(t *testing.T) { chaos(t, script) })
	})
}
