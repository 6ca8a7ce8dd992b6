package stream

import (
	"errors"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"
)

// limitedListener refuses connections beyond a number: those are closed at once, so that they neither wait
// unseen nor take memory.
type limitedListener struct {
	net.Listener
	limit int
	log   *zap.Logger

	mu   sync.Mutex
	open int
	told time.Time
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.enter() {
			return &limitedConn{Conn: conn, leave: sync.OnceFunc(l.leave)}, nil
		}
		_ = conn.Close()
	}
}

func (l *limitedListener) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open < l.limit {
		l.open++
		return true
	}
	if time.Since(l.told) > time.Minute {
		l.told = time.Now()
		l.log.Warn("a connection is refused, there are as many as are allowed", zap.Int("limit", l.limit))
	}
	return false
}

func (l *limitedListener) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
}

func (l *limitedListener) connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

type limitedConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// rateLimit allows a number of calls per second and client address, and a burst of as many seconds' worth as
// it takes to connect anew with every stream.
type rateLimit struct {
	perSecond float64 // 0: no limit

	mu   sync.Mutex
	left map[string]allowance
}

type allowance struct {
	calls float64
	at    time.Time
}

const (
	burstSeconds  = 5
	maxRateClient = 1024 // remembered at once
)

var errTooManyCalls = errors.New("too many calls in a short time: keep one stream open and send all frames over it")

// take counts a call of a client.
func (r *rateLimit) take(client string, now time.Time) error {
	if r.perSecond <= 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	most := burstSeconds * r.perSecond
	if len(r.left) >= maxRateClient { // those that have been still for a while have their allowance back anyway
		for name, a := range r.left {
			if now.Sub(a.at) > burstSeconds*time.Second {
				delete(r.left, name)
			}
		}
	}
	a, known := r.left[client]
	switch {
	case known:
		a.calls = min(most, a.calls+r.perSecond*now.Sub(a.at).Seconds())
	case len(r.left) >= maxRateClient:
		return errTooManyCalls
	default:
		a.calls = most
	}
	a.at = now
	if a.calls < 1 {
		r.left[client] = a
		return errTooManyCalls
	}
	a.calls--
	if r.left == nil {
		r.left = map[string]allowance{}
	}
	r.left[client] = a
	return nil
}
