//go:build linux

package e2e

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"
	"github.com/stretchr/testify/require"
)

// heard is one message as the broker received it, whether a client had sent it before or not.
type heard struct {
	topic    string
	payload  []byte
	retained bool
}

// hearing is a broker in this process that keeps what is published.
type hearing struct {
	mochi.HookBase
	url string

	mu   sync.Mutex
	said []heard
}

// hear starts one.
func hear(t testing.TB) *hearing {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	h := &hearing{url: "tcp://" + l.Addr().String()}
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	require.NoError(t, server.AddHook(new(auth.AllowHook), nil))
	require.NoError(t, server.AddHook(h, nil))
	require.NoError(t, server.AddListener(listeners.NewNet("soak", l)))
	require.NoError(t, server.Serve())
	t.Cleanup(func() { _ = server.Close() })
	return h
}

// ID implements mochi.Hook.
func (h *hearing) ID() string { return "hearing" }

// Provides implements mochi.Hook.
func (h *hearing) Provides(b byte) bool { return b == mochi.OnPublished }

// OnPublished implements mochi.Hook.
func (h *hearing) OnPublished(_ *mochi.Client, p packets.Packet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said = append(h.said, heard{p.TopicName, append([]byte(nil), p.Payload...), p.FixedHeader.Retain})
}

// on returns what was heard on topics that end so, in order.
func (h *hearing) on(suffix string) (said []heard) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range h.said {
		if strings.HasSuffix(m.topic, suffix) {
			said = append(said, m)
		}
	}
	return said
}

// alertState is the state an alert was last heard in; "" when it was never heard of.
func (h *hearing) alertState(t testing.TB, code, key string) string {
	t.Helper()
	said := h.on("/alert/" + code + "/" + key)
	if len(said) == 0 {
		return ""
	}
	last := said[len(said)-1].payload
	if len(last) == 0 {
		return "cleared"
	}
	var m struct {
		State string `json:"state"`
	}
	require.NoError(t, json.Unmarshal(last, &m))
	return m.State
}

// settings are the lines of a daemon's configuration that name the broker.
func (h *hearing) settings() string { return "mqtt: {url: \"" + h.url + "\"}\n" }
