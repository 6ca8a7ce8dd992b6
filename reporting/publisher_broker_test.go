package reporting

import (
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"
)

// testBroker is a real broker on a loopback port that can be stopped, started again on the same port (its
// memory gone), and made to break connections.
type testBroker struct {
	t      *testing.T
	addr   string
	server *mochi.Server
	sub    int

	mu       sync.Mutex
	refuse   bool
	conns    []net.Conn
	received []received
	onPacket func(packets.Packet) error
}

type received struct {
	topic, payload string
	retained       bool
}

func newTestBroker(t *testing.T) *testBroker {
	b := &testBroker{t: t, addr: "127.0.0.1:0"}
	t.Cleanup(b.stop)
	return b
}

func (b *testBroker) url() string { return "tcp://" + b.addr }

// reserve picks the port without listening on it.
func (b *testBroker) reserve() *testBroker {
	l, err := net.Listen("tcp", b.addr)
	require.NoError(b.t, err)
	b.addr = l.Addr().String()
	require.NoError(b.t, l.Close())
	return b
}

func (b *testBroker) start() *testBroker {
	var l net.Listener
	require.Eventually(b.t, func() (ok bool) {
		var err error
		l, err = net.Listen("tcp", b.addr)
		return err == nil
	}, 5*time.Second, 10*time.Millisecond)
	b.addr = l.Addr().String()
	b.server = mochi.New(&mochi.Options{InlineClient: true, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	require.NoError(b.t, b.server.AddHook(new(auth.AllowHook), nil))
	require.NoError(b.t, b.server.AddHook(&packetHook{broker: b}, nil))
	require.NoError(b.t, b.server.AddListener(listeners.NewNet("t", &breakable{Listener: l, b: b})))
	require.NoError(b.t, b.server.Serve())
	b.subscribe("aims/#")
	return b
}

// subscribe is what a late subscriber sees: retained messages come at once.
func (b *testBroker) subscribe(filter string) {
	b.sub++
	require.NoError(b.t, b.server.Subscribe(filter, b.sub, func(_ *mochi.Client, _ packets.Subscription, pk packets.Packet) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.received = append(b.received, received{pk.TopicName, string(pk.Payload), pk.FixedHeader.Retain})
	}))
}

func (b *testBroker) stop() {
	if b.server != nil {
		b.cut(false)
		require.NoError(b.t, b.server.Close())
		b.server = nil
	}
}

// cut breaks every connection without a word; with refuse, new ones too.
func (b *testBroker) cut(refuse bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = refuse
	for _, c := range b.conns {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
	}
	b.conns = nil
}

func (b *testBroker) allow() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = false
}

func (b *testBroker) all() []received {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.received)
}

// on returns the payloads that came on a topic.
func (b *testBroker) on(topic string) (payloads []string) {
	for _, r := range b.all() {
		if r.topic == topic {
			payloads = append(payloads, r.payload)
		}
	}
	return payloads
}

func (b *testBroker) last(topic string) string {
	if p := b.on(topic); len(p) > 0 {
		return p[len(p)-1]
	}
	return ""
}

// retained is what the broker keeps for a topic.
func (b *testBroker) retained(topic string) string {
	if pk, ok := b.server.Topics.Retained.Get(topic); ok {
		return string(pk.Payload)
	}
	return ""
}

type breakable struct {
	net.Listener
	b *testBroker
}

func (l *breakable) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.b.mu.Lock()
		refuse := l.b.refuse
		if !refuse {
			l.b.conns = append(l.b.conns, c)
		}
		l.b.mu.Unlock()
		if !refuse {
			return c, nil
		}
		_ = c.Close()
	}
}

// packetHook lets a test look at, and refuse, what clients send.
type packetHook struct {
	mochi.HookBase
	broker *testBroker
}

func (*packetHook) ID() string           { return "packets" }
func (*packetHook) Provides(b byte) bool { return b == mochi.OnPacketRead }

func (h *packetHook) OnPacketRead(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	h.broker.mu.Lock()
	look := h.broker.onPacket
	h.broker.mu.Unlock()
	if look != nil && !cl.Net.Inline && pk.FixedHeader.Type == packets.Publish {
		if err := look(pk); err != nil {
			cl.Stop(err)
			return pk, err
		}
	}
	return pk, nil
}
