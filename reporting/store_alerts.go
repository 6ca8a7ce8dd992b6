package reporting

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

const alertColumns = `a.code, a.key, a.state, a.id, a.seq, a.severity, a.raised_at, a.payload, a.acked_by, a.acked_at,
	a.shelved_by, a.shelved_until, a.cleared_at`

func alertFields(a *AlertState) []any {
	return []any{
		&a.Code, &a.Key, &a.State, &a.ID, (*seqValue)(&a.Seq), &a.Severity, (*timeValue)(&a.RaisedAt), &a.Payload,
		&a.AckedBy, (*timeValue)(&a.AckedAt), &a.ShelvedBy, (*timeValue)(&a.ShelvedUntil), (*timeValue)(&a.ClearedAt),
	}
}

// putAlert writes an alert's state and keeps the change. An acknowledgement holds until the occurrence ends,
// also when the state that follows does not know of it.
func (t *tx) putAlert(ctx context.Context, a AlertState) error {
	_, err := t.exec(ctx, `INSERT INTO alerts(code, key, state, id, seq, severity, raised_at, payload, acked_by, acked_at,
			shelved_by, shelved_until, cleared_at)
		VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT(code, key) DO UPDATE SET state = excluded.state, seq = excluded.seq, severity = excluded.severity,
			raised_at = excluded.raised_at, payload = excluded.payload,
			acked_by = CASE WHEN excluded.acked_at = 0 AND id = excluded.id THEN acked_by ELSE excluded.acked_by END,
			acked_at = CASE WHEN excluded.acked_at = 0 AND id = excluded.id THEN acked_at ELSE excluded.acked_at END,
			shelved_by = excluded.shelved_by, shelved_until = excluded.shelved_until, cleared_at = excluded.cleared_at,
			id = excluded.id`,
		a.Code, a.Key, a.State, a.ID, int64(a.Seq), a.Severity, unixNano(a.RaisedAt), a.Payload, a.AckedBy, unixNano(a.AckedAt),
		a.ShelvedBy, unixNano(a.ShelvedUntil), unixNano(a.ClearedAt))
	if err != nil || a.At.IsZero() {
		return err
	}
	_, err = t.exec(ctx, `INSERT INTO alert_changes(alert_id, code, key, seq, state, run_id, time, payload) VALUES(?, ?, ?, ?, ?, ?, ?, ?)`,
		a.ID, a.Code, a.Key, int64(a.Seq), a.State, a.RunID, unixNano(a.At), a.Payload)
	return err
}

// PutAlerts writes states of alerts and queues the messages that tell of them, all or nothing.
func (s *Store) PutAlerts(ctx context.Context, states []AlertState, msgs []Message) error {
	if len(states) == 0 && len(msgs) == 0 {
		return nil
	}
	err := s.write(ctx, true, func(ctx context.Context, t *tx) error {
		for _, a := range states {
			if err := t.putAlert(ctx, a); err != nil {
				return err
			}
		}
		return t.enqueue(ctx, msgs)
	})
	if err != nil {
		return fmt.Errorf("record %d alerts: %w", len(states), err)
	}
	return nil
}

// ActiveAlerts returns the alerts that are not cleared, by code and key.
func (s *Store) ActiveAlerts(ctx context.Context) ([]AlertState, error) {
	return s.alerts(ctx, `SELECT `+alertColumns+` FROM alerts a WHERE state <> 'cleared' ORDER BY code, key`)
}

// Alerts returns the last occurrence of every alert there ever was, by code and key.
func (s *Store) Alerts(ctx context.Context) ([]AlertState, error) {
	return s.alerts(ctx, `SELECT `+alertColumns+` FROM alerts a ORDER BY code, key`)
}

func (s *Store) alerts(ctx context.Context, query string) (alerts []AlertState, err error) {
	rows, err := s.reader.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("read alerts: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var a AlertState
		if err := rows.Scan(alertFields(&a)...); err != nil {
			return nil, fmt.Errorf("read alerts: %w", err)
		}
		alerts = append(alerts, a)
	}
	return alerts, rows.Err()
}

