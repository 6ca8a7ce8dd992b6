package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// receiver reads the frames of one stream.
type receiver struct {
	s       *PushServer
	run     *pushRun
	q       *ackQueue
	log     *zap.Logger
	stalled chan struct{}
	silence *time.Timer // runs in the middle of a frame

	header  *aimsv1.FrameHeader // nil before the first
	layout  layout
	pixels  *assembler // nil: the frame's chunks are dropped
	echo    bool       // the frame is in flight already: count its bytes, keep none
	left    int64      // bytes to come, when echo
	release func()
	lastSeq uint64
}

func newReceiver(s *PushServer, run *pushRun, q *ackQueue) *receiver {
	r := &receiver{s: s, run: run, q: q, log: s.Log, stalled: make(chan struct{})}
	if r.log == nil {
		r.log = zap.NewNop()
	}
	r.silence = time.AfterFunc(time.Hour, func() { close(r.stalled) })
	r.silence.Stop()
	return r
}

// receive reads until the client ends the stream (nil) or it breaks.
func (r *receiver) receive(stream grpc.BidiStreamingServer[aimsv1.PushRequest, aimsv1.FrameAck]) error {
	defer r.silence.Stop()
	receive := receiveFunc(stream)
	var m pushMessage
	for {
		err := receive(&m)
		switch {
		case errors.Is(err, io.EOF):
			r.cutShort()
			return nil
		case err != nil:
			if r.open() {
				r.s.counts.broken.Add(1)
				r.log.Warn("stream broke in the middle of a frame", zap.String("frame_uid", r.header.GetFrameUid()), zap.Error(err))
			}
			r.drop()
			return err
		}
		err = r.message(stream.Context(), &m)
		m.free()
		if err != nil {
			return err
		}
	}
}

// message takes a header or a chunk; an error ends the stream.
func (r *receiver) message(ctx context.Context, m *pushMessage) error {
	if _, ok := m.chunkBytes(); ok {
		return r.chunk(ctx, m)
	}
	h := m.header()
	if h == nil {
		r.drop()
		return status.Error(codes.InvalidArgument, "a message holds neither header nor chunk")
	}
	if err := r.q.waitRoom(ctx); err != nil {
		return err
	}
	r.cutShort()
	source, err := r.s.Clients.source(ctx, h.GetSource())
	if err != nil {
		r.log.Warn("stream ended", zap.String("frame_uid", h.GetFrameUid()), zap.Error(err))
		return err
	}
	h.Source = source
	r.begin(h)
	return nil
}

// open reports whether a frame's pixels are still to come.
func (r *receiver) open() bool { return r.pixels != nil || r.echo }

// begin takes a header.
func (r *receiver) begin(h *aimsv1.FrameHeader) {
	r.header = h
	l, err := checkHeader(h)
	if err == nil && !r.s.knows(orGRPC(h.GetSource())) {
		err = fmt.Errorf("source %q is one too many: at most %d different names are taken, give frames of one instrument one name", h.GetSource(), maxSources)
	}
	if err != nil {
		r.reject(err)
		return
	}
	if seq := h.GetSeq(); seq > 0 {
		if r.lastSeq > 0 && seq > r.lastSeq+1 {
			r.s.counts.gaps.Add(seq - r.lastSeq - 1)
			r.log.Warn("frames are missing in the stream", zap.Uint64("after", r.lastSeq), zap.Uint64("before", seq))
		}
		r.lastSeq = max(r.lastSeq, seq)
	}
	r.layout = l
	if r.s.inFlight(frameID(h)) {
		r.echo, r.left = true, l.wireBytes()
		return
	}
	release, busy, err := r.s.reserve(l.memoryBytes())
	switch {
	case err != nil:
		r.reject(err)
	case busy:
		r.busy("too many frames in flight: send it again later")
	default:
		r.pixels = newAssembler(l, h.GetCrc32C(), &r.s.buffers)
		pixels := r.pixels
		r.release = sync.OnceFunc(func() { pixels.giveBack(); release() })
		r.silence.Reset(orDefault(r.s.ChunkTimeout, defaultChunkTimeout))
	}
}

// chunk takes pixel bytes; an error ends the stream.
func (r *receiver) chunk(ctx context.Context, m *pushMessage) error {
	size, _ := m.chunkBytes()
	switch {
	case r.header == nil:
		return status.Error(codes.InvalidArgument, "a chunk came before any header")
	case r.pixels == nil && !r.echo, size == 0: // of a frame that was refused
		return nil
	case size > maxChunkBytes:
		r.reject(fmt.Errorf("a chunk has %d bytes, at most %d are taken", size, maxChunkBytes))
		return nil
	case r.echo:
		r.left -= int64(size)
		if r.left <= 0 {
			r.echo = false
			return r.join(ctx, nil, func() {})
		}
		return nil
	}
	if err := m.pixels(r.pixels.add); err != nil {
		r.reject(err)
		return nil
	}
	if r.pixels.missing() > 0 {
		r.silence.Reset(orDefault(r.s.ChunkTimeout, defaultChunkTimeout))
		return nil
	}
	r.silence.Stop()
	if err := r.pixels.finish(); err != nil {
		r.reject(err)
		return nil
	}
	pixels, release := r.pixels, r.release
	r.pixels, r.release = nil, nil
	return r.join(ctx, pixels, release)
}

// cutShort refuses a frame that was followed by another header, or by the end, before it was complete.
func (r *receiver) cutShort() {
	switch {
	case r.pixels != nil:
		r.reject(r.pixels.finish())
	case r.echo:
		r.reject(fmt.Errorf("wrong byte count: %d bytes short", r.left))
	}
}

// drop forgets the frame being received.
func (r *receiver) drop() {
	r.silence.Stop()
	if r.release != nil {
		r.release()
	}
	r.pixels, r.release, r.echo = nil, nil, false
}

// reject refuses the frame; it was not journalled, so a corrected one may be sent under the same uid.
func (r *receiver) reject(why error) {
	r.drop()
	uid := r.header.GetFrameUid()
	r.s.counts.rejected.Add(1)
	if errors.Is(why, errCRC) {
		r.s.counts.crc.Add(1)
	}
	r.log.Warn("streamed frame refused", zap.String("frame_uid", uid), zap.Error(why))
	if len(uid) > maxUIDBytes {
		uid = strings.ToValidUTF8(uid[:maxUIDBytes], "")
	}
	r.q.push(&aimsv1.FrameAck{FrameUid: uid, State: aimsv1.FrameAck_REJECTED, Reason: why.Error()})
}

func (r *receiver) busy(why string) {
	r.drop()
	r.s.counts.busy.Add(1)
	r.q.push(&aimsv1.FrameAck{FrameUid: r.header.GetFrameUid(), State: aimsv1.FrameAck_BUSY, Reason: why})
}
