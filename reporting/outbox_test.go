package reporting

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheOutboxKeepsOrderUntilAcknowledged(t *testing.T) {
	s := openStore(t, StoreOptions{Now: func() time.Time { return time.Unix(200, 0) }})
	for i := range 5 {
		require.NoError(t, s.Enqueue(t.Context(), Message{Topic: "aims/v1/l/f/frame", Payload: fmt.Append(nil, i), QoS: 1, Time: time.Unix(int64(100+i), 0)}))
	}
	<-s.Notify()
	msgs, err := s.NextMessages(t.Context(), 0, 3)
	require.NoError(t, err)
	require.Len(t, msgs, 3)
	require.Equal(t, "0", string(msgs[0].Payload))
	require.Equal(t, "aims/v1/l/f/frame", msgs[0].Key)
	require.NoError(t, s.AckMessage(t.Context(), msgs[0].ID, msgs[1].ID, 999))
	msgs, err = s.NextMessages(t.Context(), msgs[2].ID, 10)
	require.NoError(t, err)
	require.Len(t, msgs, 2)
	n, bytes, oldest, err := s.OutboxStats(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
	require.Positive(t, bytes)
	require.Equal(t, time.Unix(102, 0).UTC(), oldest)
	require.Error(t, s.Enqueue(t.Context(), Message{Topic: "t", Payload: make([]byte, maxPayloadBytes+1)}))
	select {
	case <-s.Notify():
		t.Fatal("nothing was added")
	default:
	}
}

func TestAFullOutboxGivesUpFramesFirstAndAlertsLast(t *testing.T) {
	s := openStore(t, StoreOptions{OutboxMaxBytes: 50_000})
	at := func(kind string) Message {
		return Message{Topic: "aims/v1/l/f/" + kind, Payload: make([]byte, 1000), QoS: 1}
	}
	for range 10 {
		require.NoError(t, s.Enqueue(t.Context(), at("alert/LOW/a"), at("run"), at("event"), at("frame"), at("frame")))
	}
	left := map[int]int{}
	msgs, err := s.NextMessages(t.Context(), 0, 1000)
	require.NoError(t, err)
	for _, m := range msgs {
		left[classOf(m.Topic)]++
	}
	require.Equal(t, 10, left[classAlert])
	require.Equal(t, 20, left[classEvent])
	require.Less(t, left[classFrame], 20)
	frames, events, alerts, err := s.Evicted(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 20-left[classFrame], frames)
	require.Zero(t, events)
	require.Zero(t, alerts)

	for range 60 {
		require.NoError(t, s.Enqueue(t.Context(), at("alert/LOW/a")))
	}
	_, bytes, _, err := s.OutboxStats(t.Context())
	require.NoError(t, err)
	require.LessOrEqual(t, bytes, int64(50_000))
	_, _, alerts, err = s.Evicted(t.Context())
	require.NoError(t, err)
	require.Positive(t, alerts)
}

func TestOldMessagesGoButAlertsStay(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := openStore(t, StoreOptions{OutboxMaxAge: time.Hour, Now: func() time.Time { return now }})
	require.NoError(t, s.Enqueue(t.Context(), Message{Topic: "aims/v1/l/f/frame"}, Message{Topic: "aims/v1/l/f/run"}, Message{Topic: "aims/v1/l/f/alert/a/b"}))
	now = now.Add(2 * time.Hour)
	require.NoError(t, s.Enqueue(t.Context(), Message{Topic: "aims/v1/l/f/frame"}))
	msgs, err := s.NextMessages(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Len(t, msgs, 2)
	require.Equal(t, "aims/v1/l/f/alert/a/b", msgs[0].Topic)
}

func TestAnAcknowledgementHoldsUntilTheAlertEnds(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, StoreOptions{Dir: dir})
	topics, err := NewTopics("lab", "fib")
	require.NoError(t, err)
	b := Builder{Topics: topics}
	change := func(m AlertMessage) AlertState {
		t.Helper()
		m.Code, m.Key, m.Severity = "D50_HIGH", "acq", "warning"
		state, msgs, err := b.Alert(m)
		require.NoError(t, err)
		f := admit(t, s, "acq", newID(time.Now()))
		require.NoError(t, s.Commit(t.Context(), Completion{FrameID: f.ID, State: "gated", Messages: msgs, Alerts: []AlertState{state}}))
		return state
	}
	_, err = s.Command(t.Context(), b, Command{Verb: CommandAck, Code: "D50_HIGH", Key: "acq"})
	require.ErrorIs(t, err, ErrNotFound)
	raised := change(AlertMessage{State: AlertRaised})
	_, err = s.Command(t.Context(), b, Command{Verb: CommandAck, Code: "D50_HIGH", Key: "acq", AlertID: "another"})
	require.ErrorIs(t, err, ErrNotFound)
	acked, err := s.Command(t.Context(), b, Command{Verb: CommandAck, Code: "D50_HIGH", Key: "acq", By: "mia", AlertID: raised.ID})
	require.NoError(t, err)
	require.Equal(t, AlertAcked, acked.State)
	require.Contains(t, string(acked.Payload), `"acked_by":"mia"`)
	n, _, _, err := s.OutboxStats(t.Context())
	require.NoError(t, err)
	_, err = s.Command(t.Context(), b, Command{Verb: CommandAck, Code: "D50_HIGH", Key: "acq", By: "tom"})
	require.NoError(t, err)
	same, _, _, err := s.OutboxStats(t.Context())
	require.NoError(t, err)
	require.Equal(t, n, same, "a second acknowledgement says nothing new")

	change(AlertMessage{State: AlertUpdated, AlertID: raised.ID, Seq: 3})
	require.NoError(t, s.Close())
	s = openStore(t, StoreOptions{Dir: dir})
	active, err := s.ActiveAlerts(t.Context())
	require.NoError(t, err)
	require.Len(t, active, 1)
	require.Equal(t, "mia", active[0].AckedBy)

	change(AlertMessage{State: AlertCleared, AlertID: raised.ID, Seq: 4})
	active, err = s.ActiveAlerts(t.Context())
	require.NoError(t, err)
	require.Empty(t, active)
	msgs, err := s.NextMessages(t.Context(), 0, 100)
	require.NoError(t, err)
	last := msgs[len(msgs)-2:]
	require.Equal(t, "aims/v1/lab/fib/event", last[0].Topic)
	require.Equal(t, "aims/v1/lab/fib/alert/D50_HIGH/acq", last[1].Topic)
	require.Empty(t, last[1].Payload)
	require.True(t, last[1].Retained)
	require.Equal(t, last[0].Key, last[1].Key)

	change(AlertMessage{State: AlertRaised})
	active, err = s.ActiveAlerts(t.Context())
	require.NoError(t, err)
	require.Empty(t, active[0].AckedBy, "a new occurrence is not acknowledged")
}
