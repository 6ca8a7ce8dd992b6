package stream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
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

func TestPushedFrameArrivesPixelByPixel(t *testing.T) {
	const w, h, pad = 100, 70, 13
	for _, c := range []struct {
		format aimsv1.PixelFormat
		bpp    int
		chunk  int
	}{
		{aimsv1.PixelFormat_GRAY8, 1, 1 << 20},
		{aimsv1.PixelFormat_GRAY8, 1, 17},
		{aimsv1.PixelFormat_GRAY16LE, 2, 333},
		{aimsv1.PixelFormat_RGB8, 3, 1001},
	} {
		t.Run(fmt.Sprintf("%s in chunks of %d", c.format, c.chunk), func(t *testing.T) {
			in := newIngest(t)
			stride := w*c.bpp + pad
			sent := noise(stride * h)
			cl := in.dial()
			cl.push(&aimsv1.FrameHeader{
				FrameUid: "u/1", Seq: 3, RunId: "lot 7", Name: "tile:1.tif", Width: w, Height: h, Stride: uint32(stride), Format: c.format,
				NmPerPx: 2.5, Crc32C: castagnoli(sent), Metadata: map[string]string{"detector": "ETD"}, EndOfRun: true, FrameTimeUnixNs: 1e18,
			}, sent, c.chunk)
			require.Equal(t, "u/1", cl.ack(aimsv1.FrameAck_ACCEPTED).GetFrameUid())

			a := <-in.out
			require.Equal(t, []any{"grpc", "u/1", "tile_1.tif", "lot 7", uint64(3), true},
				[]any{a.Source, a.Key, a.Name, a.RunHint, a.Receipt.Seq, a.EndOfRun})
			f, err := a.Open(t.Context())
			require.NoError(t, err)
			require.Equal(t, []any{w, h, 2.5, "ETD"}, []any{f.Width, f.Height, f.Meta.NmPerPx, f.Meta.Raw["detector"]})
			require.Len(t, f.SHA256, 64)
			for y := range h {
				row := sent[y*stride:]
				for x := range w {
					switch c.format {
					case aimsv1.PixelFormat_GRAY16LE:
						require.Equal(t, uint16(row[2*x])|uint16(row[2*x+1])<<8, f.Gray16[y*w+x])
					case aimsv1.PixelFormat_RGB8:
						grey := (299*int(row[3*x]) + 587*int(row[3*x+1]) + 114*int(row[3*x+2]) + 500) / 1000
						require.Equal(t, uint8(grey), f.Gray8[y*w+x])
					default:
						require.Equal(t, row[x], f.Gray8[y*w+x])
					}
				}
			}
			require.Positive(t, in.server.Stats().BytesInFlight)
			f.Release()
			in.processed(a)
			done := cl.ack(aimsv1.FrameAck_DONE)
			require.Equal(t, []any{uint32(17), 2.5, "metadata", a.FrameID, "tile_1.tif"}, []any{
				done.GetResult().GetObjects(), done.GetResult().GetNmPerPx(), done.GetResult().GetScaleSource(),
				done.GetResult().GetFrameId(), done.GetResult().GetFolder(),
			})
			require.NotEmpty(t, done.GetResult().GetSummaryJson())
			require.Positive(t, done.GetCredits())
			require.Zero(t, in.server.Stats().BytesInFlight)
			require.NoError(t, cl.stream.CloseSend())
			cl.ends(codes.OK)
		})
	}
}

func TestFrameOf128MiBPassesUnderTheDefaultMessageLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("large frame")
	}
	in := newIngest(t)
	sent := bytes.Repeat(noise(1<<16), 2048)
	cl := in.dial()
	began := time.Now()
	cl.push(&aimsv1.FrameHeader{FrameUid: "big", Width: 8192, Height: 8192, Format: aimsv1.PixelFormat_GRAY16LE, Crc32C: castagnoli(sent)}, sent, 1<<20)
	cl.ack(aimsv1.FrameAck_ACCEPTED)
	t.Logf("128 MiB in %s: %.0f MB/s", time.Since(began), 134.2/time.Since(began).Seconds())
	a := <-in.out
	f, err := a.Open(t.Context())
	require.NoError(t, err)
	require.Len(t, f.Gray16, 8192*8192)
	f.Release()
	in.processed(a)
	cl.ack(aimsv1.FrameAck_DONE)
}

