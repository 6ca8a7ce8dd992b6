package reporting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"
)

func testTopics(t testing.TB) Topics {
	topics, err := NewTopics("lab", "fib")
	require.NoError(t, err)
	return topics
}

// startPublisher runs a publisher; stop ends it and waits.
func startPublisher(t *testing.T, p *Publisher) (stop func()) {
	p.Topics = testTopics(t)
	if p.MaxBackoff == 0 {
		p.MaxBackoff = 20 * time.Millisecond
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(stop)
	return stop
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, 15*time.Second, 5*time.Millisecond, what)
}

func outboxIsEmpty(t *testing.T, s *Store) func() bool {
	return func() bool {
		n, _, _, err := s.OutboxStats(t.Context())
		require.NoError(t, err)
		return n == 0
	}
}

func enqueue(t *testing.T, s *Store, key string, n int) {
	t.Helper()
	require.NoError(t, s.Enqueue(t.Context(), Message{Key: key, Topic: "aims/v1/lab/fib/frame", Payload: fmt.Appendf(nil, "%s:%d", key, n), QoS: 1}))
}

// requireOrdered checks that every message 0..n-1 of every key came, first arrivals in order.
func requireOrdered(t *testing.T, payloads []string, keys []string, n int) {
	t.Helper()
	next := map[string]int{}
	for _, p := range payloads {
		key, number, _ := strings.Cut(p, ":")
		var i int
		_, err := fmt.Sscan(number, &i)
		require.NoError(t, err)
		require.LessOrEqual(t, i, next[key], "%s overtook", p)
		if i == next[key] {
			next[key]++
		}
	}
	for _, key := range keys {
		require.Equal(t, n, next[key], key)
	}
}

func TestMessagesGatherWhileTheBrokerIsDown(t *testing.T) {
	s, b := openStore(t, StoreOptions{}), newTestBroker(t).reserve()
	for i := range 100 {
		enqueue(t, s, "a", i)
	}
	p := &Publisher{URL: b.url(), Store: s}
	require.Error(t, p.Ready())
	startPublisher(t, p)
	eventually(t, "says why it is not connected", func() bool { return strings.Contains(p.Ready().Error(), b.addr) })
	for i := 100; i < 200; i++ {
		enqueue(t, s, "a", i)
	}
	b.start()
	eventually(t, "outbox empty", outboxIsEmpty(t, s))
	require.NoError(t, p.Ready())
	require.Len(t, b.on("aims/v1/lab/fib/frame"), 200, "each once: no connection was lost")
	requireOrdered(t, b.on("aims/v1/lab/fib/frame"), []string{"a"}, 200)
	begun := time.Now()
	enqueue(t, s, "a", 200)
	eventually(t, "sent at once", outboxIsEmpty(t, s))
	require.Less(t, time.Since(begun), 500*time.Millisecond)
}

func TestNothingIsLostOrReorderedWhenConnectionsBreak(t *testing.T) {
	s, b := openStore(t, StoreOptions{}), newTestBroker(t).start()
	startPublisher(t, &Publisher{URL: b.url(), Store: s, Patience: time.Hour})
	keys := []string{"a", "b", "c"}
	const n = 150
	var writers sync.WaitGroup
	for _, key := range keys {
		writers.Go(func() {
			for i := range n {
				enqueue(t, s, key, i)
				time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
			}
		})
	}
	writing := make(chan struct{})
	go func() { writers.Wait(); close(writing) }()
	for cutting := true; cutting; {
		select {
		case <-writing:
			cutting = false
		case <-time.After(time.Duration(10+rand.IntN(60)) * time.Millisecond):
			b.cut(false)
		}
	}
	b.stop()
	enqueue(t, s, "a", n)
	b.start()
	eventually(t, "outbox empty", outboxIsEmpty(t, s))
	requireOrdered(t, b.on("aims/v1/lab/fib/frame"), []string{"b", "c"}, n)
	requireOrdered(t, b.on("aims/v1/lab/fib/frame"), []string{"a"}, n+1)
}

