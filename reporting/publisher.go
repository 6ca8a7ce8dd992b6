package reporting

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Outbox is what the publisher needs of the store.
type Outbox interface {
	// Backlog returns the highest id that waits, how many messages wait, and how many of each alert, by key.
	Backlog(ctx context.Context) (last, waiting int64, alerts map[string]int, err error)
	// NextMessages returns the messages with an id above after, oldest first.
	NextMessages(ctx context.Context, after int64, limit int) ([]Message, error)
	// NextAlertMessages and NextOtherMessages return those of alerts and all others with an id up to last.
	NextAlertMessages(ctx context.Context, after, last int64, limit int) ([]Message, error)
	NextOtherMessages(ctx context.Context, after, last int64, limit int) ([]Message, error)
	// AckMessage removes messages that the broker has.
	AckMessage(ctx context.Context, ids ...int64) error
	// Notify has a value when messages were added.
	Notify() <-chan struct{}
	// ActiveAlerts returns the alerts whose retained message belongs on the broker.
	ActiveAlerts(ctx context.Context) ([]AlertState, error)
	// Waiting reports whether a message for the topic is in the outbox.
	Waiting(ctx context.Context, topic string) (bool, error)
	// InstanceID is a name that stays the same from start to start.
	InstanceID(ctx context.Context) (string, error)
}

var _ Outbox = (*Store)(nil)

// Publisher carries the outbox to an MQTT broker (3.1.1) and keeps the retained topics status, meta and
// alert/... true. Set the fields, call Run; the other methods may be called from any goroutine.
//
// A message leaves the outbox when the broker has acknowledged it and every message sent before it: after a
// lost connection the unacknowledged ones are sent again, with the same ids, in the same order. What gathered
// while there was no connection is sent beside what comes new, marked as historical (see lanes). Every
// connection is a paho client of its own. Paho's own reconnection is not used: it resends from its memory
// in any order, completes tokens of a lost connection, and cannot be stopped while it waits.
//
// Run without a broker is no failure: it tries again, and Ready says why it is not connected.
type Publisher struct {
	URL          string // tcp://, ssl://, ws:// or wss:// host:port
	Username     string
	PasswordFile string // read at every connection, so that a password can be changed
	TLS          TLSFiles
	ClientID     string // "": made from site, instrument and the store's instance id

	Topics Topics
	Store  Outbox
	// OnCommand is called for every command for an alert that arrives. ErrNotFound refuses it for good; after
	// another error it is delivered again. nil: commands are not subscribed to.
	OnCommand func(context.Context, Command) error
	// OnSent is called for every message of the outbox that the broker has acknowledged: late ones are marked as
	// historical, delay is from the message's making. nil: nobody counts.
	OnSent func(m Message, late bool, delay time.Duration)
	Log    *zap.Logger      // nil: no log
	Now    func() time.Time // nil: time.Now

	Window      int           // messages sent and not yet acknowledged; 0: 32
	Patience    time.Duration // of new messages with those that gathered without a connection; 0: 500 ms
	AckTimeout  time.Duration // a broker silent for longer is left; 0: 30 s
	StopTimeout time.Duration // for what is left in the outbox when Run ends; 0: 3 s
	MaxBackoff  time.Duration // between attempts to connect; 0: 30 s

	once    sync.Once
	mu      sync.Mutex
	session string
	conns   uint64
	online  bool
	meta    *MetaMessage
	state   error // nil: connected
	cancel  context.CancelFunc
	done    chan struct{}
	poke    chan struct{} // online or meta changed
	parked  map[int64]parked
	suspect suspect
	sending sync.WaitGroup // calls of paho that outlive their connection

	commands    chan struct{} // those that are being obeyed or wait
	nextCommand time.Time
}

var errNotStarted = errors.New("mqtt publisher has not begun")

func (p *Publisher) init() {
	p.once.Do(func() {
		p.Log = orNop(p.Log)
		if p.Now == nil {
			p.Now = time.Now
		}
		p.Window = orDefault(p.Window, 32)
		p.Patience = orDefault(p.Patience, 500*time.Millisecond)
		p.AckTimeout = orDefault(p.AckTimeout, 30*time.Second)
		p.StopTimeout = orDefault(p.StopTimeout, 3*time.Second)
		p.MaxBackoff = orDefault(p.MaxBackoff, 30*time.Second)
		p.session = newID(p.Now())
		p.state = errNotStarted
		p.poke = make(chan struct{}, 1)
		p.commands = make(chan struct{}, commandsWaiting)
		p.parked = map[int64]parked{}
	})
}