func TestCorruptedPixelsAreRejectedAndMayBeSentAgain(t *testing.T) {
	in := newIngest(t)
	cl := in.dial()
	h, pixels := gray8("f", 64)
	wrong := bytes.Clone(pixels)
	wrong[100] ^= 1
	cl.push(h, wrong, 1000)
	require.Contains(t, cl.ack(aimsv1.FrameAck_REJECTED).GetReason(), "crc mismatch")
	require.Equal(t, uint64(1), in.server.Stats().CRCMismatch)
	require.Empty(t, in.journal.Receipts())
	cl.push(h, pixels, 1000)
	cl.ack(aimsv1.FrameAck_ACCEPTED)
	in.processed(<-in.out)
	cl.ack(aimsv1.FrameAck_DONE)
}

func TestFinishedFrameSentAgainIsADuplicateWithItsResult(t *testing.T) {
	in := newIngest(t)
	cl := in.dial()
	h, pixels := gray8("f", 64)
	cl.push(h, pixels, 4096)
	cl.ack(aimsv1.FrameAck_ACCEPTED)
	in.processed(<-in.out)
	cl.ack(aimsv1.FrameAck_DONE)
	cl.push(h, pixels, 4096)
	require.Equal(t, uint32(17), cl.ack(aimsv1.FrameAck_DUPLICATE).GetResult().GetObjects())
	require.Empty(t, in.out)
	require.Zero(t, in.server.Stats().BytesInFlight)
}

func TestWrongByteCountsAreRejected(t *testing.T) {
	in := newIngest(t)
	cl := in.dial()
	h, pixels := gray8("f", 64)
	cl.push(h, append(bytes.Clone(pixels), 1), 1<<20)
	require.Contains(t, cl.ack(aimsv1.FrameAck_REJECTED).GetReason(), "wrong byte count")
	cl.push(h, pixels[:4000], 1000) // cut short by the next header
	h2, pixels2 := gray8("g", 64)
	cl.push(h2, pixels2, 5000)
	ack := cl.ack(aimsv1.FrameAck_REJECTED)
	require.Equal(t, "f", ack.GetFrameUid())
	require.Contains(t, ack.GetReason(), "wrong byte count: 4000 bytes, want 4096")
	require.Equal(t, "g", cl.ack(aimsv1.FrameAck_ACCEPTED).GetFrameUid())
	in.processed(<-in.out)
	cl.ack(aimsv1.FrameAck_DONE)
	cl.push(h, pixels[:1], 1)
	require.NoError(t, cl.stream.CloseSend())
	cl.ack(aimsv1.FrameAck_REJECTED)
	cl.ends(codes.OK)
	require.Zero(t, in.server.Stats().BytesInFlight)
}

