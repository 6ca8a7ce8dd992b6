package reporting

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"
)

// Classes of messages, in the order in which a full outbox gives them up.
const (
	classFrame = iota // frame, feedback
	classEvent        // run, event and everything unknown
	classAlert
)

// classOf reads a topic aims/v1/<site>/<instrument>/<kind>...
func classOf(topic string) int {
	parts := strings.SplitN(topic, "/", 6)
	if len(parts) < 5 {
		return classEvent
	}
	switch parts[4] {
	case "frame", "feedback":
		return classFrame
	case "alert":
		return classAlert
	}
	return classEvent
}

// class of a message: the event that tells of an alert's end is kept as long as the alert's own messages.
func (m Message) class() int { return max(classOf(m.Topic), classOf(m.Key)) }

// maxPayloadBytes bounds a message, far above any of ours and below every common broker's limit.
const maxPayloadBytes = 1 << 20

// messageOverheadBytes is what a row costs beside its payload and topic.
const messageOverheadBytes = 128

// Enqueue puts messages into the outbox, durably, in their order.
func (s *Store) Enqueue(ctx context.Context, msgs ...Message) error {
	if len(msgs) == 0 {
		return nil
	}
	if err := s.write(ctx, true, func(ctx context.Context, t *tx) error { return t.enqueue(ctx, msgs) }); err != nil {
		return fmt.Errorf("queue %d messages: %w", len(msgs), err)
	}
	return nil
}

func (t *tx) enqueue(ctx context.Context, msgs []Message) error {
	for _, m := range msgs {
		if m.Topic == "" || m.QoS > 2 || len(m.Payload) > maxPayloadBytes {
			return fmt.Errorf("message for %q: qos %d, %d bytes: wants a topic, qos 0 to 2 and at most %d bytes", m.Topic, m.QoS, len(m.Payload), maxPayloadBytes)
		}
		if m.Key == "" {
			m.Key = m.Topic
		}
		if m.Time.IsZero() {
			m.Time = t.s.o.Now()
		}
		if _, err := t.exec(ctx, `INSERT INTO outbox(frame_id, key, topic, payload, qos, retained, time, class, bytes) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			m.FrameID, m.Key, m.Topic, m.Payload, int64(m.QoS), m.Retained, unixNano(m.Time), m.class(),
			len(m.Payload)+len(m.Topic)+len(m.Key)+messageOverheadBytes); err != nil {
			return err
		}
	}
	if len(msgs) == 0 {
		return nil
	}
	t.queued = true
	return t.evict(ctx)
}

// evictBatch is how many frame messages or events go at once when the outbox is full; alerts go singly.
const evictBatch = 64

// evict keeps the outbox within its bounds: frame messages go first, then runs and events, alerts last and
// never by age. What is given up is counted and logged.
func (t *tx) evict(ctx context.Context) error {
	var gone [classAlert + 1]int64
	if now := t.s.o.Now(); now.Sub(t.s.aged) >= time.Minute || now.Before(t.s.aged) {
		t.s.aged = now
		for class := classFrame; class < classAlert; class++ {
			n, err := t.exec(ctx, `DELETE FROM outbox WHERE class = ? AND time < ?`, class, unixNano(now.Add(-t.s.o.OutboxMaxAge)))
			if err != nil {
				return err
			}
			gone[class] += n
		}
	}
	for class := classFrame; class <= classAlert; {
		var bytes int64
		if err := t.row(ctx, `SELECT bytes FROM outbox_stats`, nil, &bytes); err != nil {
			return err
		}
		if bytes <= t.s.o.OutboxMaxBytes {
			break
		}
		batch := evictBatch
		if class == classAlert {
			batch = 1
		}
		n, err := t.exec(ctx, `DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE class = ? ORDER BY id LIMIT ?)`, class, batch)
		if err != nil {
			return err
		}
		gone[class] += n
		if n == 0 {
			class++
		}
	}
	if gone == [classAlert + 1]int64{} {
		return nil
	}
	t.s.log.Warn("outbox is full: messages that never reached the broker were given up; connect the broker, or raise the bound",
		zap.Int64("frames", gone[classFrame]), zap.Int64("events", gone[classEvent]), zap.Int64("alerts", gone[classAlert]))
	_, err := t.exec(ctx, `UPDATE outbox_stats SET evicted_frames = evicted_frames + ?, evicted_events = evicted_events + ?,
		evicted_alerts = evicted_alerts + ?`, gone[classFrame], gone[classEvent], gone[classAlert])
	return err
}

// messageColumns are a message's columns in the order readMessages reads them.
const messageColumns = `id, frame_id, key, topic, payload, qos, retained, time`

// NextMessages returns the messages with an id above after, oldest first, at most limit of them.
func (s *Store) NextMessages(ctx context.Context, after int64, limit int) ([]Message, error) {
	return s.readMessages(ctx, `SELECT `+messageColumns+` FROM outbox WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
}

// NextAlertMessages is NextMessages for the messages of alerts with an id up to last.
func (s *Store) NextAlertMessages(ctx context.Context, after, last int64, limit int) ([]Message, error) {
	return s.readMessages(ctx, `SELECT `+messageColumns+` FROM outbox WHERE class = ? AND id > ? AND id <= ? ORDER BY id LIMIT ?`,
		classAlert, after, last, limit)
}

// NextOtherMessages is NextMessages for all other messages with an id up to last.
func (s *Store) NextOtherMessages(ctx context.Context, after, last int64, limit int) ([]Message, error) {
	return s.readMessages(ctx, `SELECT `+messageColumns+` FROM outbox WHERE class < ? AND id > ? AND id <= ? ORDER BY id LIMIT ?`,
		classAlert, after, last, limit)
}

func (s *Store) readMessages(ctx context.Context, query string, args ...any) (msgs []Message, err error) {
	rows, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read outbox: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var m Message
		if err := rows.Scan(&m.ID, &m.FrameID, &m.Key, &m.Topic, &m.Payload, &m.QoS, &m.Retained, (*timeValue)(&m.Time)); err != nil {
			return nil, fmt.Errorf("read outbox: %w", err)
		}
		msgs = append(msgs, m)
	}
	return msgs, rows.Err()
}