func TestStatusIsHonest(t *testing.T) {
	s, b := openStore(t, StoreOptions{}), newTestBroker(t).start()
	p := &Publisher{URL: b.url(), Store: s}
	stop := startPublisher(t, p)
	eventually(t, "connected", func() bool { return p.Ready() == nil })
	const topic = "aims/v1/lab/fib/status"
	require.Empty(t, b.retained(topic), "not online before the daemon is ready")
	p.SetMeta(MetaMessage{Version: "1.2.3", Sources: []string{"acq"}})
	p.SetOnline()
	state := func(want string) func() bool {
		return func() bool { return strings.Contains(b.retained(topic), `"state":"`+want+`"`) }
	}
	eventually(t, "online", state("online"))
	requireValid(t, "status", []byte(b.retained(topic)))
	eventually(t, "meta", func() bool { return b.retained("aims/v1/lab/fib/meta") != "" })
	requireValid(t, "meta", []byte(b.retained("aims/v1/lab/fib/meta")))

	b.cut(true)
	eventually(t, "last will", state("offline"))
	requireValid(t, "status", []byte(b.retained(topic)))
	eventually(t, "not ready", func() bool { return p.Ready() != nil })
	b.allow()
	eventually(t, "online again", state("online"))
	var online, offline StatusMessage
	statuses := b.on(topic)
	require.NoError(t, json.Unmarshal([]byte(statuses[len(statuses)-1]), &online))
	require.NoError(t, json.Unmarshal([]byte(statuses[len(statuses)-2]), &offline))
	require.Equal(t, offline.Session, online.Session)
	require.Greater(t, online.Connection, offline.Connection)

	enqueue(t, s, "a", 0)
	stop()
	require.True(t, state("stopped")())
	requireValid(t, "status", []byte(b.retained(topic)))
	require.Equal(t, []string{"a:0"}, b.on("aims/v1/lab/fib/frame"), "what was waiting went out first")
	require.ErrorContains(t, p.Ready(), "stopped")
	require.Error(t, p.Run(t.Context()), "run twice")
	p.Close()
}

func TestRetainedTopicsComeBackAfterTheBrokerLostThem(t *testing.T) {
	s, b := openStore(t, StoreOptions{}), newTestBroker(t).start()
	p := &Publisher{URL: b.url(), Store: s}
	startPublisher(t, p)
	p.SetOnline()
	p.SetMeta(MetaMessage{Version: "1"})
	builder := Builder{Topics: testTopics(t)}
	change := func(code, state, id string) string {
		a, msgs, err := builder.Alert(AlertMessage{Code: code, Key: "acq", Severity: "warning", State: state, AlertID: id})
		require.NoError(t, err)
		f := admit(t, s, "acq", newID(time.Now()))
		require.NoError(t, s.Commit(t.Context(), Completion{FrameID: f.ID, State: "gated", Messages: msgs, Alerts: []AlertState{a}}))
		return a.ID
	}
	stays := change("STAYS", AlertRaised, "")
	ends := change("ENDS", AlertRaised, "")
	const topicStays, topicEnds = "aims/v1/lab/fib/alert/STAYS/acq", "aims/v1/lab/fib/alert/ENDS/acq"
	eventually(t, "raised", func() bool { return b.retained(topicStays) != "" && b.retained(topicEnds) != "" })

	b.stop()
	change("ENDS", AlertCleared, ends)
	change("STAYS", AlertUpdated, stays)
	b.start()
	eventually(t, "outbox empty", outboxIsEmpty(t, s))
	eventually(t, "online", func() bool { return b.retained("aims/v1/lab/fib/status") != "" })
	require.NotEmpty(t, b.retained("aims/v1/lab/fib/meta"))
	require.Contains(t, b.retained(topicStays), "updated")
	require.Empty(t, b.retained(topicEnds))

	b.stop()
	b.start()
	eventually(t, "alert is back", func() bool { return b.retained(topicStays) != "" })
	require.Empty(t, b.retained(topicEnds))
	change("STAYS", AlertCleared, stays)
	eventually(t, "cleared", func() bool { return b.retained(topicStays) == "" })
	require.Contains(t, b.last("aims/v1/lab/fib/event"), `"state":"cleared"`)
	seen := len(b.all())
	b.subscribe("aims/v1/lab/fib/alert/#")
	require.Len(t, b.all(), seen, "a late subscriber sees no alert")
}

