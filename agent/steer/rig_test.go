package steer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "Idempotency-Key"

// wire is a network of one server without sockets: a bubble's clock stands still while a socket is read.
type wire struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	mu     sync.Mutex
	refuse int // dials to come
	hang   time.Duration
	dialed map[string]int
}

func newWire() *wire {
	return &wire{conns: make(chan net.Conn), closed: make(chan struct{}), dialed: map[string]int{}}
}

func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error   { w.once.Do(func() { close(w.closed) }); return nil }
func (w *wire) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8001} }

func (w *wire) dial(ctx context.Context, _, address string) (net.Conn, error) {
	w.mu.Lock()
	w.dialed[address]++
	refused := w.refuse > 0
	if refused {
		w.refuse--
	}
	hang := w.hang
	w.mu.Unlock()
	if hang > 0 && !sleep(ctx, hang) {
		return nil, ctx.Err()
	}
	if refused {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	near, far := net.Pipe()
	select {
	case w.conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-w.closed:
		return nil, errors.New("no network")
	}
}

// fibsem is a server with the endpoints of OpenFIBSEM, and faults.
type fibsem struct {
	mu     sync.Mutex
	state  State
	posts  []string
	frozen bool // answers, but does not act
	// A fault answers instead and returns true; n counts from 1. It is called without the lock.
	onState func(n int, w http.ResponseWriter, r *http.Request) bool
	onPost  func(n int, w http.ResponseWriter, r *http.Request) bool
	reads   int
}

func (f *fibsem) is(s State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = s
}

func (f *fibsem) now() State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

// act does what the path says.
func (f *fibsem) act(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.frozen:
	case path == "/stop_milling":
		f.state = Idle
	case f.state == Running:
		f.state = Paused
	}
}

func (f *fibsem) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	f.mu.Lock()
	fault, n := f.onState, 0
	if r.Method == http.MethodGet && r.URL.Path == "/milling_state" {
		f.reads++
		n = f.reads
	} else {
		verb := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/"), "_milling")
		f.posts = append(f.posts, fmt.Sprintf("%s %s", verb, r.Header.Get(key)))
		fault, n = f.onPost, len(f.posts)
	}
	f.mu.Unlock()
	if fault != nil && fault(n, w, r) {
		return
	}
	if r.Method == http.MethodGet {
		fmt.Fprintf(w, `{"state":%q}`, f.now())
		return
	}
	f.act(r.URL.Path)
	fmt.Fprint(w, `{"status":"ok"}`)
}

// slow makes connections take a time from now on.
func (w *wire) slow(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hang = d
}

// rig is a driver, a server and a wall clock that can jump, in a bubble.
type rig struct {
	t       testing.TB
	wire    *wire
	server  *fibsem
	d       *Driver
	stop    func()
	mu      sync.Mutex
	jumped  time.Duration
	seq     uint64
	records []string
	arms    []string
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, wire: newWire(), server: &fibsem{state: Running}}
	server := &httptest.Server{Listener: r.wire, Config: &http.Server{Handler: r.server}}
	server.Start()
	r.boot()
	t.Cleanup(func() {
		r.stop()
		server.Close()
	})
	return r
}

// boot starts a driver, the former one's program being gone.
func (r *rig) boot() {
	if r.stop != nil {
		r.stop()
	}
	base, err := url.Parse("http://127.0.0.1:8001")
	require.NoError(r.t, err)
	r.d, err = New(Options{
		Source: "fib", Controller: newOpenFIBSEM(base, DefaultTimeout, r.wire.dial), Now: r.now,
		Record: func(c Command) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.records = append(r.records, fmt.Sprintf("%s %s%d %s: %s", c.Advice, c.Verb, c.Requests, c.Outcome, c.Why))
		},
		Changed: func(s ArmState) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if s.Armed {
				r.arms = append(r.arms, "armed by "+s.By)
			} else {
				r.arms = append(r.arms, s.Why)
			}
		},
	})
	require.NoError(r.t, err)
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.d.Run(ctx)
	}()
	r.stop = func() {
		cancel()
		<-ended
	}
}

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.jumped)
}

func (r *rig) jump(by time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.jumped += by
}

func (r *rig) arm(allowStop bool) {
	_, err := r.d.Arm("run", time.Minute, allowStop, "ann")
	require.NoError(r.t, err)
}

// advice is a fresh one of the run, valid for 2 s.
func (r *rig) advice(word string) Advice {
	r.seq++
	id := fmt.Sprintf("id%d", r.seq)
	return Advice{Source: "fib", RunID: "run", FrameID: id, ID: id, Seq: r.seq, Advice: word, DecidedAt: r.now(), ValidFor: 2 * time.Second}
}

// offer offers fresh advice and waits until nothing moves without time.
func (r *rig) offer(words ...string) {
	for _, word := range words {
		r.d.Offer(r.advice(word))
		synctest.Wait()
	}
}

func (r *rig) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