func TestBadHeadersAreRejectedBeforeAnythingIsAllocated(t *testing.T) {
	in := newIngest(t)
	cl := in.dial()
	for want, change := range map[string]func(*aimsv1.FrameHeader){
		"width 100000":    func(h *aimsv1.FrameHeader) { h.Width, h.Height = 100000, 100000 },
		"height 63":       func(h *aimsv1.FrameHeader) { h.Height = 63 },
		"frame_uid has 0": func(h *aimsv1.FrameHeader) { h.FrameUid = "" },
		"129 bytes":       func(h *aimsv1.FrameHeader) { h.FrameUid = strings.Repeat("u", 129) },
		"unprintable":     func(h *aimsv1.FrameHeader) { h.FrameUid = "a\nb" },
		"format 0":        func(h *aimsv1.FrameHeader) { h.Format = 0 },
		"stride 10":       func(h *aimsv1.FrameHeader) { h.Stride = 10 },
		"stride 40000":    func(h *aimsv1.FrameHeader) { h.Stride = 40000 },
		"nm_per_px":       func(h *aimsv1.FrameHeader) { h.NmPerPx = -1 },
		"run_id":          func(h *aimsv1.FrameHeader) { h.RunId = "../../etc" },
		"source":          func(h *aimsv1.FrameHeader) { h.Source = "a/b" },
		"metadata has":    func(h *aimsv1.FrameHeader) { h.Metadata = manyEntries(300) },
		"metadata key":    func(h *aimsv1.FrameHeader) { h.Metadata = map[string]string{"k": strings.Repeat("v", 5000)} },
	} {
		h, pixels := gray8("f", 64)
		change(h)
		cl.push(h, pixels, 1000)
		require.Contains(t, cl.ack(aimsv1.FrameAck_REJECTED).GetReason(), want)
	}
	h, _ := gray8("f", 64)
	cl.header(h)
	cl.chunk(make([]byte, 1<<20+1))
	require.Contains(t, cl.ack(aimsv1.FrameAck_REJECTED).GetReason(), "chunk")
	require.Empty(t, in.journal.Receipts())
	require.Zero(t, in.server.Stats().BytesInFlight)
}

func manyEntries(n int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprint(i)] = "v"
	}
	return m
}

func TestFrameBeyondTheMemoryLimitIsBusyUntilOthersAreReleased(t *testing.T) {
	in := newIngest(t, func(s *stream.PushServer) { s.MaxBytesInFlight = 150_000 })
	cl := in.dial()
	first, pixels := gray8("first", 300)
	cl.push(first, pixels, 10_000)
	cl.ack(aimsv1.FrameAck_ACCEPTED)
	second, _ := gray8("second", 300)
	cl.push(second, pixels, 10_000)
	ack := cl.ack(aimsv1.FrameAck_BUSY)
	require.Equal(t, "second", ack.GetFrameUid())
	require.Zero(t, ack.GetCredits())
	in.processed(<-in.out)
	cl.ack(aimsv1.FrameAck_DONE)
	cl.push(second, pixels, 10_000)
	cl.ack(aimsv1.FrameAck_ACCEPTED)
	in.processed(<-in.out)
	cl.ack(aimsv1.FrameAck_DONE)
	never, large := gray8("never", 400)
	cl.push(never, large, 10_000)
	require.Contains(t, cl.ack(aimsv1.FrameAck_REJECTED).GetReason(), "raise its limit")
}

func TestBrokenStreamLeavesNothingBehind(t *testing.T) {
	in := newIngest(t)
	cl := in.dial()
	h, pixels := gray8("f", 64)
	cl.push(h, pixels[:3000], 1000)
	require.Eventually(t, func() bool { return in.server.Stats().BytesInFlight > 0 }, soon, time.Millisecond)
	cl.cancel()
	require.Eventually(t, func() bool {
		s := in.server.Stats()
		return s.BytesInFlight == 0 && s.Broken == 1 && s.Streams == 0
	}, soon, time.Millisecond)
	require.Empty(t, in.journal.Receipts())
	require.Empty(t, in.out)
}

func TestStreamLostAfterAcceptanceIsAnsweredOnTheNext(t *testing.T) {
	in := newIngest(t)
	cl := in.dial()
	h, pixels := gray8("f", 64)
	cl.push(h, pixels, 1000)
	cl.ack(aimsv1.FrameAck_ACCEPTED)
	cl.cancel()
	again := in.dial()
	again.push(h, pixels, 1000)
	again.ack(aimsv1.FrameAck_ACCEPTED)
	in.processed(<-in.out)
	again.ack(aimsv1.FrameAck_DONE)
	require.Empty(t, in.out)
}