func TestAnAlertIsAcknowledgedOverMQTT(t *testing.T) {
	s, b := openStore(t, StoreOptions{}), newTestBroker(t).start()
	builder := Builder{Topics: testTopics(t)}
	var fail sync.Map
	newPublisher := func() *Publisher {
		return &Publisher{URL: b.url(), Store: s, OnCommand: func(ctx context.Context, c Command) error {
			if _, loaded := fail.LoadAndDelete("once"); loaded {
				return errors.New("disk full")
			}
			_, err := s.Command(ctx, builder, c)
			return err
		}}
	}
	p := newPublisher()
	stop := startPublisher(t, p)
	raise := func(key string) {
		a, msgs, err := builder.Alert(AlertMessage{Code: "LOW", Key: key, Severity: "warning", State: AlertRaised})
		require.NoError(t, err)
		f := admit(t, s, "acq", newID(time.Now()))
		require.NoError(t, s.Commit(t.Context(), Completion{FrameID: f.ID, State: "gated", Messages: msgs, Alerts: []AlertState{a}}))
		eventually(t, "raised", func() bool { return strings.Contains(b.retained(builder.Topics.Alert("LOW", key)), "raised") })
	}
	acked := func(key string) func() bool {
		return func() bool { return strings.Contains(b.retained(builder.Topics.Alert("LOW", key)), `"state":"acked"`) }
	}
	raise("acq/2")
	ackTopic := builder.AlertCommand("LOW", "acq/2", CommandAck)
	eventually(t, "connected", func() bool { return p.Ready() == nil })
	require.NoError(t, b.server.Publish(builder.AlertCommand("LOW", "unknown", CommandAck), nil, false, 1))
	require.NoError(t, b.server.Publish(ackTopic, []byte("not json"), false, 1))
	require.NoError(t, b.server.Publish(ackTopic, []byte(`{"by":"mia","comment":"seen"}`), false, 1))
	eventually(t, "acked", acked("acq/2"))
	payload := b.retained(builder.Topics.Alert("LOW", "acq/2"))
	require.Contains(t, payload, `"acked_by":"mia"`)
	requireValid(t, "alert", []byte(payload))

	// One that could not be recorded, and one sent while the daemon was away, arrive later.
	raise("b")
	fail.Store("once", true)
	require.NoError(t, b.server.Publish(builder.AlertCommand("LOW", "b", CommandAck), nil, false, 1))
	eventually(t, "failed", func() bool { _, waiting := fail.Load("once"); return !waiting })
	raise("c")
	stop()
	require.NoError(t, b.server.Publish(builder.AlertCommand("LOW", "c", CommandAck), []byte(`{}`), false, 1))
	startPublisher(t, newPublisher())
	eventually(t, "acked", acked("b"))
	eventually(t, "acked", acked("c"))
}

func TestARetainedAcknowledgementIsIgnored(t *testing.T) {
	s, b := openStore(t, StoreOptions{}), newTestBroker(t).start()
	require.NoError(t, b.server.Publish("aims/v1/lab/fib/cmd/alert/LOW/a/ack", []byte("{}"), true, 1))
	acks := make(chan Command, 10)
	p := &Publisher{URL: b.url(), Store: s, OnCommand: func(_ context.Context, c Command) error { acks <- c; return nil }}
	startPublisher(t, p)
	eventually(t, "connected", func() bool { return p.Ready() == nil })
	require.NoError(t, b.server.Publish("aims/v1/lab/fib/cmd/alert/LOW/b/ack", nil, false, 1))
	require.Equal(t, "b", (<-acks).Key)
	require.Empty(t, acks)
}

// The daemon is killed after the broker took messages and before it removed them: they are sent again.
func TestAKilledDaemonSendsAgainWithTheSameIDs(t *testing.T) {
	dir := t.TempDir()
	s, b := openStore(t, StoreOptions{Dir: dir}), newTestBroker(t).start()
	for i := range 50 {
		enqueue(t, s, "a", i)
	}
	stop := startPublisher(t, &Publisher{URL: b.url(), Store: forgetful{s}, StopTimeout: time.Millisecond})
	eventually(t, "broker has them", func() bool { return len(b.on("aims/v1/lab/fib/frame")) == 50 })
	stop()
	require.NoError(t, s.Close())

	s = openStore(t, StoreOptions{Dir: dir})
	enqueue(t, s, "a", 50)
	startPublisher(t, &Publisher{URL: b.url(), Store: s})
	eventually(t, "outbox empty", outboxIsEmpty(t, s))
	require.Len(t, b.on("aims/v1/lab/fib/frame"), 101)
	requireOrdered(t, b.on("aims/v1/lab/fib/frame"), []string{"a"}, 51)
}

// forgetful does not get to remove anything.
type forgetful struct{ *Store }

