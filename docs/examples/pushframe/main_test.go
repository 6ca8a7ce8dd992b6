package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/streamtest"
)

const wait, tick = 30 * time.Second, time.Millisecond

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs the stream's part of a daemon, which hands each frame to take, until stop.
func serve(t *testing.T, journal *streamtest.Journal, address string, take func(stream.Arrival)) (at string, stop func()) {
	t.Helper()
	server := &stream.PushServer{Journal: journal}
	listener := &stream.GRPCListener{Listen: address, Frames: server}
	require.NoError(t, listener.Open(t.Context()))
	ctx, cancel := context.WithCancel(context.Background())
	out := make(chan stream.Arrival)
	var wg sync.WaitGroup
	wg.Go(func() { _ = listener.Run(ctx) })
	wg.Go(func() { _ = server.Run(ctx, out) })
	wg.Go(func() {
		for {
			select {
			case a := <-out:
				take(a)
			case <-ctx.Done():
				return
			}
		}
	})
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	require.Eventually(t, func() bool { return server.Ready() == nil }, wait, tick)
	return listener.Addr().String(), stop
}

func processed(journal *streamtest.Journal) func(stream.Arrival) {
	return func(a stream.Arrival) {
		journal.Finish(a, stream.Outcome{State: stream.StateProcessed, Result: []byte(`{"objects":3}`)})
	}
}

func TestGeneratedFrameIsSentAndItsResultPrinted(t *testing.T) {
	var journal streamtest.Journal
	at, _ := serve(t, &journal, "127.0.0.1:0", processed(&journal))
	var said bytes.Buffer
	p := &pusher{UID: "one", Out: &said}
	require.NoError(t, run(t.Context(), p, at, "", "", "", nil))
	require.NoError(t, run(t.Context(), p, at, "", "", "", nil))
	require.Equal(t, "ACCEPTED one  \nDONE one  {\"objects\":3}\nDUPLICATE one processed {\"objects\":3}\n", said.String())
}

func TestFramesThatAreNotSettledAreSentAgainAfterARestart(t *testing.T) {
	var journal streamtest.Journal
	first := make(chan struct{}, 1)
	at, stop := serve(t, &journal, "127.0.0.1:0", func(a stream.Arrival) {
		if strings.HasSuffix(a.Key, "-1") {
			processed(&journal)(a)
			return
		}
		first <- struct{}{} // it is accepted, and then the daemon goes
	})
	dir := t.TempDir()
	var paths []string
	for _, name := range []string{"a.pgm", "b.pgm", "c.pgm"} {
		paths = append(paths, filepath.Join(dir, name))
		require.NoError(t, os.WriteFile(paths[len(paths)-1], append([]byte("P5 64 64 255\n"), make([]byte, 64*64)...), 0o600))
	}
	ended := make(chan error, 1)
	var said bytes.Buffer
	go func() { ended <- run(t.Context(), &pusher{UID: "run", Out: &said}, at, "", "", "", paths) }()
	<-first
	stop()
	_, port, err := net.SplitHostPort(at)
	require.NoError(t, err)
	serve(t, &journal, "127.0.0.1:"+port, processed(&journal))
	require.NoError(t, <-ended)
	require.Len(t, journal.Receipts(), 3)
	require.Len(t, journal.Receipts(stream.StateProcessed), 3)
	require.Contains(t, said.String(), "2 frames are not settled")
}

func TestFileThatCannotBeReadIsSaidOnceAndNotTriedForEver(t *testing.T) {
	var journal streamtest.Journal
	at, _ := serve(t, &journal, "127.0.0.1:0", processed(&journal))
	var said bytes.Buffer
	err := run(t.Context(), &pusher{UID: "x", Out: &said}, at, "", "", "", []string{filepath.Join(t.TempDir(), "missing.tif")})
	require.ErrorContains(t, err, "missing.tif")
	require.Error(t, run(t.Context(), &pusher{Out: &said}, at, "missing.pem", "", "", nil))
}