func TestSameFrameOnTwoStreamsIsProcessedOnceAndAnsweredOnBoth(t *testing.T) {
	in := newIngest(t)
	one, two := in.dial(), in.dial()
	h, pixels := gray8("f", 64)
	one.push(h, pixels[:2000], 1000)
	two.push(h, pixels[:2000], 1000) // both in the middle
	one.chunk(pixels[2000:])
	two.chunk(pixels[2000:])
	one.ack(aimsv1.FrameAck_ACCEPTED)
	two.ack(aimsv1.FrameAck_ACCEPTED)
	one.push(h, pixels, 1000) // and once more
	one.ack(aimsv1.FrameAck_ACCEPTED)
	a := <-in.out
	require.Empty(t, in.out)
	in.processed(a)
	one.ack(aimsv1.FrameAck_DONE)
	one.ack(aimsv1.FrameAck_DONE)
	two.ack(aimsv1.FrameAck_DONE)
	require.Empty(t, in.out)
	require.Len(t, in.journal.Receipts(), 1)
	require.Zero(t, in.server.Stats().BytesInFlight)
}

func TestOutcomesOtherThanProcessedAreToldApart(t *testing.T) {
	in := newIngest(t)
	cl := in.dial()
	for i, c := range []struct {
		outcome stream.Outcome
		want    aimsv1.FrameAck_State
		reason  string
	}{
		{stream.Outcome{State: stream.StateRejected, Reason: "blank"}, aimsv1.FrameAck_REJECTED, "blank"},
		{stream.Outcome{State: stream.StateDropped}, aimsv1.FrameAck_DONE, "dropped"},
		{stream.Outcome{State: stream.StateGated, Reason: "unchanged"}, aimsv1.FrameAck_DONE, "unchanged"},
	} {
		h, pixels := gray8(fmt.Sprint("f", i), 64)
		cl.push(h, pixels, 4096)
		cl.ack(aimsv1.FrameAck_ACCEPTED)
		in.journal.Finish(<-in.out, c.outcome)
		require.Equal(t, c.reason, cl.ack(c.want).GetReason())
	}
}

func TestJournalFailureAnswersBusy(t *testing.T) {
	in := newIngest(t)
	cl := in.dial()
	in.journal.Fail(errors.New("disk full"))
	h, pixels := gray8("f", 64)
	cl.push(h, pixels, 4096)
	cl.ack(aimsv1.FrameAck_BUSY)
	in.journal.Fail(nil)
	cl.push(h, pixels, 4096)
	cl.ack(aimsv1.FrameAck_ACCEPTED)
	in.processed(<-in.out)
	cl.ack(aimsv1.FrameAck_DONE)
}

func TestSilentClientIsSentAwayInMidFrame(t *testing.T) {
	in := newIngest(t, func(s *stream.PushServer) { s.ChunkTimeout = 100 * time.Millisecond })
	cl := in.dial()
	h, pixels := gray8("f", 64)
	cl.push(h, pixels[:10], 10)
	cl.ends(codes.DeadlineExceeded)
	require.Eventually(t, func() bool { return in.server.Stats().BytesInFlight == 0 }, soon, time.Millisecond)
}

func TestChunkWithoutHeaderEndsTheStream(t *testing.T) {
	in := newIngest(t)
	cl := in.dial()
	cl.chunk([]byte{1})
	cl.ends(codes.InvalidArgument)
}

func TestStoppingEndsStreamsWithUnavailable(t *testing.T) {
	in := newIngest(t)
	cl := in.dial()
	h, pixels := gray8("f", 64)
	cl.push(h, pixels, 4096)
	cl.ack(aimsv1.FrameAck_ACCEPTED)
	a := <-in.out
	in.stop()
	cl.ends(codes.Unavailable)
	in.processed(a) // drained after the stream is gone
	require.Error(t, in.server.Ready())
	require.Len(t, in.journal.Receipts(stream.StateProcessed), 1)
}

func TestMissingNumbersAreCounted(t *testing.T) {
	in := newIngest(t)
	cl := in.dial()
	for _, seq := range []uint64{1, 2, 6} {
		h, pixels := gray8(fmt.Sprint(seq), 64)
		h.Seq = seq
		cl.push(h, pixels, 4096)
		cl.ack(aimsv1.FrameAck_ACCEPTED)
		in.processed(<-in.out)
		cl.ack(aimsv1.FrameAck_DONE)
	}
	require.Equal(t, uint64(3), in.server.Stats().Gaps)
}
