//go:build linux

package e2e

import (
	"bufio"
	"encoding/json"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// brokerProgram is another vendor's broker; its client has the suffix _sub.
const brokerProgram = "mosquitto" //nolint:misspell // its name

// broker is a real one, on loopback.
type broker struct {
	t    *testing.T
	port string
}

func startBroker(t *testing.T) *broker {
	t.Helper()
	for _, name := range []string{brokerProgram, brokerProgram + "_sub", brokerProgram + "_pub"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("SKIPPED, NOT TESTED: %v; install Debian's packages %s and %s-clients", err, brokerProgram, brokerProgram)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b := &broker{t: t}
	_, b.port, err = net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	c := exec.Command(brokerProgram, "-p", b.port)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	eventually(t, "broker listens", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+b.port)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	b.publish("-r", "-t", sentinel, "-m", "1")
	return b
}

// sentinel is a retained topic that is always there.
const sentinel = "sentinel"

func (b *broker) publish(args ...string) {
	b.t.Helper()
	c := exec.Command(brokerProgram+"_pub", append([]string{"-h", "127.0.0.1", "-p", b.port}, args...)...)
	require.NoError(b.t, c.Run())
}

// settings are the lines of a daemon's configuration that name the broker.
func (b *broker) settings() string { return "mqtt: {url: \"tcp://127.0.0.1:" + b.port + "\"}\n" }

// topic is one of the daemon that newSite configures.
func topic(name string) string { return "aims/v1/lab/fib/" + name }

// message is one as the subscriber printed it.
type message struct {
	retained bool
	topic    string
	payload  string
}

// decode reads the JSON.
func (m message) decode(t *testing.T, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(m.payload), v), m.payload)
}

// subscriber gathers what a real client receives.
type subscriber struct {
	mu  sync.Mutex
	got []message
}

// format makes the client print: retained flag, topic, payload.
const format = "%r %t %p"

func parse(line string) message {
	flag, rest, _ := strings.Cut(line, " ")
	name, payload, _ := strings.Cut(rest, " ")
	return message{flag == "1", name, payload}
}

// subscribe subscribes to everything there is, and waits until that has taken effect.
func (b *broker) subscribe() *subscriber {
	b.t.Helper()
	s := &subscriber{}
	c := exec.Command(brokerProgram+"_sub", "-h", "127.0.0.1", "-p", b.port, "-q", "1", "-F", format, "-t", "#")
	out, err := c.StdoutPipe()
	require.NoError(b.t, err)
	require.NoError(b.t, c.Start())
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			s.mu.Lock()
			s.got = append(s.got, parse(lines.Text()))
			s.mu.Unlock()
		}
		_ = c.Wait()
	}()
	b.t.Cleanup(func() { _ = c.Process.Kill(); <-done })
	const probe = "probe"
	eventually(b.t, "subscription takes effect", func() bool {
		b.publish("-t", probe, "-m", probe)
		return len(s.on(probe)) > 0
	})
	return s
}

// on returns the messages of a topic so far.
func (s *subscriber) on(name string) []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []message
	for _, m := range s.got {
		if m.topic == name {
			out = append(out, m)
		}
	}
	return out
}

// retained asks the broker, as a client that comes later, what it keeps for a topic or filter.
func (b *broker) retained(filter string) []message {
	b.t.Helper()
	// The sentinel is subscribed to last, so that the broker sends it last.
	c := exec.Command(brokerProgram+"_sub", "-h", "127.0.0.1", "-p", b.port, "-q", "1", "-F", format, "-W", "30", "--retained-only",
		"-t", filter, "-t", sentinel)
	out, err := c.StdoutPipe()
	require.NoError(b.t, err)
	require.NoError(b.t, c.Start())
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	var got []message
	for lines := bufio.NewScanner(out); lines.Scan(); {
		m := parse(lines.Text())
		if m.topic == sentinel {
			return got
		}
		got = append(got, m)
	}
	require.FailNow(b.t, "the broker does not answer")
	return nil
}
