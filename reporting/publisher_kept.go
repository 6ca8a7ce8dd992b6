package reporting

import (
	"context"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/zap"
)

// Bounds of the search for stale alerts on the broker.
const (
	keptMost  = 10_000          // topics looked at for one connection
	keptQuiet = 5 * time.Second // without another one: the broker has sent all it kept
)

// keptAlerts are the retained alerts that the broker sent when it was subscribed to, in any goroutine. Those that
// are not active are leftovers, of another data_dir for instance or of an outbox that was given up.
type keptAlerts struct {
	found chan struct{} // has a value when there are topics
	since time.Time     // of the subscription; zero when it has ended

	mu     sync.Mutex
	topics []string
	seen   int
	last   time.Time
}

// note remembers a retained alert; what is published while subscribed, such as this client's own, is none.
func (k *keptAlerts) note(m mqtt.Message) {
	if !m.Retained() || len(m.Payload()) == 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last = time.Now(); k.seen >= keptMost {
		return
	}
	k.seen++
	k.topics = append(k.topics, m.Topic())
	select {
	case k.found <- struct{}{}:
	default:
	}
}

func (k *keptAlerts) take() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	topics := k.topics
	k.topics = nil
	return topics
}

// expire ends the subscription when the broker has sent all it kept: this client's own alerts need not come
// back to it.
func (k *keptAlerts) expire(s *session) {
	k.mu.Lock()
	quiet := time.Since(k.last) > keptQuiet
	k.mu.Unlock()
	if k.since.IsZero() || !quiet || time.Since(k.since) < keptQuiet {
		return
	}
	k.since = time.Time{}
	s.p.sending.Go(func() { s.mqtt.Unsubscribe(s.p.Topics.AlertFilter()) })
}

// clearStale removes what the broker kept of alerts that are not active. One with messages in the outbox is left
// to them.
func (s *session) clearStale() error {
	ctx := context.Background()
	alerts, err := s.p.Store.ActiveAlerts(ctx)
	if err != nil {
		s.p.Log.Error("cannot read the alerts", zap.Error(err))
		return nil
	}
	active := make(map[string]bool, len(alerts))
	for _, a := range alerts {
		active[s.p.Topics.Alert(a.Code, a.Key)] = true
	}
	for _, topic := range s.kept.take() {
		if active[topic] {
			continue
		}
		if waiting, err := s.p.Store.Waiting(ctx, topic); err != nil || waiting {
			continue
		}
		s.p.Log.Warn("broker kept an alert that is not active: removed", zap.String("topic", topic))
		if err := s.send(flight{Message: Message{Topic: topic, QoS: 1, Retained: true}}); err != nil {
			return err
		}
	}
	return nil
}
