package stream_test

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/streamtest"
)

func wire(t testing.TB, r *aimsv1.PushRequest) []byte {
	data, err := proto.Marshal(r)
	require.NoError(t, err)
	return data
}

func chunkRequest(data []byte) *aimsv1.PushRequest {
	return &aimsv1.PushRequest{Part: &aimsv1.PushRequest_Chunk{Chunk: &aimsv1.FrameChunk{Data: data}}}
}

func headerRequest(h *aimsv1.FrameHeader) *aimsv1.PushRequest {
	return &aimsv1.PushRequest{Part: &aimsv1.PushRequest_Header{Header: h}}
}

// Whatever comes over the wire, in whatever pieces, the server reads in it what the protobuf library does.
func FuzzPushMessage(f *testing.F) {
	h, pixels := gray8("uid", 64)
	chunk := wire(f, chunkRequest(pixels[:300]))
	for _, seed := range [][]byte{
		chunk, chunk[:20], append(bytes.Clone(chunk), 0), append(bytes.Clone(chunk), chunk...), wire(f, headerRequest(h)),
		wire(f, &aimsv1.PushRequest{}), wire(f, chunkRequest(nil)), {0x12, 0x82, 0x80, 0x80, 0x00, 0x0a, 0x00}, {0x12, 0x02, 0x0a, 0x00},
	} {
		f.Add(seed, uint16(5))
		f.Add(seed, uint16(1000))
	}
	f.Fuzz(func(t *testing.T, data []byte, cut uint16) {
		at := min(int(cut), len(data))
		request, chunk, err := stream.ParsePush(data[:at], data[at:])
		var want aimsv1.PushRequest
		if proto.Unmarshal(data, &want) != nil {
			require.Error(t, err)
			return
		}
		require.NoError(t, err)
		if request != nil {
			require.True(t, proto.Equal(&want, request))
			return
		}
		require.IsType(t, &aimsv1.PushRequest_Chunk{}, want.GetPart())
		require.True(t, bytes.Equal(want.GetChunk().GetData(), chunk))
	})
}

// script is a stream of frames whose client says what it was told to.
type script struct {
	grpc.ServerStream
	ctx      context.Context
	requests []*aimsv1.PushRequest
	acks     []*aimsv1.FrameAck
}

func (s *script) Context() context.Context { return s.ctx }

func (s *script) Recv() (*aimsv1.PushRequest, error) {
	if len(s.requests) == 0 {
		return nil, io.EOF
	}
	r := s.requests[0]
	s.requests = s.requests[1:]
	return r, nil
}

func (s *script) Send(a *aimsv1.FrameAck) error {
	s.acks = append(s.acks, a)
	return nil
}

// play turns bytes into requests: a header follows 0, with its length; anything else is a chunk of that many
// bytes times 64.
func play(data []byte) (requests []*aimsv1.PushRequest) {
	for len(data) >= 2 && len(requests) < 200 {
		op, n := data[0], int(data[1])
		data = data[2:]
		if op == 0 {
			n = min(n, len(data))
			var h aimsv1.FrameHeader
			if proto.Unmarshal(data[:n], &h) == nil {
				requests = append(requests, headerRequest(&h))
			}
			data = data[n:]
			continue
		}
		requests = append(requests, chunkRequest(bytes.Repeat([]byte{op}, 64*n)))
	}
	return requests
}

// Whatever a client sends: nothing panics, every frame that is handed on is whole, memory is given back, and
// each header gets its answer.
func FuzzPushStream(f *testing.F) {
	header := func(change func(*aimsv1.FrameHeader)) []byte {
		h := &aimsv1.FrameHeader{FrameUid: "u", Width: 64, Height: 64, Format: aimsv1.PixelFormat_GRAY8}
		change(h)
		data, err := proto.Marshal(h)
		require.NoError(f, err)
		return append([]byte{0, byte(len(data))}, data...)
	}
	whole := bytes.Repeat([]byte{7}, 64*64)
	good := header(func(h *aimsv1.FrameHeader) { h.Crc32C = castagnoli(whole) })
	for _, seed := range [][]byte{
		append(bytes.Clone(good), 7, 64), append(bytes.Clone(good), 8, 64), append(bytes.Clone(good), 7, 63), append(bytes.Clone(good), 7, 65),
		append(header(func(h *aimsv1.FrameHeader) { h.Format, h.Stride = aimsv1.PixelFormat_RGB8, 200 }), 7, 200),
		append(header(func(h *aimsv1.FrameHeader) { h.Format, h.Stride = aimsv1.PixelFormat_GRAY16LE, 129 }), 7, 129),
		append(append(bytes.Clone(good), good...), 7, 64), {1, 1}, append(header(func(h *aimsv1.FrameHeader) { h.Width = 16384; h.Height = 16384 }), 1, 1),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		requests := play(data)
		journal := &streamtest.Journal{}
		server := &stream.PushServer{Journal: journal, MaxBytesInFlight: 1 << 20}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		out, ended, ran := make(chan stream.Arrival), make(chan struct{}), make(chan error, 1)
		go func() { ran <- server.Run(ctx, out) }()
		go func() {
			defer close(ended)
			for {
				select {
				case a := <-out:
					fr, err := a.Open(ctx)
					if err != nil || len(fr.Gray8)+len(fr.Gray16) != fr.Width*fr.Height || len(fr.SHA256) != 64 {
						t.Error("not whole:", err)
					} else {
						fr.Release()
					}
					journal.Finish(a, stream.Outcome{State: stream.StateProcessed})
				case <-ctx.Done():
					return
				}
			}
		}()
		for server.Ready() != nil {
			runtime.Gosched()
		}
		s := &script{ctx: ctx, requests: requests}
		err := server.Push(s)
		headers := 0
		for _, r := range requests {
			if r.GetHeader() != nil {
				headers++
			}
		}
		final := 0
		for _, a := range s.acks {
			if a.GetState() != aimsv1.FrameAck_ACCEPTED {
				final++
			}
		}
		if err == nil {
			require.Equal(t, headers, final, "answers")
		}
		require.Zero(t, server.Stats().BytesInFlight)
		cancel()
		<-ended
		require.NoError(t, <-ran)
	})
}
