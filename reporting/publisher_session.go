package reporting

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/zap"
)

var (
	errAckTimeout = errors.New("broker does not acknowledge")
	errLost       = errors.New("connection lost")
)

// session is one connection: connect, subscribe, publish what is retained, then carry the outbox. One
// goroutine does all of it, so that a retained alert is never published after the message that clears it.
type session struct {
	p      *Publisher
	client string
	mqtt   mqtt.Client
	lost   chan error
	kept   keptAlerts

	lanes  lanes
	flying []flight // sent and not acknowledged, in order
	acked  []int64  // acknowledged and not yet removed from the outbox

	pastFlying, pastBytes int // of flying, what is of the past

	greetings    int  // retained messages in flight
	connected    bool // the broker accepted the connection
	greeted      bool // and has the retained messages
	progress     int  // and acknowledged so many messages of the outbox
	firstWaiting int64
	firstMessage Message
}

// flight is a sent message; one without id is a retained one that is not in the outbox.
type flight struct {
	Message
	past     bool // it takes the room of the past
	late     bool // it says that it is historical
	greeting bool
	token    mqtt.Token
	sent     time.Time
}

// run returns why the connection ended; nil after ctx ended and the goodbye was said.
func (s *session) run(ctx context.Context) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	defer s.mqtt.Disconnect(quiesceMs)
	s.connected = true
	if err := s.subscribe(); err != nil {
		return err
	}
	if err := s.greet(true); err != nil {
		return err
	}
	s.p.retryParked()
	s.lanes = lanes{store: s.p.Store, window: s.p.Window, patience: s.p.Patience, parked: s.p.isParked}
	if err := s.lanes.begin(context.Background()); err != nil {
		return err
	}
	s.p.setState(nil)
	s.p.Log.Info("mqtt connected", zap.String("url", shownURL(s.p.URL)), zap.String("client_id", s.client))
	err := s.carry(ctx)
	for _, f := range s.flying {
		if f.ID != 0 {
			s.firstWaiting, s.firstMessage = f.ID, f.Message
			break
		}
	}
	s.remove()
	return err
}

// send does not wait for the broker's acknowledgement.
func (s *session) send(f flight) error {
	wire := f.Message
	if f.late = f.ID != 0 && (f.ID <= s.lanes.last || s.p.Now().Sub(f.Time) > lateAfter); f.late {
		wire.Payload = historical(wire.Payload)
	}
	var err error
	if f.token, err = s.publish(wire); err != nil {
		return err
	}
	if f.sent = time.Now(); f.greeting {
		s.greetings++
	}
	if f.past {
		s.pastFlying, s.pastBytes = s.pastFlying+1, s.pastBytes+len(f.Payload)
	}
	s.flying = append(s.flying, f)
	return nil
}

// publish waits for the socket to take the bytes. Paho does not notice there that the connection is lost
// and goes on until writeTimeout: it is left to that.
func (s *session) publish(m Message) (mqtt.Token, error) {
	sent := make(chan mqtt.Token, 1)
	s.p.sending.Go(func() { sent <- s.mqtt.Publish(m.Topic, m.QoS, m.Retained, m.Payload) })
	select {
	case token := <-sent:
		return token, nil
	case err := <-s.lost:
		return nil, err
	}
}

// carry moves the outbox to the broker.
func (s *session) carry(ctx context.Context) error {
	stop := ctx.Done()
	var deadline <-chan time.Time
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := s.lanes.fetch(context.Background()); err != nil {
			s.p.Log.Error("cannot read the outbox", zap.Error(err))
		}
		if err := s.sendNext(); err != nil {
			return err
		}
		var head <-chan struct{}
		if len(s.flying) > 0 {
			head = s.flying[0].token.Done()
		} else if s.remove(); stop == nil && s.lanes.empty() {
			return s.goodbye()
		}
		select {
		case <-head:
			if err := s.settle(); err != nil {
				return err
			}
		case err := <-s.lost:
			return err
		case <-s.p.Store.Notify():
			s.lanes.present.more = true
		case <-s.kept.found:
			if err := s.clearStale(); err != nil {
				return err
			}
		case <-s.p.poke:
			if err := s.greet(false); err != nil {
				return err
			}
		case <-stop:
			stop, deadline = nil, time.After(s.p.StopTimeout)
			s.lanes.present.more = true
		case <-deadline:
			return s.goodbye()
		case <-tick.C:
			if len(s.flying) > 0 && time.Since(s.flying[0].sent) > s.p.AckTimeout {
				return fmt.Errorf("%w within %v", errAckTimeout, s.p.AckTimeout)
			}
			s.lanes.present.more = true // also after an error
			s.unpark()
			s.remove()
			s.kept.expire(s)
		}
	}
}

