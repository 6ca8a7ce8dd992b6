package reporting

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// States of an alert: what happened last. Neither acknowledging nor shelving one ends it.
const (
	AlertRaised  = "raised"
	AlertUpdated = "updated"
	AlertAcked   = "acked"
	AlertShelved = "shelved"
	AlertCleared = "cleared"
)

// Bounds of an alert's texts in characters; the first is that of SECS/GEM's ALTX.
const (
	maxAlertText    = 120
	maxAlertComment = 500
)

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
	State       string     `json:"state"`    // raised, updated, acked, shelved, cleared
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

	ShelvedBy    *string    `json:"shelved_by"`
	ShelvedUntil *time.Time `json:"shelved_until"`
	Comment      *string    `json:"comment"` // of whoever acknowledged or shelved it last
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
	m.AckedAt, m.ShelvedUntil = inUTC(m.AckedAt), inUTC(m.ShelvedUntil)
	m.AckedBy, m.ShelvedBy, m.Comment = cutPtr(m.AckedBy, maxAlertText), cutPtr(m.ShelvedBy, maxAlertText), cutPtr(m.Comment, maxAlertComment)
	topic := b.Topics.Alert(m.Code, m.Key)
	msg, err := b.message(topic, m.FrameID, m.Envelope, m)
	if err != nil {
		return AlertState{}, nil, err
	}
	msg.Retained = true
	state := m.alertState(msg.Payload)
	switch m.State {
	case AlertRaised, AlertUpdated, AlertAcked, AlertShelved:
		return state, []Message{msg}, nil
	case AlertCleared:
		state.ClearedAt = m.Time
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

func (m *AlertMessage) alertState(payload []byte) AlertState {
	s := AlertState{
		Code: m.Code, Key: m.Key, State: m.State, ID: m.AlertID, Seq: m.Seq, Severity: m.Severity,
		RaisedAt: m.RaisedAt, Payload: payload, At: m.Time, RunID: m.RunID,
	}
	if m.AckedBy != nil {
		s.AckedBy = *m.AckedBy
	}
	if m.AckedAt != nil {
		s.AckedAt = *m.AckedAt
	}
	if m.ShelvedBy != nil {
		s.ShelvedBy = *m.ShelvedBy
	}
	if m.ShelvedUntil != nil {
		s.ShelvedUntil = *m.ShelvedUntil
	}
	return s
}

// AlertText is a text as an alert tells it.
func AlertText(s string) string { return cut(s, maxAlertText) }

// NewID returns a ULID for a time, such as an alert's; within a process they ascend.
func NewID(t time.Time) string { return newID(t) }

func inUTC(t *time.Time) *time.Time {
	if t == nil || t.IsZero() {
		return nil
	}
	u := t.UTC()
	return &u
}

func cutPtr(s *string, n int) *string {
	if s == nil {
		return nil
	}
	c := cut(*s, n)
	return &c
}

// cut shortens s to n characters.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}