// AlertChanges returns a run's alerts, one message for each change, in their order: what a report tells of them.
func (s *Store) AlertChanges(ctx context.Context, runID string) (changes []AlertMessage, err error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT payload FROM alert_changes WHERE alert_id IN
		(SELECT alert_id FROM alert_changes WHERE run_id = ?) ORDER BY n`, runID)
	if err != nil {
		return nil, fmt.Errorf("read alerts of run %s: %w", runID, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var payload []byte
		var m AlertMessage
		if err = rows.Scan(&payload); err == nil {
			err = json.Unmarshal(payload, &m)
		}
		if err != nil {
			return nil, fmt.Errorf("read alerts of run %s: %w", runID, err)
		}
		changes = append(changes, m)
	}
	return changes, rows.Err()
}

// Command does what an operator asks for an active alert and queues the message that says so, together. One
// that changes nothing, such as a second acknowledgement, is no error. ErrNotFound: no such alert is active, or
// not the occurrence that the command names.
func (s *Store) Command(ctx context.Context, b Builder, c Command) (AlertState, error) {
	if c.At.IsZero() {
		c.At = s.o.Now()
	}
	var a AlertState
	err := s.write(ctx, true, func(ctx context.Context, t *tx) error {
		err := t.row(ctx, `SELECT `+alertColumns+` FROM alerts a WHERE code = ? AND key = ?`, []any{c.Code, c.Key}, alertFields(&a)...)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrNotFound
		case err != nil:
			return err
		case a.State == AlertCleared, c.AlertID != "" && c.AlertID != a.ID:
			return ErrNotFound
		}
		next, msgs, err := b.obey(a, c)
		if err != nil || next.At.IsZero() {
			return err
		}
		a = next
		if err := t.putAlert(ctx, a); err != nil {
			return err
		}
		return t.enqueue(ctx, msgs)
	})
	if err != nil {
		return AlertState{}, fmt.Errorf("%s alert %s/%s: %w", c.Verb, c.Code, c.Key, err)
	}
	return a, nil
}

// obey returns what a command makes of an alert; a state without At is none: nothing changes.
func (b Builder) obey(a AlertState, c Command) (AlertState, []Message, error) {
	m, err := b.Resume(a)
	if err != nil {
		return AlertState{}, nil, err
	}
	m.Time, m.Seq = c.At, a.Seq+1
	if c.Comment != "" {
		m.Comment = &c.Comment
	}
	switch c.Verb {
	case CommandAck:
		if !a.AckedAt.IsZero() {
			return AlertState{}, nil, nil
		}
		m.State, m.AckedBy, m.AckedAt = AlertAcked, &c.By, &c.At
	case CommandShelve:
		switch {
		case c.For > 0:
			until := c.At.Add(c.For)
			m.State, m.ShelvedBy, m.ShelvedUntil = AlertShelved, &c.By, &until
		case a.ShelvedUntil.IsZero():
			return AlertState{}, nil, nil
		default:
			m.State, m.ShelvedBy, m.ShelvedUntil = AlertUpdated, nil, nil
		}
	default:
		return AlertState{}, nil, fmt.Errorf("command %q is unknown", c.Verb)
	}
	return b.Alert(m)
}

// Resume returns the last message of an alert, to be changed and sent again: without id, time and state.
func (b Builder) Resume(a AlertState) (AlertMessage, error) {
	var m AlertMessage
	if err := json.Unmarshal(a.Payload, &m); err != nil {
		return AlertMessage{}, fmt.Errorf("stored message: %w", err)
	}
	m.Envelope, m.State = Envelope{}, ""
	m.Code, m.Key, m.AlertID, m.Seq, m.RaisedAt = a.Code, a.Key, a.ID, a.Seq, a.RaisedAt
	m.AckedBy, m.AckedAt, m.ShelvedBy, m.ShelvedUntil = nil, nil, nil, nil
	if !a.AckedAt.IsZero() {
		m.AckedBy, m.AckedAt = &a.AckedBy, &a.AckedAt
	}
	if !a.ShelvedUntil.IsZero() {
		m.ShelvedBy, m.ShelvedUntil = &a.ShelvedBy, &a.ShelvedUntil
	}
	return m, nil
}
