package stream_test

import (
	"context"
	"encoding/json"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/streamtest"
)

// ingest is a push server behind a real listener.
type ingest struct {
	t       *testing.T
	journal *streamtest.Journal
	server  *stream.PushServer
	out     chan stream.Arrival
	conn    *grpc.ClientConn
	stop    func()
}

func newIngest(t *testing.T, change ...func(*stream.PushServer)) *ingest {
	t.Helper()
	in := &ingest{t: t, journal: &streamtest.Journal{}, out: make(chan stream.Arrival, 4)}
	in.server = &stream.PushServer{Journal: in.journal}
	for _, fn := range change {
		fn(in.server)
	}
	listener := &stream.GRPCListener{Listen: "127.0.0.1:0", Frames: in.server}
	require.NoError(t, listener.Open(t.Context()))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { errorTo(t, listener.Run(ctx)) })
	wg.Go(func() { errorTo(t, in.server.Run(ctx, in.out)) })
	in.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	in.conn = conn
	t.Cleanup(func() { _ = conn.Close(); in.stop() })
	require.Eventually(t, func() bool { return in.server.Ready() == nil }, soon, time.Millisecond)
	return in
}

func errorTo(t *testing.T, err error) {
	if err != nil {
		t.Error(err)
	}
}

// client is one Push stream.
type client struct {
	t      *testing.T
	stream grpc.BidiStreamingClient[aimsv1.PushRequest, aimsv1.FrameAck]
	cancel func()
}

func (in *ingest) dial() *client {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*soon)
	in.t.Cleanup(cancel)
	s, err := aimsv1.NewFrameServiceClient(in.conn).Push(ctx)
	require.NoError(in.t, err)
	return &client{in.t, s, cancel}
}

func (c *client) header(h *aimsv1.FrameHeader) {
	c.t.Helper()
	require.NoError(c.t, c.stream.Send(&aimsv1.PushRequest{Part: &aimsv1.PushRequest_Header{Header: h}}))
}

func (c *client) chunk(data []byte) {
	c.t.Helper()
	require.NoError(c.t, c.stream.Send(&aimsv1.PushRequest{Part: &aimsv1.PushRequest_Chunk{Chunk: &aimsv1.FrameChunk{Data: data}}}))
}

func (c *client) push(h *aimsv1.FrameHeader, pixels []byte, chunk int) {
	c.t.Helper()
	c.header(h)
	for part := range slices.Chunk(pixels, chunk) {
		c.chunk(part)
	}
}

func (c *client) ack(want aimsv1.FrameAck_State) *aimsv1.FrameAck {
	c.t.Helper()
	ack, err := c.stream.Recv()
	require.NoError(c.t, err)
	require.Equal(c.t, want.String(), ack.GetState().String(), ack.GetReason())
	return ack
}

func (c *client) ends(want codes.Code) {
	c.t.Helper()
	for {
		_, err := c.stream.Recv()
		if err == nil {
			continue
		}
		if want == codes.OK {
			require.ErrorIs(c.t, err, io.EOF)
		} else {
			require.Equal(c.t, want, status.Code(err), err)
		}
		return
	}
}

func noise(n int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
}

func castagnoli(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func gray8(uid string, side int) (*aimsv1.FrameHeader, []byte) {
	pixels := noise(side * side)
	return &aimsv1.FrameHeader{
		FrameUid: uid, Width: uint32(side), Height: uint32(side),
		Format: aimsv1.PixelFormat_GRAY8, Crc32C: castagnoli(pixels),
	}, pixels
}

// processed finishes an arrival as the pipeline would.
func (in *ingest) processed(a stream.Arrival) {
	in.t.Helper()
	summary, err := json.Marshal(map[string]any{
		"frame_id": a.FrameID, "run_id": a.RunID, "objects": 17, "nm_per_px": 2.5, "scale_source": "metadata", "folder": a.Name,
	})
	require.NoError(in.t, err)
	in.journal.Finish(a, stream.Outcome{State: stream.StateProcessed, Result: summary})
}