func (forgetful) AckMessage(context.Context, ...int64) error { return errors.New("killed") }

func TestAMessageThatTheBrokerRefusesDoesNotHoldUpTheOthers(t *testing.T) {
	s, b := openStore(t, StoreOptions{}), newTestBroker(t).start()
	b.mu.Lock()
	b.onPacket = func(pk packets.Packet) error {
		if string(pk.Payload) == "a:3" {
			return packets.ErrPacketTooLarge
		}
		return nil
	}
	b.mu.Unlock()
	p := &Publisher{URL: b.url(), Store: s}
	startPublisher(t, p)
	p.SetOnline()
	for i := range 10 {
		enqueue(t, s, "a", i)
	}
	eventually(t, "the others are through", func() bool {
		return len(b.on("aims/v1/lab/fib/frame")) >= 9 && b.last("aims/v1/lab/fib/frame") == "a:9"
	})
	eventually(t, "it is kept", func() bool {
		msgs, err := s.NextMessages(t.Context(), 0, 20)
		require.NoError(t, err)
		return len(msgs) == 1 && string(msgs[0].Payload) == "a:3"
	})
}

// A broker that takes the connection and then says nothing is left.
func TestASilentBrokerIsLeft(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	defer serving.Wait()
	defer func() { _ = l.Close() }()
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = c.Close() }()
				_, _ = c.Write([]byte{0x20, 2, 0, 0}) // CONNACK, accepted
				_, _ = c.Read(make([]byte, 1<<10))
				for _, err := c.Read(make([]byte, 1<<10)); err == nil; _, err = c.Read(make([]byte, 1<<10)) {
				}
			})
		}
	})
	s := openStore(t, StoreOptions{})
	enqueue(t, s, "a", 0)
	p := &Publisher{URL: "tcp://" + l.Addr().String(), Store: s, AckTimeout: 100 * time.Millisecond, StopTimeout: 10 * time.Millisecond}
	stop := startPublisher(t, p)
	eventually(t, "left", func() bool {
		err := p.Ready()
		return err != nil && strings.Contains(err.Error(), "does not acknowledge")
	})
	require.False(t, outboxIsEmpty(t, s)())
	stop()
}

func TestAWrongConfigurationIsNamed(t *testing.T) {
	topics := testTopics(t)
	dir := t.TempDir()
	secret := filepath.Join(dir, "password")
	require.NoError(t, os.WriteFile(secret, []byte("pass word \r\n"), 0o600))
	for want, p := range map[string]*Publisher{
		"no site":         {URL: "tcp://a:1"},
		"scheme":          {URL: "http://a:1", Topics: topics},
		"want a URL":      {URL: "127.0.0.1:1883", Topics: topics},
		"password_file":   {URL: "tcp://a:1", Topics: topics, PasswordFile: filepath.Join(dir, "none")},
		"mqtt.tls is set": {URL: "tcp://a:1", Topics: topics, TLS: TLSFiles{CAFile: "x"}},
		"authorities":     {URL: "ssl://a:1", Topics: topics, TLS: TLSFiles{CAFile: secret}},
		"needs its key":   {URL: "ssl://a:1", Topics: topics, TLS: TLSFiles{CertFile: secret}},
		"certificate":     {URL: "ssl://a:1", Topics: topics, TLS: TLSFiles{CertFile: secret, KeyFile: secret}},
	} {
		require.ErrorContains(t, p.Validate(), want)
		require.ErrorContains(t, p.Run(t.Context()), want)
	}
	p := &Publisher{URL: "ssl://user:hidden@a:1", Topics: topics, PasswordFile: secret}
	require.NoError(t, p.Validate())
	password, err := p.password()
	require.NoError(t, err)
	require.Equal(t, "pass word ", password)
	require.NotContains(t, shownURL(p.URL), "hidden")
}

func TestTheClientIDIsStableAndShort(t *testing.T) {
	s := openStore(t, StoreOptions{})
	p := &Publisher{Topics: testTopics(t), Store: s}
	a, err := p.clientID(t.Context())
	require.NoError(t, err)
	b, err := p.clientID(t.Context())
	require.NoError(t, err)
	require.Equal(t, a, b)
	require.LessOrEqual(t, len(a), 23)
	other, err := (&Publisher{Topics: testTopics(t), Store: openStore(t, StoreOptions{})}).clientID(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, a, other)
}
