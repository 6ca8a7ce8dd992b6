package reporting

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

const alertColumns = `a.code, a.key, a.state, a.id, a.seq, a.severity, a.raised_at, a.payload, a.acked_by, a.acked_at`

func alertFields(a *AlertState) []any {
	return []any{
		&a.Code, &a.Key, &a.State, &a.ID, (*seqValue)(&a.Seq), &a.Severity, (*timeValue)(&a.RaisedAt), &a.Payload,
		&a.AckedBy, (*timeValue)(&a.AckedAt),
	}
}

// putAlert writes an alert's state. An acknowledgement holds until the occurrence ends, also when the state
// that follows does not know of it.
func (t *tx) putAlert(ctx context.Context, a AlertState) error {
	_, err := t.exec(ctx, `INSERT INTO alerts(code, key, state, id, seq, severity, raised_at, payload, acked_by, acked_at)
		VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT(code, key) DO UPDATE SET state = excluded.state, seq = excluded.seq, severity = excluded.severity,
			raised_at = excluded.raised_at, payload = excluded.payload,
			acked_by = CASE WHEN excluded.acked_at = 0 AND id = excluded.id THEN acked_by ELSE excluded.acked_by END,
			acked_at = CASE WHEN excluded.acked_at = 0 AND id = excluded.id THEN acked_at ELSE excluded.acked_at END,
			id = excluded.id`,
		a.Code, a.Key, a.State, a.ID, int64(a.Seq), a.Severity, unixNano(a.RaisedAt), a.Payload, a.AckedBy, unixNano(a.AckedAt))
	return err
}

// ActiveAlerts returns the alerts that are raised, updated or acknowledged, by code and key.
func (s *Store) ActiveAlerts(ctx context.Context) (alerts []AlertState, err error) {
	rows, err := s.reader.QueryContext(ctx, `SELECT `+alertColumns+` FROM alerts a WHERE state <> 'cleared' ORDER BY code, key`)
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

// RecordAck acknowledges an active alert and queues its message, together. A second acknowledgement changes
// nothing. ErrNotFound: no such alert is active, or not the occurrence that the acknowledgement names.
func (s *Store) RecordAck(ctx context.Context, b Builder, ack Ack) (AlertState, error) {
	var a AlertState
	err := s.write(ctx, true, func(ctx context.Context, t *tx) error {
		err := t.row(ctx, `SELECT `+alertColumns+` FROM alerts a WHERE code = ? AND key = ?`, []any{ack.Code, ack.Key}, alertFields(&a)...)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return ErrNotFound
		case err != nil:
			return err
		case a.State == AlertCleared, ack.AlertID != "" && ack.AlertID != a.ID:
			return ErrNotFound
		case !a.AckedAt.IsZero():
			return nil
		}
		var m AlertMessage
		if err := json.Unmarshal(a.Payload, &m); err != nil {
			return fmt.Errorf("stored message: %w", err)
		}
		if ack.At.IsZero() {
			ack.At = s.o.Now()
		}
		m.Envelope = Envelope{Time: ack.At}
		m.Code, m.Key, m.AlertID = a.Code, a.Key, a.ID
		m.State, m.Seq, m.AckedBy, m.AckedAt = AlertAcked, a.Seq+1, &ack.By, &ack.At
		state, msgs, err := b.Alert(m)
		if err != nil {
			return err
		}
		a = state
		if err := t.putAlert(ctx, a); err != nil {
			return err
		}
		return t.enqueue(ctx, msgs)
	})
	if err != nil {
		return AlertState{}, fmt.Errorf("acknowledge alert %s/%s: %w", ack.Code, ack.Key, err)
	}
	return a, nil
}