func orDefault[T ~int | ~int64](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// Validate checks what can be checked without a broker: the URL, the files, the names.
func (p *Publisher) Validate() error {
	if p.Topics == (Topics{}) {
		return errors.New("mqtt: no site and instrument")
	}
	if err := checkURL(p.URL); err != nil {
		return err
	}
	if _, err := p.password(); err != nil {
		return err
	}
	_, err := p.TLS.config(p.URL)
	return err
}

// Run connects, and connects again, until ctx ends; then it sends what is left in the outbox, for at most
// StopTimeout, says that it stopped, and returns nil. It returns an error only for a configuration that
// cannot work. It is called once.
func (p *Publisher) Run(ctx context.Context) error {
	p.init()
	if err := p.Validate(); err != nil {
		return err
	}
	id, err := p.clientID(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p.mu.Lock()
	if p.done != nil {
		p.mu.Unlock()
		return errors.New("mqtt publisher: run twice")
	}
	p.cancel, p.done = cancel, make(chan struct{})
	p.mu.Unlock()
	defer close(p.done)
	defer p.sending.Wait()

	var pause time.Duration
	var last string
	short := 0 // connections in a row that ended soon
	for ctx.Err() == nil {
		s := &session{p: p, client: id}
		begun := time.Now()
		err := s.run(ctx)
		if ctx.Err() != nil {
			break
		}
		err = fmt.Errorf("mqtt broker %s: %w", shownURL(p.URL), err)
		p.setState(err)
		p.blame(s)
		if short++; !s.greeted || time.Since(begun) > shortLived {
			short = 0
		} else if short == blameLimit {
			p.Log.Warn("connections end soon after they begin; does another client, or a copy of data_dir, use this client id?", zap.String("client_id", id))
		}
		if s.progress > 0 {
			pause = 0
		}
		pause = min(max(2*pause, 250*time.Millisecond), p.MaxBackoff)
		if text := err.Error(); s.connected || text != last { // not the same line for hours
			last = text
			p.Log.Warn("no mqtt connection; messages wait in the outbox", zap.Error(err), zap.Duration("retry_in", pause))
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2+1)):
		case <-ctx.Done():
		}
	}
	p.setState(errors.New("mqtt publisher has stopped"))
	return nil
}

// Close ends Run and waits for it.
func (p *Publisher) Close() {
	p.mu.Lock()
	cancel, done := p.cancel, p.done
	p.mu.Unlock()
	if cancel != nil {
		cancel()
		<-done
	}
}

// Ready returns nil while connected, else why not.
func (p *Publisher) Ready() error {
	p.init()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.state
}

// SetOnline lets the status say online, now and at every connection: call it once the daemon is ready.
func (p *Publisher) SetOnline() {
	p.init()
	p.mu.Lock()
	p.online = true
	p.mu.Unlock()
	p.wake()
}

// SetMeta sets what the meta topic says, now and at every connection. Its session is filled in.
func (p *Publisher) SetMeta(m MetaMessage) {
	p.init()
	p.mu.Lock()
	m.Session = p.session
	p.meta = &m
	p.mu.Unlock()
	p.wake()
}

func (p *Publisher) wake() {
	select {
	case p.poke <- struct{}{}:
	default:
	}
}

func (p *Publisher) setState(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = err
}

func (p *Publisher) builder() Builder { return Builder{Topics: p.Topics, Now: p.Now} }

func (p *Publisher) clientID(ctx context.Context) (string, error) {
	if p.ClientID != "" {
		return p.ClientID, nil
	}
	instance, err := p.Store.InstanceID(ctx)
	if err != nil {
		return "", err
	}
	// 21 letters and digits: every broker takes up to 23 (MQTT 3.1.1, 3.1.3.1).
	sum := sha256.Sum256([]byte(p.Topics.Site() + "/" + p.Topics.Instrument() + "/" + instance))
	return "aimsd" + hex.EncodeToString(sum[:8]), nil
}

func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return fmt.Errorf("mqtt.url %q: want a URL such as tcp://127.0.0.1:1883", shownURL(raw))
	}
	switch u.Scheme {
	case "tcp", "mqtt", "ssl", "tls", "mqtts", "ws", "wss":
		return nil
	}
	return fmt.Errorf("mqtt.url %q: scheme %q is unknown; use tcp, ssl, ws or wss", shownURL(raw), u.Scheme)
}

// shownURL hides a password.
func shownURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(unreadable)"
	}
	return u.Redacted()
}
