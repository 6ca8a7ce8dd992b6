package reporting

import (
	"bufio"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const otherBroker = "mosquitto" //nolint:misspell // its name

// The same against another broker, killed and started again while messages gather. Its subscriber may come back
// after the publisher: what went out meanwhile shows in the outbox only.
func TestMosquittoIsServedAcrossItsRestart(t *testing.T) {
	for _, program := range []string{otherBroker, otherBroker + "_sub"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	_, port, err := net.SplitHostPort(newTestBroker(t).reserve().addr)
	require.NoError(t, err)
	var programs sync.WaitGroup
	t.Cleanup(programs.Wait)
	// start runs a program until the test ends or the returned function is called, and hands its lines on.
	start := func(line func(string), name string, args ...string) (kill func()) {
		c := exec.CommandContext(t.Context(), name, args...)
		out, err := c.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, c.Start())
		gone := make(chan struct{})
		programs.Go(func() {
			defer close(gone)
			for lines := bufio.NewScanner(out); lines.Scan(); {
				line(lines.Text())
			}
			_ = c.Wait()
		})
		return func() { _ = c.Process.Kill(); <-gone }
	}
	var mu sync.Mutex
	frames, status := []string{}, ""
	collect := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		switch topic, payload, _ := strings.Cut(text, " "); topic {
		case "aims/v1/lab/fib/frame":
			frames = append(frames, payload)
		case "aims/v1/lab/fib/status":
			status = payload
		}
	}
	seen := func() (n int, state string) {
		mu.Lock()
		defer mu.Unlock()
		return len(frames), status
	}
	broker := func() (kill func()) {
		kill = start(func(string) {}, otherBroker, "-p", port)
		eventually(t, "broker listens", func() bool {
			c, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err == nil {
				_ = c.Close()
			}
			return err == nil
		})
		return kill
	}
	subscribe := func() func() {
		return start(collect, otherBroker+"_sub", "-h", "127.0.0.1", "-p", port, "-q", "1", "-v", "-t", "aims/v1/lab/fib/#")
	}

	s := openStore(t, StoreOptions{})
	p := &Publisher{URL: "tcp://127.0.0.1:" + port, Store: s}
	p.SetOnline()
	killBroker := broker()
	stopSub := subscribe()
	stop := startPublisher(t, p)
	eventually(t, "online", func() bool { _, state := seen(); return strings.Contains(state, "online") })
	for i := range 100 {
		enqueue(t, s, "a", i)
	}
	eventually(t, "first hundred", func() bool { n, _ := seen(); return n >= 100 })
	killBroker()
	stopSub()
	requireOrdered(t, frames, []string{"a"}, 100)
	for i := 100; i < 300; i++ {
		enqueue(t, s, "a", i)
	}
	mu.Lock()
	status = ""
	mu.Unlock()
	killBroker = broker()
	stopSub = subscribe()
	eventually(t, "outbox empty", outboxIsEmpty(t, s))
	eventually(t, "online again", func() bool { _, state := seen(); return strings.Contains(state, "online") })
	stop()
	eventually(t, "stopped", func() bool { _, state := seen(); return strings.Contains(state, "stopped") })
	stopSub()
	killBroker()
}
