package reporting

import (
	"context"
	"fmt"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/zap"
)

// Times of a connection.
const (
	connectTimeout = 10 * time.Second
	writeTimeout   = 5 * time.Second
	keepAlive      = 20 * time.Second
	goodbyeTimeout = time.Second
	quiesceMs      = 250
)

func (s *session) connect(ctx context.Context) error {
	p := s.p
	o, err := p.options(s.client)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.conns++
	p.mu.Unlock()
	will, err := p.builder().Status(p.status(StatusOffline))
	if err != nil {
		return err
	}
	s.lost = make(chan error, 1)
	o.SetCleanSession(false).SetOrderMatters(false).SetAutoAckDisabled(true)
	o.SetConnectTimeout(connectTimeout).SetWriteTimeout(writeTimeout).SetKeepAlive(keepAlive).SetPingTimeout(keepAlive / 2)
	o.SetBinaryWill(will.Topic, will.Payload, will.QoS, will.Retained)
	s.kept.found = make(chan struct{}, 1)
	o.SetDefaultPublishHandler(s.receive(ctx)) // also for what the broker kept while we were away
	o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { s.lost <- fmt.Errorf("%w: %w", errLost, err) })
	s.mqtt = mqtt.NewClient(o)
	token := s.mqtt.Connect()
	select {
	case <-token.Done():
		return token.Error()
	case <-ctx.Done():
		s.mqtt.Disconnect(0) // the attempt ends by itself, within connectTimeout
		return context.Cause(ctx)
	}
}

// options are what every connection to the broker has: address, credentials and certificates.
func (p *Publisher) options(client string) (*mqtt.ClientOptions, error) {
	password, err := p.password()
	if err != nil {
		return nil, err
	}
	tlsConfig, err := p.TLS.config(p.URL)
	if err != nil {
		return nil, err
	}
	o := mqtt.NewClientOptions().AddBroker(p.URL).SetClientID(client).SetUsername(p.Username).SetPassword(password)
	o.SetProtocolVersion(4).SetAutoReconnect(false).SetConnectRetry(false) // Publisher.Run does both
	if tlsConfig != nil {
		o.SetTLSConfig(tlsConfig)
	}
	return o, nil
}

func (p *Publisher) status(state string) StatusMessage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return StatusMessage{State: state, Session: p.session, Connection: p.conns}
}

// subscribe asks for commands, and for the alerts that the broker has. A broker that forbids it still gets the
// messages.
func (s *session) subscribe() error {
	filters := map[string]byte{s.p.Topics.AlertFilter(): 1}
	if s.p.OnCommand != nil {
		for _, f := range s.p.Topics.CommandFilters() {
			filters[f] = 1
		}
	}
	token := s.mqtt.SubscribeMultiple(filters, nil)
	select {
	case <-token.Done():
	case err := <-s.lost:
		return err
	case <-time.After(s.p.AckTimeout):
		return errAckTimeout
	}
	if err := token.Error(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if t, ok := token.(*mqtt.SubscribeToken); ok {
		for filter, granted := range t.Result() {
			if granted == 0x80 {
				s.p.Log.Warn("broker refuses a subscription, which commands and the removal of stale alerts need; allow it in the access list",
					zap.String("topic", filter))
			}
		}
	}
	s.kept.since = time.Now()
	return nil
}

// greet publishes what is retained: the broker may have lost it. An alert with messages in the outbox is
// left to them.
func (s *session) greet(first bool) error {
	p, b := s.p, s.p.builder()
	p.mu.Lock()
	online, meta := p.online, p.meta
	p.mu.Unlock()
	if meta != nil {
		msg, err := b.Meta(*meta)
		if err != nil {
			return err
		}
		if err := s.send(flight{Message: msg, greeting: true}); err != nil {
			return err
		}
	}
	if online {
		msg, err := b.Status(p.status(StatusOnline))
		if err != nil {
			return err
		}
		if err := s.send(flight{Message: msg, greeting: true}); err != nil {
			return err
		}
	}
	if first {
		if err := s.greetAlerts(); err != nil {
			return err
		}
	}
	s.greeted = s.greetings == 0
	return nil
}

func (s *session) greetAlerts() error {
	ctx := context.Background() // short reads; they must not fail for a stop
	alerts, err := s.p.Store.ActiveAlerts(ctx)
	if err != nil {
		return err
	}
	for _, a := range alerts {
		topic := s.p.Topics.Alert(a.Code, a.Key)
		waiting, err := s.p.Store.Waiting(ctx, topic)
		if err != nil {
			return err
		}
		if waiting || len(a.Payload) == 0 {
			continue
		}
		m := Message{Topic: topic, Payload: a.Payload, QoS: 1, Retained: true}
		if err := s.send(flight{Message: m, greeting: true}); err != nil {
			return err
		}
	}
	return nil
}
