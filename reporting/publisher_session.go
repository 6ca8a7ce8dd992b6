package reporting

import (
	"context"
	"errors"
	"fmt"
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

	after  int64     // highest outbox id fetched
	queue  []Message // fetched and not sent
	flying []flight  // sent and not acknowledged, in order
	acked  []int64   // acknowledged and not yet removed from the outbox

	greetings    int  // retained messages in flight
	connected    bool // the broker accepted the connection
	greeted      bool // and has the retained messages
	progress     bool // and acknowledged a message of the outbox
	firstWaiting int64
	firstTopic   string
}

// flight is a sent message; id 0 is a retained one that is not in the outbox.
type flight struct {
	id    int64
	topic string
	token mqtt.Token
	sent  time.Time
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
	s.p.setState(nil)
	s.p.Log.Info("mqtt connected", zap.String("url", shownURL(s.p.URL)), zap.String("client_id", s.client))
	err := s.carry(ctx)
	for _, f := range s.flying {
		if f.id != 0 {
			s.firstWaiting, s.firstTopic = f.id, f.topic
			break
		}
	}
	return err
}

// send does not wait for the broker's acknowledgement.
func (s *session) send(m Message) error {
	token, err := s.publish(m)
	if err != nil {
		return err
	}
	if m.ID == 0 {
		s.greetings++
	}
	s.flying = append(s.flying, flight{m.ID, m.Topic, token, time.Now()})
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
	stop, window := ctx.Done(), s.p.Window
	if s.p.suspect.id != 0 {
		window = 1
	}
	var deadline <-chan time.Time
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for more := true; ; {
		if len(s.queue) == 0 && more {
			more = s.fetch()
		}
		// Not before the broker has the retained topics: a message that it breaks the connection at would
		// take their acknowledgement with it.
		for s.greetings == 0 && len(s.queue) > 0 && len(s.flying) < window {
			if err := s.send(s.queue[0]); err != nil {
				return err
			}
			s.queue = s.queue[1:]
		}
		if len(s.queue) == 0 && more {
			continue // one page is sent, read the next
		}
		var head <-chan struct{}
		if len(s.flying) > 0 {
			head = s.flying[0].token.Done()
		} else if stop == nil && len(s.queue) == 0 {
			return s.goodbye()
		}
		select {
		case <-head:
			if err := s.settle(); err != nil {
				return err
			}
			if s.progress {
				window = s.p.Window
			}
		case err := <-s.lost:
			return err
		case <-s.p.Store.Notify():
			more = true
		case <-s.p.poke:
			if err := s.greet(false); err != nil {
				return err
			}
		case <-stop:
			stop, more, deadline = nil, true, time.After(s.p.StopTimeout)
		case <-deadline:
			return s.goodbye()
		case <-second.C:
			if len(s.flying) > 0 && time.Since(s.flying[0].sent) > s.p.AckTimeout {
				return fmt.Errorf("%w within %v", errAckTimeout, s.p.AckTimeout)
			}
			s.unpark()
			s.remove()
		}
	}
}

// fetch reads on in the outbox, at most two windows at once, and reports whether there may be more.
func (s *session) fetch() bool {
	limit := 2 * s.p.Window
	msgs, err := s.p.Store.NextMessages(context.Background(), s.after, limit)
	if err != nil {
		s.p.Log.Error("cannot read the outbox", zap.Error(err))
		return false
	}
	for _, m := range msgs {
		s.after = m.ID
		if _, parked := s.p.parked[m.ID]; !parked {
			s.queue = append(s.queue, m)
		}
	}
	return len(msgs) == limit
}

// unpark takes up again what was set aside long enough ago.
func (s *session) unpark() {
	for id, until := range s.p.parked {
		if s.p.Now().Before(until) {
			continue
		}
		delete(s.p.parked, id)
		msgs, err := s.p.Store.NextMessages(context.Background(), id-1, 1)
		if err == nil && len(msgs) == 1 && msgs[0].ID == id && id <= s.after {
			s.queue = append(s.queue, msgs[0])
		}
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
			s.remove()
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
		if f.id == 0 {
			s.greetings--
			s.greeted = s.greetings == 0
		} else {
			s.progress = true
			s.acked = append(s.acked, f.id)
		}
	}
	s.remove()
	return nil
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
