package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// ControlFile is where a controlled run's accepted verbs are written, below Microscope.Dir and TruthDir.
const ControlFile = "control.jsonl"

// Control is the milling control of the simulated microscope: an http.Handler with the verbs of OpenFIBSEM's server,
// and with Beam the hook of the Microscope that obeys it. The fields are its parameters; it is safe for concurrent use.
//
//	GET  /health  /milling_state  /estimate_milling_time
//	POST /start_milling  /pause_milling  /resume_milling  /stop_milling
//
// The beam is off while PAUSED or IDLE; frames are taken all the same. A repeated verb is accepted and changes nothing. What
// was stopped stays so: start and resume are then refused with status 409.
type Control struct {
	Scene  *Milling  // whose milling time is estimated
	RateHz float64   // frames per second, for that estimate; 0: a frame takes 5 s
	Start  int       // index of the first frame; 0 means 1
	Idle   bool      // milling waits for /start_milling; otherwise it runs from the first frame on
	Log    io.Writer // takes a Verb as a JSON line for each accepted one; may be nil

	mu      sync.Mutex
	state   State // empty until it is first needed
	stopped bool
	next    int // index of the frame to come; 0 before the first
	beam    Beam
}

// Verb is one accepted verb, a line of ControlFile.
type Verb struct {
	Time    time.Time `json:"time"`
	Verb    string    `json:"verb"`    // as in the request's path
	Index   int       `json:"index"`   // of the first frame that shows its effect
	State   State     `json:"state"`   // after it
	Changed bool      `json:"changed"` // false for a repeated verb
}

// errRefused tells verbs that are refused in the present state.
var errRefused = errors.New("refused")

// begin sets the first state. mu is held.
func (c *Control) begin() {
	if c.state != "" {
		return
	}
	c.state = Running
	if c.Idle {
		c.state = Idle
	}
}

// Beam implements Microscope.Beam: the first frame shows the sample before the beam was on; each further one has one frame
// of milling more than the one before when the state is RUNNING at the time it is taken.
func (c *Control) Beam(index int) Beam {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begin()
	c.beam.Before, c.beam.State = c.beam.Dose, c.state
	if c.next > 0 && c.state == Running {
		c.beam.Dose++
	}
	c.next = index + 1
	return c.beam
}

// State returns the milling state, as GET /milling_state does.
func (c *Control) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begin()
	return c.state
}

// Do carries out a verb: start_milling, pause_milling, resume_milling or stop_milling, as POST does. It fails when the
// state does not allow it.
func (c *Control) Do(verb string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begin()
	to, err := c.after(verb)
	if err != nil {
		return err
	}
	if c.Log != nil {
		v := Verb{Time: time.Now().UTC(), Verb: verb, Index: c.next, State: to, Changed: to != c.state || verb == "stop_milling" && !c.stopped}
		if v.Index == 0 {
			v.Index = max(c.Start, 1)
		}
		if err := json.NewEncoder(c.Log).Encode(v); err != nil {
			return fmt.Errorf("simulate: %s was not carried out, because it cannot be logged: %w; check the disk's free space", verb, err)
		}
	}
	c.state, c.stopped = to, c.stopped || verb == "stop_milling"
	return nil
}

// after is the state that verb leads to. mu is held.
func (c *Control) after(verb string) (State, error) {
	switch {
	case verb == "stop_milling":
		return Idle, nil
	case verb == "pause_milling" && c.state == Running:
		return Paused, nil
	case verb == "pause_milling":
		return c.state, nil
	case c.stopped:
		return "", fmt.Errorf("%w: %s after a stop; begin a new run", errRefused, verb)
	case verb == "start_milling" && c.state == Paused:
		return "", fmt.Errorf("%w: start_milling while paused; use resume_milling", errRefused)
	case verb == "resume_milling" && c.state == Idle:
		return "", fmt.Errorf("%w: resume_milling before milling was started; use start_milling", errRefused)
	case verb == "start_milling", verb == "resume_milling":
		return Running, nil
	}
	return "", fmt.Errorf("verb %q: not known; use start_milling, pause_milling, resume_milling or stop_milling", verb)
}

// estimate is how long milling the pattern takes at the nominal rate, s: like an instrument's estimate it knows nothing
// of harder material.
func (c *Control) estimate() (float64, error) {
	if c.Scene == nil {
		return 0, errors.New("no scene to estimate; give one")
	}
	s, err := c.Scene.resolve()
	if err != nil {
		return 0, err
	}
	period := framePeriod.Seconds()
	if c.RateHz > 0 {
		period = 1 / c.RateHz
	}
	r := newRun(s)
	return r.front.length / r.front.rate * period, nil
}

// ServeHTTP implements http.Handler.
func (c *Control) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	method := http.MethodGet
	var serve func() (any, error)
	switch r.URL.Path {
	case "/health":
		serve = func() (any, error) { return map[string]string{"status": "ok", "manufacturer": "aimsd simulate"}, nil }
	case "/milling_state":
		serve = func() (any, error) { return map[string]State{"state": c.State()}, nil }
	case "/estimate_milling_time":
		serve = func() (any, error) {
			s, err := c.estimate()
			return map[string]float64{"seconds": s}, err
		}
	case "/start_milling", "/pause_milling", "/resume_milling", "/stop_milling":
		method = http.MethodPost
		serve = func() (any, error) { return map[string]string{"status": "ok"}, c.Do(r.URL.Path[1:]) }
	default:
		reply(w, http.StatusNotFound, map[string]string{"detail": "Not Found"})
		return
	}
	if r.Method != method {
		w.Header().Set("Allow", method)
		reply(w, http.StatusMethodNotAllowed, map[string]string{"detail": "Method Not Allowed"})
		return
	}
	body, err := serve()
	switch {
	case err == nil:
		reply(w, http.StatusOK, body)
	case errors.Is(err, errRefused):
		reply(w, http.StatusConflict, map[string]string{"detail": err.Error()})
	default:
		reply(w, http.StatusInternalServerError, map[string]string{"detail": err.Error()})
	}
}

// reply writes body as JSON.
func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone; nobody is left to tell
}
