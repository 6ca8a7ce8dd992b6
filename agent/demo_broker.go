package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"

	"github.com/uni-aims/aimsd/reporting"
)

// demoBroker is an MQTT broker in this process, on loopback.
type demoBroker struct {
	URL    string
	server *mochi.Server
}

func startDemoBroker() (*demoBroker, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // binding loopback does not block
	if err != nil {
		return nil, fmt.Errorf("demo broker: %w", err)
	}
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err := server.AddHook(new(auth.AllowHook), nil); err != nil {
		return nil, fmt.Errorf("demo broker: %w", err)
	}
	if err := server.AddListener(listeners.NewNet("demo", l)); err != nil {
		return nil, fmt.Errorf("demo broker: %w", err)
	}
	if err := server.Serve(); err != nil {
		return nil, fmt.Errorf("demo broker: %w", err)
	}
	return &demoBroker{URL: "tcp://" + l.Addr().String(), server: server}, nil
}

// Close stops the broker.
func (b *demoBroker) Close() { _ = b.server.Close() }

// frameCounter is a subscriber that counts the frames it was told of, each once.
type frameCounter struct {
	client mqtt.Client
	mu     sync.Mutex
	seen   map[string]bool
}

// subscribeFrames subscribes to the demo's frame messages.
func subscribeFrames(url string) (*frameCounter, error) {
	c := &frameCounter{seen: map[string]bool{}}
	c.client = mqtt.NewClient(mqtt.NewClientOptions().AddBroker(url).SetClientID("demo-subscriber").SetOrderMatters(false))
	if t := c.client.Connect(); !t.WaitTimeout(5*time.Second) || t.Error() != nil {
		return nil, fmt.Errorf("demo subscriber: %w", orTimeout(t.Error()))
	}
	t := c.client.Subscribe("aims/v1/+/+/frame", 1, func(_ mqtt.Client, m mqtt.Message) {
		var frame reporting.FrameMessage
		if json.Unmarshal(m.Payload(), &frame) == nil && frame.Outcome == "processed" {
			c.mu.Lock()
			c.seen[frame.FrameID] = true
			c.mu.Unlock()
		}
	})
	if !t.WaitTimeout(5*time.Second) || t.Error() != nil {
		return nil, fmt.Errorf("demo subscriber: %w", orTimeout(t.Error()))
	}
	return c, nil
}

// Frames is how many different frames were told of.
func (c *frameCounter) Frames() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seen)
}

// WaitFor waits until that many frames were told of, or the time is up.
func (c *frameCounter) WaitFor(frames int, limit time.Duration) {
	for deadline := time.Now().Add(limit); c.Frames() < frames && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
	}
}

// Close disconnects.
func (c *frameCounter) Close() { c.client.Disconnect(100) }

func orTimeout(err error) error {
	if err == nil {
		return errors.New("no answer within 5 s")
	}
	return err
}