// sendNext fills the window. Nothing goes before the broker has the retained topics: a message that it breaks
// the connection at would take their acknowledgement with it.
func (s *session) sendNext() error {
	for s.greetings == 0 && len(s.flying) < s.window() {
		m, past, ok := s.lanes.next(s.pastFlying, s.pastBytes, time.Now())
		if !ok {
			return nil
		}
		if err := s.send(flight{Message: m, past: past}); err != nil {
			return err
		}
		if err := s.lanes.fetch(context.Background()); err != nil {
			s.p.Log.Error("cannot read the outbox", zap.Error(err))
			return nil
		}
	}
	return nil
}

// window is 1 while a message is suspected, so that the one at which the connection ends is known.
func (s *session) window() int {
	if s.p.suspect.id != 0 && s.progress < 4*s.p.Window {
		return 1
	}
	return s.p.Window
}

// unpark takes up again what was set aside long enough ago, in its order. It stays marked until the broker has
// it, so that the lanes do not send it as well.
func (s *session) unpark() {
	var due []int64
	for id, parked := range s.p.parked {
		if !parked.again && !s.p.Now().Before(parked.until) {
			due = append(due, id)
		}
	}
	slices.Sort(due)
	for _, id := range due {
		msgs, err := s.p.Store.NextMessages(context.Background(), id-1, 1)
		if err != nil {
			return
		}
		if len(msgs) == 0 || msgs[0].ID != id {
			delete(s.p.parked, id) // given up by a full outbox
			continue
		}
		s.p.parked[id] = parked{key: s.p.parked[id].key, again: true}
		s.lanes.again = append(s.lanes.again, msgs[0])
	}
}

// settle takes the acknowledged messages off the head of the line. A token says that the broker has the
// message only when it completed without error while the connection stood.
func (s *session) settle() error {
	for len(s.flying) > 0 {
		f := s.flying[0]
		select {
		case <-f.token.Done():
		default:
			if len(s.acked) >= s.p.Window {
				s.remove()
			}
			return nil
		}
		err := f.token.Error()
		select {
		case lost := <-s.lost:
			err = lost
		default:
		}
		if err != nil {
			s.remove()
			return err
		}
		s.flying = s.flying[1:]
		s.arrived(f)
	}
	if len(s.acked) >= s.p.Window {
		s.remove()
	}
	return nil
}

// arrived notes that the broker has a message.
func (s *session) arrived(f flight) {
	if f.past {
		s.pastFlying, s.pastBytes = s.pastFlying-1, s.pastBytes-len(f.Payload)
	}
	if f.greeting {
		s.greetings--
		s.greeted = s.greetings == 0
	}
	if f.ID == 0 {
		return
	}
	s.progress++
	s.acked = append(s.acked, f.ID)
	delete(s.p.parked, f.ID)
	if s.p.suspect.id == f.ID {
		s.p.suspect = suspect{}
	}
	if s.p.OnSent != nil {
		s.p.OnSent(f.Message, f.late, s.p.Now().Sub(f.Time))
	}
}

// remove takes the acknowledged messages out of the outbox. When that fails they are sent twice at worst.
func (s *session) remove() {
	if len(s.acked) == 0 {
		return
	}
	if err := s.p.Store.AckMessage(context.Background(), s.acked...); err != nil {
		s.p.Log.Error("cannot remove messages from the outbox", zap.Error(err))
		return
	}
	s.acked = s.acked[:0]
}

// goodbye says that the daemon stopped as it should, in place of the last will.
func (s *session) goodbye() error {
	msg, err := s.p.builder().Status(s.p.status(StatusStopped))
	if err != nil {
		return err
	}
	token, err := s.publish(msg)
	if err != nil {
		return err
	}
	if !token.WaitTimeout(goodbyeTimeout) {
		return errAckTimeout
	}
	return token.Error()
}
