package stream_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
	"github.com/uni-aims/aimsd/stream"
)

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
