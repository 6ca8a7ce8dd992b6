package stream_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
	"github.com/uni-aims/aimsd/stream/streamtest"
)

// cable is a connection that can be pulled: then nothing goes either way, and neither side is told.
type cable struct {
	lis    net.Listener
	pulled chan struct{}
	mu     sync.Mutex
	conns  []net.Conn
}

func newCable(t *testing.T, to string) *cable {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &cable{lis: lis, pulled: make(chan struct{})}
	t.Cleanup(func() {
		_ = lis.Close()
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, conn := range c.conns {
			_ = conn.Close()
		}
	})
	go func() {
		for {
			in, err := lis.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				return
			}
			c.mu.Lock()
			c.conns = append(c.conns, in, out)
			c.mu.Unlock()
			go c.carry(in, out)
			go c.carry(out, in)
		}
	}()
	return c
}

func (c *cable) carry(from io.Reader, to io.Writer) {
	part := make([]byte, 32<<10)
	for {
		n, err := from.Read(part)
		select {
		case <-c.pulled:
			return
		default:
		}
		if err != nil {
			return
		}
		if _, err := to.Write(part[:n]); err != nil {
			return
		}
	}
}

// A cable that is pulled is noticed within 30 s on both sides.
func TestPulledCableIsNoticedSoak(t *testing.T) {
	if _, full := streamtest.Soak(t, 0); !full {
		t.Skip("takes 30 s: make soak")
	}
	in := newIngest(t)
	c := newCable(t, in.conn.Target())
	conn, err := grpc.NewClient(c.lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}))
	require.NoError(t, err)
	defer conn.Close()
	push, err := aimsv1.NewFrameServiceClient(conn).Push(t.Context())
	require.NoError(t, err)
	cl := &client{t: t, stream: push, cancel: func() {}}
	h, pixels := gray8("last", 64)
	cl.push(h, pixels, 1<<20)
	cl.ack(aimsv1.FrameAck_ACCEPTED)
	in.processed(<-in.out)
	cl.ack(aimsv1.FrameAck_DONE)
	require.EqualValues(t, 1, in.server.Stats().Streams)
	close(c.pulled)
	began := time.Now()
	noticed := make(chan time.Duration, 1)
	go func() { _, _ = push.Recv(); noticed <- time.Since(began) }()
	require.Eventually(t, func() bool { return in.server.Stats().Streams == 0 }, soon, 50*time.Millisecond)
	server, ours := time.Since(began), <-noticed
	t.Logf("noticed after %s by aimsd, after %s by its client", server.Round(time.Second), ours.Round(time.Second))
	require.Less(t, max(server, ours), 35*time.Second)
}
