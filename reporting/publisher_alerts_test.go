package reporting

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"
)

// putAlert writes one change of an alert, as the daemon does.
func putAlert(t *testing.T, s *Store, m AlertMessage) AlertState {
	t.Helper()
	if m.Severity == "" {
		m.Severity = "warning"
	}
	state, msgs, err := Builder{Topics: testTopics(t)}.Alert(m)
	require.NoError(t, err)
	require.NoError(t, s.PutAlerts(t.Context(), []AlertState{state}, msgs))
	return state
}

func TestTheBrokersRetainedAlertsAreMadeTheActiveOnes(t *testing.T) {
	s, b := openStore(t, StoreOptions{}), newTestBroker(t).start()
	topics := testTopics(t)
	active := putAlert(t, s, AlertMessage{Code: "LOW", Key: "acq", State: AlertRaised})
	waits := putAlert(t, s, AlertMessage{Code: "HIGH", Key: "acq", State: AlertRaised})
	msgs, err := s.NextMessages(t.Context(), 0, 10)
	require.NoError(t, err)
	require.NoError(t, s.AckMessage(t.Context(), msgs[0].ID), "LOW was sent once")
	const stale = 300
	for i := range stale { // of a data_dir that is gone
		require.NoError(t, b.server.Publish(topics.Alert("OLD", fmt.Sprint(i)), []byte(`{"state":"raised"}`), true, 1))
	}
	require.NoError(t, b.server.Publish(topics.Alert("HIGH", "acq"), []byte(`{"state":"raised","id":"old"}`), true, 1))
	require.NoError(t, b.server.Publish("aims/v1/lab/other/alert/OLD/x", []byte(`{"state":"raised"}`), true, 1))
	require.NoError(t, b.server.Publish(topics.at("alert", "odd", "with", "levels"), []byte(`x`), true, 1))
	p := &Publisher{URL: b.url(), Store: s}
	startPublisher(t, p)
	eventually(t, "stale alerts are gone", func() bool {
		for i := range stale {
			if b.retained(topics.Alert("OLD", fmt.Sprint(i))) != "" {
				return false
			}
		}
		return b.retained(topics.at("alert", "odd", "with", "levels")) == ""
	})
	eventually(t, "outbox empty", outboxIsEmpty(t, s))
	require.Contains(t, b.retained(topics.Alert("LOW", "acq")), active.ID)
	require.Contains(t, b.retained(topics.Alert("HIGH", "acq")), waits.ID)
	require.NotEmpty(t, b.retained("aims/v1/lab/other/alert/OLD/x"), "another instrument's is left alone")
}

// What gathered is late and says so; what is new passes a long backlog; every message fits its schema.
func TestABacklogIsHistoricalAndTheNewIsNot(t *testing.T) {
	s, b := openStore(t, StoreOptions{}), newTestBroker(t).reserve()
	builder := Builder{Topics: testTopics(t)}
	made := time.Now().UTC().Add(-24 * time.Hour)
	frame := func(i int) Message {
		m, err := builder.Frame(FrameMessage{Envelope: Envelope{Time: made.Add(time.Duration(i) * time.Second)}, RunID: "r", FrameID: newID(made), Source: "acq", Seq: uint64(i), Outcome: "dropped", Reason: "late"})
		require.NoError(t, err)
		return m
	}
	const n = 1000
	var msgs []Message
	for i := range n {
		msgs = append(msgs, frame(i))
	}
	require.NoError(t, s.Enqueue(t.Context(), msgs...))
	alert := putAlert(t, s, AlertMessage{Code: "LOW", Key: "acq", State: AlertRaised})
	for i := range 20 {
		alert = putAlert(t, s, AlertMessage{Code: "LOW", Key: "acq", State: AlertUpdated, AlertID: alert.ID, Seq: uint64(i + 2), RaisedAt: alert.RaisedAt})
	}
	p := &Publisher{URL: b.url(), Store: s, Patience: time.Nanosecond, Window: 16, Now: func() time.Time { return made.Add(24 * time.Hour) }}
	startPublisher(t, p)
	b.start()
	eventually(t, "the backlog is on its way", func() bool { return len(b.on("aims/v1/lab/fib/frame")) > 0 })
	fresh, err := builder.Event(EventMessage{Code: "FRESH", Severity: "info", Text: "new"})
	require.NoError(t, err)
	require.NoError(t, s.Enqueue(t.Context(), fresh))
	putAlert(t, s, AlertMessage{Code: "LOW", Key: "acq", State: AlertCleared, AlertID: alert.ID, Seq: 22, RaisedAt: alert.RaisedAt})
	before := len(b.all())
	eventually(t, "outbox empty", outboxIsEmpty(t, s))

	seq, alertSeq, freshAt := uint64(0), uint64(0), 0
	checked := map[string]int{}
	for at, m := range b.all() {
		if m.payload == "" {
			continue
		}
		var e struct {
			ID         string
			Seq        uint64
			Time       time.Time
			Historical bool
			Code       string
			State      *string
			Data       struct{ Seq uint64 }
		}
		require.NoError(t, json.Unmarshal([]byte(m.payload), &e))
		kind := strings.Split(m.topic, "/")[4]
		if checked[kind]++; checked[kind] <= 2 || kind == "event" {
			requireValid(t, kind, []byte(m.payload))
		}
		switch {
		case kind == "frame":
			require.True(t, e.Historical)
			require.Equal(t, made.Add(time.Duration(e.Seq)*time.Second), e.Time, "the time is that of its making")
			require.Equal(t, seq, e.Seq)
			seq++
		case kind == "alert":
			require.Equal(t, alertSeq+1, e.Seq)
			alertSeq++
		case e.Code == "LOW":
			require.EqualValues(t, 21, alertSeq, "its end is told last")
			require.EqualValues(t, 22, e.Data.Seq)
		case e.Code == "FRESH":
			require.False(t, e.Historical)
			freshAt = at
		}
	}
	require.EqualValues(t, n, seq)
	require.Less(t, freshAt, n/2+before, "it did not wait for the backlog")
	require.Empty(t, b.retained("aims/v1/lab/fib/alert/LOW/acq"))
}

