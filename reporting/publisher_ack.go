package reporting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/zap"
)

// maxAckBytes bounds the payload of an acknowledgement.
const maxAckBytes = 4096

// ackPayload is what may be sent to cmd/alert/<code>/<key>/ack; an empty payload is enough.
type ackPayload struct {
	AlertID string `json:"alert_id"`
	By      string `json:"by"`
	Comment string `json:"comment"`
}

// receive handles an acknowledgement, in a goroutine of its own; it publishes nothing. The broker is
// answered when the acknowledgement is recorded or can never be.
func (s *session) receive(ctx context.Context) mqtt.MessageHandler {
	return func(_ mqtt.Client, m mqtt.Message) {
		ack, err := s.p.parseAck(m)
		if err == nil && s.p.OnAck != nil {
			err = s.p.OnAck(ctx, ack)
			if err != nil && !errors.Is(err, ErrNotFound) {
				s.p.Log.Error("cannot record the acknowledgement; it will be delivered again", zap.String("topic", m.Topic()), zap.Error(err))
				return
			}
		}
		if err != nil {
			s.p.Log.Warn("acknowledgement ignored", zap.String("topic", m.Topic()), zap.Error(err))
		}
		m.Ack()
	}
}

// parseAck refuses a retained acknowledgement: it would end every future occurrence of its alert.
func (p *Publisher) parseAck(m mqtt.Message) (Ack, error) {
	code, key, ok := p.Topics.ParseAck(m.Topic())
	if !ok {
		return Ack{}, errors.New("topic is not cmd/alert/<code>/<key>/ack")
	}
	if m.Retained() {
		return Ack{}, errors.New("it is retained; send it without the retain flag")
	}
	body := m.Payload()
	if len(body) > maxAckBytes {
		return Ack{}, fmt.Errorf("payload of %d bytes, at most %d", len(body), maxAckBytes)
	}
	var a ackPayload
	if len(body) > 0 {
		if err := json.Unmarshal(body, &a); err != nil {
			return Ack{}, fmt.Errorf("payload is not a JSON object: %w", err)
		}
	}
	return Ack{Code: code, Key: key, AlertID: a.AlertID, By: a.By, Comment: a.Comment, At: p.Now().UTC()}, nil
}
