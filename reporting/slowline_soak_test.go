package reporting

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Over a line of 200 kB/s the past fills the line, and the present still passes it: little of the past is under way.
func TestSlowLineSoak(t *testing.T) {
	const rate = 200_000 // bytes a second
	full := os.Getenv("SOAK_MINUTES") != ""
	backlog, patience := 400, time.Nanosecond
	if full {
		backlog, patience = 6000, 0
	}
	s, b := openStore(t, StoreOptions{}), newTestBroker(t).start()
	text := strings.Repeat("x", 1500)
	var msgs []Message
	for i := range backlog {
		msgs = append(msgs, Message{Topic: "aims/v1/lab/fib/frame", Payload: fmt.Appendf(nil, `{"n":%d,"text":%q}`, i, text), QoS: 1})
	}
	require.NoError(t, s.Enqueue(t.Context(), msgs...))
	p := &Publisher{URL: "tcp://" + slowProxy(t, b.addr, rate), Store: s, Patience: patience}
	startPublisher(t, p)
	eventually(t, "the backlog is on its way", func() bool { return len(b.on("aims/v1/lab/fib/frame")) > 10 })
	worst, overtaken := time.Duration(0), 0
	for i := 0; ; i++ {
		before := len(b.on("aims/v1/lab/fib/frame"))
		if before > backlog-200 {
			break
		}
		begun := time.Now()
		require.NoError(t, s.Enqueue(t.Context(), Message{Topic: "aims/v1/lab/fib/event", Payload: fmt.Appendf(nil, `{"live":%d}`, i), QoS: 1}))
		eventually(t, "it arrives", func() bool { return len(b.on("aims/v1/lab/fib/event")) == i+1 })
		worst = max(worst, time.Since(begun))
		overtaken = max(overtaken, len(b.on("aims/v1/lab/fib/frame"))-before)
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("new messages arrived within %v, while at most %d of %d kB of the past came before", worst, overtaken, backlog*len(text)/1000)
	if full {
		require.LessOrEqual(t, worst, 1200*time.Millisecond)
	} else {
		require.Less(t, overtaken, 2*pastBytes/len(text)+32)
	}
}

// slowProxy passes what a client sends on, at most so many bytes a second, and what comes back as it comes.
func slowProxy(t *testing.T, to string, rate int) (addr string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	pipe := func(dst, src net.Conn, slow bool) {
		defer dst.Close()
		defer src.Close()
		buf := make([]byte, 2048)
		for {
			n, err := src.Read(buf)
			if err != nil {
				return
			}
			if slow {
				time.Sleep(time.Duration(n) * time.Second / time.Duration(rate))
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				return
			}
		}
	}
	serving.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			broker, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			serving.Go(func() { pipe(broker, client, true) })
			serving.Go(func() { pipe(client, broker, false) })
		}
	})
	return l.Addr().String()
}