// The broker breaks the connection at one message of an alert: those after it wait for it, others do not.
func TestARefusedAlertIsNotOvertakenByItsOwnNextMessages(t *testing.T) {
	s, b := openStore(t, StoreOptions{}), newTestBroker(t).start()
	var allowed atomic.Bool
	var clock, refused atomic.Int64
	clock.Store(time.Now().UnixNano())
	b.mu.Lock()
	b.onPacket = func(pk packets.Packet) error {
		if !allowed.Load() && strings.Contains(string(pk.Payload), `"text":"refused"`) {
			refused.Add(1)
			return packets.ErrPacketTooLarge
		}
		return nil
	}
	b.mu.Unlock()
	p := &Publisher{URL: b.url(), Store: s, Now: func() time.Time { return time.Unix(0, clock.Load()) }}
	startPublisher(t, p)
	p.SetOnline()
	eventually(t, "online", func() bool { return b.retained("aims/v1/lab/fib/status") != "" })
	a := putAlert(t, s, AlertMessage{Code: "LOW", Key: "acq", State: AlertRaised, Text: "refused"})
	putAlert(t, s, AlertMessage{Code: "LOW", Key: "acq", State: AlertUpdated, AlertID: a.ID, Seq: 2, Text: "second"})
	other := putAlert(t, s, AlertMessage{Code: "HIGH", Key: "acq", State: AlertRaised})
	putAlert(t, s, AlertMessage{Code: "LOW", Key: "acq", State: AlertCleared, AlertID: a.ID, Seq: 3})
	enqueue(t, s, "a", 0)
	eventually(t, "the others are through", func() bool {
		return strings.Contains(b.retained("aims/v1/lab/fib/alert/HIGH/acq"), other.ID) && b.last("aims/v1/lab/fib/frame") == "a:0"
	})
	eventually(t, "it and what follows it wait", func() bool {
		msgs, err := s.NextMessages(t.Context(), 0, 20)
		require.NoError(t, err)
		return len(msgs) == 4
	})
	for _, payload := range b.on("aims/v1/lab/fib/alert/LOW/acq") { // this broker takes it and breaks the connection
		require.Contains(t, payload, "refused")
	}
	// The next try fails as well, and the one after goes through.
	tried := refused.Load()
	clock.Add(int64(parkTime) + 1)
	eventually(t, "tried again", func() bool { return refused.Load() > tried })
	allowed.Store(true)
	eventually(t, "outbox empty", func() bool {
		clock.Add(int64(parkTime)) // it may have been set aside once more
		return outboxIsEmpty(t, s)()
	})
	var texts []string
	for _, payload := range b.on("aims/v1/lab/fib/alert/LOW/acq") {
		var m struct{ Text string }
		if payload != "" {
			require.NoError(t, json.Unmarshal([]byte(payload), &m))
		}
		texts = append(texts, m.Text)
	}
	texts = slices.Compact(texts)
	require.Equal(t, []string{"refused", "second", ""}, texts)
	require.Empty(t, b.retained("aims/v1/lab/fib/alert/LOW/acq"))
}

