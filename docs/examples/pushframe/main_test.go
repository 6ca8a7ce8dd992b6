package main

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/streamtest"
)

const wait, tick = 10 * time.Second, time.Millisecond

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestGeneratedFrameIsSentAndItsResultPrinted(t *testing.T) {
	var journal streamtest.Journal
	server := &stream.PushServer{Journal: &journal}
	listener := &stream.GRPCListener{Listen: "127.0.0.1:0", Frames: server}
	require.NoError(t, listener.Open(t.Context()))
	ctx, cancel := context.WithCancel(context.Background())
	out := make(chan stream.Arrival, 1)
	var wg sync.WaitGroup
	wg.Go(func() { _ = listener.Run(ctx) })
	wg.Go(func() { _ = server.Run(ctx, out) })
	wg.Go(func() {
		a := <-out
		journal.Finish(a, stream.Outcome{State: stream.StateProcessed, Result: []byte(`{"objects":3}`)})
	})
	defer wg.Wait()
	defer cancel()
	require.Eventually(t, func() bool { return server.Ready() == nil }, wait, tick)
	var said bytes.Buffer
	require.NoError(t, push(t.Context(), &said, listener.Addr().String(), "", "one", ""))
	require.NoError(t, push(t.Context(), &said, listener.Addr().String(), "", "one", ""))
	require.Equal(t, "ACCEPTED one  \nDONE one  {\"objects\":3}\nDUPLICATE one processed {\"objects\":3}\n", said.String())
}
