package reporting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/zap"
)

// maxCommandBytes bounds the payload of a command.
const maxCommandBytes = 4096

// How long an alert is shelved: without a duration, and at most.
const (
	shelveDefault = time.Hour
	shelveMost    = 7 * 24 * time.Hour
)

// Commands are obeyed one after the other, at most fifty a second, and so many wait: whoever may write to the topic
// cannot keep the store from its work. A command beyond that is not acknowledged, so that the broker delivers it
// again if it was sent with QoS 1.
const (
	commandsWaiting = 64
	commandEvery    = 20 * time.Millisecond
)

// admit waits for a command's turn; false when there is none.
func (p *Publisher) admit(ctx context.Context) bool {
	select {
	case p.commands <- struct{}{}:
	default:
		return false
	}
	p.mu.Lock()
	now := time.Now()
	if p.nextCommand.Before(now) {
		p.nextCommand = now
	}
	wait := p.nextCommand.Sub(now)
	p.nextCommand = p.nextCommand.Add(commandEvery)
	p.mu.Unlock()
	if wait <= 0 {
		return true
	}
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
		p.leave()
		return false
	}
}

func (p *Publisher) leave() { <-p.commands }

// commandPayload is what may be sent to cmd/alert/<code>/<key>/...; an empty payload is enough.
type commandPayload struct {
	AlertID   string   `json:"alert_id"`
	By        string   `json:"by"`
	Comment   string   `json:"comment"`
	DurationS *float64 `json:"duration_s"`
}

// receive handles what the broker sends, in a goroutine of its own; it publishes nothing. The broker is
// answered when a command is recorded or can never be.
func (s *session) receive(ctx context.Context) mqtt.MessageHandler {
	return func(_ mqtt.Client, m mqtt.Message) {
		if s.p.Topics.IsAlert(m.Topic()) {
			s.kept.note(m)
			m.Ack()
			return
		}
		if !s.p.admit(ctx) {
			s.p.Log.Warn("too many commands at once: one is left out", zap.String("topic", m.Topic()))
			return
		}
		defer s.p.leave()
		command, err := s.p.parseCommand(m)
		if err == nil && s.p.OnCommand != nil {
			err = s.p.OnCommand(ctx, command)
			if err != nil && !errors.Is(err, ErrNotFound) {
				s.p.Log.Error("cannot record the command; it will be delivered again", zap.String("topic", m.Topic()), zap.Error(err))
				return
			}
		}
		if err != nil {
			s.p.Log.Warn("command ignored", zap.String("topic", m.Topic()), zap.Error(err))
		}
		m.Ack()
	}
}

// parseCommand refuses a retained command: it would be obeyed again for every future occurrence of its alert.
func (p *Publisher) parseCommand(m mqtt.Message) (Command, error) {
	if m.Retained() {
		return Command{}, errors.New("it is retained; send it without the retain flag")
	}
	return p.Topics.Command(m.Topic(), m.Payload(), p.Now().UTC())
}

// Command reads a command from its topic and payload, which may be anything. An error says what is wrong.
func (t Topics) Command(topic string, payload []byte, at time.Time) (Command, error) {
	code, key, verb, ok := t.ParseCommand(topic)
	if !ok {
		return Command{}, fmt.Errorf("topic is not cmd/alert/<code>/<key>/%s or %s", CommandAck, CommandShelve)
	}
	if len(payload) > maxCommandBytes {
		return Command{}, fmt.Errorf("payload of %d bytes, at most %d", len(payload), maxCommandBytes)
	}
	var a commandPayload
	if len(payload) > 0 {
		if err := json.Unmarshal(payload, &a); err != nil {
			return Command{}, fmt.Errorf("payload is not a JSON object of the command: %w", err)
		}
	}
	c := Command{
		Verb: verb, Code: code, Key: key, AlertID: a.AlertID, At: at,
		By: cut(printable(a.By), maxAlertText), Comment: cut(printable(a.Comment), maxAlertComment),
	}
	if verb != CommandShelve {
		return c, nil
	}
	if c.For = shelveDefault; a.DurationS != nil {
		if s := *a.DurationS; math.IsNaN(s) || s < 0 || s > shelveMost.Seconds() {
			return Command{}, fmt.Errorf("duration_s %v: use 0 (which ends the shelving) to %v", s, shelveMost.Seconds())
		}
		c.For = time.Duration(*a.DurationS * float64(time.Second))
	}
	return c, nil
}

// printable removes control characters: what an operator wrote goes into logs and reports.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