func TestAnAlertIsShelvedOverMQTT(t *testing.T) {
	s, b := openStore(t, StoreOptions{}), newTestBroker(t).start()
	builder := Builder{Topics: testTopics(t)}
	p := &Publisher{URL: b.url(), Store: s, OnCommand: func(ctx context.Context, c Command) error {
		_, err := s.Command(ctx, builder, c)
		return err
	}}
	startPublisher(t, p)
	putAlert(t, s, AlertMessage{Code: "LOW", Key: "acq", State: AlertRaised})
	topic, shelve := builder.Topics.Alert("LOW", "acq"), builder.AlertCommand("LOW", "acq", CommandShelve)
	says := func(part string) func() bool {
		return func() bool { return strings.Contains(b.retained(topic), part) }
	}
	eventually(t, "raised", says(`"state":"raised"`))
	eventually(t, "connected", func() bool { return p.Ready() == nil })
	require.NoError(t, b.server.Publish(shelve, []byte(`{"by":"tom","comment":"cleaning","duration_s":60}`), false, 1))
	eventually(t, "shelved", says(`"state":"shelved"`))
	fields := requireValid(t, "alert", []byte(b.retained(topic)))
	require.Equal(t, "tom", fields["shelved_by"])
	require.Equal(t, "cleaning", fields["comment"])
	require.NoError(t, b.server.Publish(builder.AlertCommand("LOW", "acq", CommandAck), []byte(`{"by":"mia"}`), false, 1))
	eventually(t, "acked", says(`"state":"acked"`))
	fields = requireValid(t, "alert", []byte(b.retained(topic)))
	require.NotNil(t, fields["shelved_until"], "it is still shelved")
	require.NoError(t, b.server.Publish(shelve, []byte(`{"duration_s":0}`), false, 1))
	eventually(t, "no longer shelved", says(`"shelved_until":null`))
	fields = requireValid(t, "alert", []byte(b.retained(topic)))
	require.Equal(t, "mia", fields["acked_by"])
}

// Whoever floods the commands' topics cannot keep the store from its work.
func TestAFloodOfCommandsIsBounded(t *testing.T) {
	s, b := openStore(t, StoreOptions{}), newTestBroker(t).start()
	var obeyed atomic.Int64
	p := &Publisher{URL: b.url(), Store: s, OnCommand: func(context.Context, Command) error {
		obeyed.Add(1)
		return ErrNotFound
	}}
	startPublisher(t, p)
	eventually(t, "connected", func() bool { return p.Ready() == nil })
	begun := time.Now()
	for range 5000 {
		require.NoError(t, b.server.Publish(p.Topics.AlertCommand("LOW", "acq", CommandShelve), nil, false, 0))
	}
	enqueue(t, s, "a", 0)
	eventually(t, "messages go on", outboxIsEmpty(t, s))
	eventually(t, "the last is done", func() bool { return len(p.commands) == 0 })
	require.LessOrEqual(t, obeyed.Load(), int64(time.Since(begun)/commandEvery)+commandsWaiting+1)
	require.Positive(t, obeyed.Load())
}

func TestAnAlertsEndIsKeptAsLongAsTheAlert(t *testing.T) {
	s := openStore(t, StoreOptions{OutboxMaxBytes: 20_000})
	a := putAlert(t, s, AlertMessage{Code: "LOW", Key: "acq", State: AlertRaised})
	putAlert(t, s, AlertMessage{Code: "LOW", Key: "acq", State: AlertCleared, AlertID: a.ID, Seq: 2})
	for i := range 100 {
		require.NoError(t, s.Enqueue(t.Context(),
			Message{Topic: "aims/v1/lab/fib/event", Payload: make([]byte, 400)},
			Message{Topic: "aims/v1/lab/fib/frame", Payload: fmt.Append(nil, i)}))
	}
	msgs, err := s.NextAlertMessages(t.Context(), 0, 1<<40, 10)
	require.NoError(t, err)
	require.Len(t, msgs, 3)
	require.Equal(t, "aims/v1/lab/fib/event", msgs[1].Topic)
	frames, events, alerts, err := s.Evicted(t.Context())
	require.NoError(t, err)
	require.Positive(t, frames)
	require.Positive(t, events)
	require.Zero(t, alerts)
}