// Backlog returns the highest id that waits, 0 when none does, how many messages wait, and how many of each alert,
// by key.
func (s *Store) Backlog(ctx context.Context) (last, waiting int64, alerts map[string]int, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT coalesce((SELECT max(id) FROM outbox), 0), messages FROM outbox_stats`).Scan(&last, &waiting)
	if err != nil {
		return 0, 0, nil, fmt.Errorf("read outbox: %w", err)
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT key, count(*) FROM outbox WHERE class = ? AND id <= ? GROUP BY key`, classAlert, last)
	if err != nil {
		return 0, 0, nil, fmt.Errorf("read outbox: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	alerts = map[string]int{}
	for rows.Next() {
		var key string
		var n int
		if err := rows.Scan(&key, &n); err != nil {
			return 0, 0, nil, fmt.Errorf("read outbox: %w", err)
		}
		alerts[key] = n
	}
	return last, waiting, alerts, rows.Err()
}

// Waiting reports whether a message for the topic waits.
func (s *Store) Waiting(ctx context.Context, topic string) (bool, error) {
	var waiting bool
	if err := s.reader.QueryRowContext(ctx, `SELECT EXISTS(SELECT 1 FROM outbox WHERE topic = ?)`, topic).Scan(&waiting); err != nil {
		return false, fmt.Errorf("read outbox: %w", err)
	}
	return waiting, nil
}

// AckMessage removes messages that the broker has acknowledged. Unknown ids are ignored.
func (s *Store) AckMessage(ctx context.Context, ids ...int64) error {
	if len(ids) == 0 {
		return nil
	}
	err := s.write(ctx, false, func(ctx context.Context, t *tx) error {
		for _, id := range ids {
			if _, err := t.exec(ctx, `DELETE FROM outbox WHERE id = ?`, id); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove %d messages: %w", len(ids), err)
	}
	return nil
}

// OutboxStats returns how many messages wait, their bytes, and when the oldest was made (zero when none
// waits).
func (s *Store) OutboxStats(ctx context.Context) (count, bytes int64, oldest time.Time, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT messages, bytes, coalesce((SELECT time FROM outbox ORDER BY id LIMIT 1), 0) FROM outbox_stats`).
		Scan(&count, &bytes, (*timeValue)(&oldest))
	if err != nil {
		return 0, 0, time.Time{}, fmt.Errorf("read outbox: %w", err)
	}
	return count, bytes, oldest, nil
}

// Evicted returns how many messages a full or overdue outbox has given up since the store began.
func (s *Store) Evicted(ctx context.Context) (frames, events, alerts int64, err error) {
	err = s.reader.QueryRowContext(ctx, `SELECT evicted_frames, evicted_events, evicted_alerts FROM outbox_stats`).Scan(&frames, &events, &alerts)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("read outbox: %w", err)
	}
	return frames, events, alerts, nil
}

// Notify has a value whenever messages were committed since the last receive. It is meant for one receiver.
func (s *Store) Notify() <-chan struct{} { return s.wake }

// InstanceID is a random name of this store, made once; the MQTT client id derives from it.
func (s *Store) InstanceID(ctx context.Context) (string, error) {
	var id string
	if err := s.reader.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'instance'`).Scan(&id); err != nil {
		return "", fmt.Errorf("read instance id: %w", err)
	}
	return id, nil
}
