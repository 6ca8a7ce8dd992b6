package reporting

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// States of an alert. Acknowledging one does not end it.
const (
	AlertRaised  = "raised"
	AlertUpdated = "updated"
	AlertAcked   = "acked"
	AlertCleared = "cleared"
)

// maxAlertText is the length of an alert's text in characters, as SECS/GEM's ALTX has it.
const maxAlertText = 120

// AlertMessage is the present state of one alert, retained while it is active. ID tells deliveries of one
// message from another message; AlertID stays the same from raised to cleared.
type AlertMessage struct {
	Envelope
	AlertKey    string     `json:"alert_key"` // code/key
	AlertID     string     `json:"alert_id"`  // ULID of the occurrence
	Code        string     `json:"code"`
	Key         string     `json:"key"`
	Seq         uint64     `json:"seq"`      // counts the occurrence's messages from 1
	Severity    string     `json:"severity"` // info, warning, critical
	State       string     `json:"state"`    // raised, updated, acked, cleared
	Text        string     `json:"text"`     // at most 120 characters
	RaisedAt    time.Time  `json:"raised_at"`
	Value       *float64   `json:"value"`
	Limit       *float64   `json:"limit"`
	Unit        string     `json:"unit"`
	FrameID     string     `json:"frame_id"`
	RunID       string     `json:"run_id"`
	EvidenceURI *string    `json:"evidence_uri"`
	ModelHash   *string    `json:"model_hash"`
	AckedBy     *string    `json:"acked_by"`
	AckedAt     *time.Time `json:"acked_at"`
}

// Alert returns what one change of an alert amounts to: the state to commit and the messages that tell of
// it. An active alert is one retained message on its topic; a cleared one is an event with the state cleared
// and then the empty retained message that removes it. An AlertID, Seq or RaisedAt not given begins a new
// occurrence.
func (b Builder) Alert(m AlertMessage) (AlertState, []Message, error) {
	if m.Code == "" {
		return AlertState{}, nil, fmt.Errorf("alert: no code")
	}
	if m.Key == "" {
		m.Key = "-"
	}
	b.fill(&m.Envelope, AlertSchema)
	if m.AlertID == "" {
		m.AlertID = newID(m.Time)
	}
	if m.RaisedAt.IsZero() {
		m.RaisedAt = m.Time
	}
	m.AlertKey, m.RaisedAt, m.Seq = m.Code+"/"+m.Key, m.RaisedAt.UTC(), max(m.Seq, 1)
	m.Value, m.Limit, m.Text = finite(m.Value), finite(m.Limit), cut(m.Text, maxAlertText)
	if m.AckedAt != nil {
		t := m.AckedAt.UTC()
		m.AckedAt = &t
	}
	topic := b.Topics.Alert(m.Code, m.Key)
	msg, err := b.message(topic, m.FrameID, m.Envelope, m)
	if err != nil {
		return AlertState{}, nil, err
	}
	msg.Retained = true
	state := AlertState{
		Code: m.Code, Key: m.Key, State: m.State, ID: m.AlertID, Seq: m.Seq, Severity: m.Severity,
		RaisedAt: m.RaisedAt, Payload: msg.Payload,
	}
	if m.AckedBy != nil {
		state.AckedBy = *m.AckedBy
	}
	if m.AckedAt != nil {
		state.AckedAt = *m.AckedAt
	}
	switch m.State {
	case AlertRaised, AlertUpdated, AlertAcked:
		return state, []Message{msg}, nil
	case AlertCleared:
	default:
		return AlertState{}, nil, fmt.Errorf("alert %s: state %q is unknown", m.AlertKey, m.State)
	}
	data := map[string]any{"seq": m.Seq, "raised_at": m.RaisedAt, "value": m.Value, "limit": m.Limit, "unit": m.Unit}
	event := EventMessage{
		Envelope: Envelope{Time: m.Time}, Code: m.Code, Severity: m.Severity, Text: m.Text,
		State: &m.State, AlertKey: &m.AlertKey, AlertID: &m.AlertID, Data: data,
	}
	if m.FrameID != "" {
		event.FrameID = &m.FrameID
	}
	if m.RunID != "" {
		event.RunID = &m.RunID
	}
	told, err := b.Event(event)
	if err != nil {
		return AlertState{}, nil, err
	}
	told.Key = topic // in order with the alert's own messages
	msg.Payload = nil
	return state, []Message{told, msg}, nil
}

// cut shortens s to n characters.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
