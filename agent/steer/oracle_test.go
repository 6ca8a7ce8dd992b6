package steer

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// oracle holds the rules once more, from the server's side of the wire: for each POST that arrives, whether it may. It
// knows what was offered, who armed, and what its own server answered; nothing of the driver.
type oracle struct {
	mu     sync.Mutex
	armed  bool
	run    string
	stop   bool
	lease  time.Time
	since  int               // offers before it came before this arming
	offers []offered         // all that count, in order
	newest map[string]uint64 // by run
	closed string
	read   State           // what the last question was answered; empty: nothing useful
	ours   map[Verb]bool   // reached the server in this arming
	worked bool            // and a later answer showed it
	stops  int             // stops that may have had an effect
	final  map[string]bool // ids that must not come again
	posts  int
	broken []string
}

type offered struct {
	Advice
	until time.Time
}

// arm: anew, if the driver had disarmed itself, which it always may.
func (o *oracle) arm(run string, lease time.Duration, stop, anew bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tick()
	if !o.armed || anew {
		o.since, o.ours, o.worked, o.stops = len(o.offers), map[Verb]bool{}, false, 0
	}
	o.armed, o.run, o.stop, o.lease = true, run, stop, time.Now().Add(lease)
}

func (o *oracle) tick() { o.armed = o.armed && time.Now().Before(o.lease) }

func (o *oracle) disarm() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.armed = false
}

func (o *oracle) close(run string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.armed = o.armed && o.run != run
	o.closed = run
	delete(o.newest, run)
}

// offer counts an advice whose age is known.
func (o *oracle) offer(a Advice, age time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tick()
	last, seen := o.newest[a.RunID]
	switch {
	case !strings.Contains(" CONTINUE PAUSE STOP REALIGN ABSTAIN ", " "+a.Advice+" "), a.Source != "fib", a.RunID == o.closed:
		return
	case seen && a.Seq <= last:
		return
	}
	o.newest[a.RunID] = a.Seq
	left := a.ValidFor - age
	if age < 0 {
		left = 0
	}
	o.offers = append(o.offers, offered{a, time.Now().Add(left)})
}

func (o *oracle) answered(s State) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.read = s
	if o.ours[Pause] && s == Paused || o.ours[Stop] && (s == Idle || s == Stopping || s == Paused) {
		o.worked = true
	}
}

// arrived judges a POST; effect is what became of it.
func (o *oracle) arrived(path, id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tick()
	o.posts++
	verb := map[string]Verb{"/pause_milling": Pause, "/stop_milling": Stop}[path]
	forbid := func(is bool, rule string) {
		if is {
			o.broken = append(o.broken, fmt.Sprintf("%s %s: %s", path, id, rule))
		}
	}
	forbid(verb == "", "unknown verb")
	forbid(!o.armed, "not armed")
	forbid(o.final[id], "this command had ended")
	forbid(o.worked, "one worked before")
	forbid(o.read == Paused || o.read == Idle || o.read == Stopping, "does not mill")
	var because *offered
	var newest string
	for i := range o.offers {
		if o.offers[i].RunID == o.run {
			newest = o.offers[i].Advice.Advice
		}
		if o.offers[i].ID == id && i >= o.since {
			because = &o.offers[i]
		}
	}
	if because == nil {
		forbid(true, "nobody advised it in this arming")
		return
	}
	forbid(because.RunID != o.run, "another run's")
	forbid(!time.Now().Before(because.until), "advice is too old")
	word := because.Advice.Advice
	forbid(word != "PAUSE" && word != "STOP", "advice is "+word)
	o.ours[verb] = true
	if verb == Stop {
		forbid(word != "STOP" || newest != "STOP", "newest advice is "+newest)
		forbid(!o.stop, "stop not allowed")
		forbid(o.read != Running, "stops what is not seen to mill")
		forbid(o.stops > 0, "second stop")
		o.stops++
	}
}

// became tells what a POST was answered: 0 is nothing.
func (o *oracle) became(path, id string, code int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if code != 0 && code < 500 {
		o.final[id] = true
	}
	if path == "/stop_milling" && (code == 500 || code == 503 || code >= 300 && code < 500) {
		o.stops--
	}
}
