package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/grpc"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
	"github.com/uni-aims/aimsd/stream/decode"
)

const (
	chunkBytes         = 1<<20 - 64 // a message of 1 MiB at most
	firstWait, maxWait = 200 * time.Millisecond, 10 * time.Second
)

var (
	errBusy       = errors.New("aimsd has no room now")
	errUnreadable = errors.New("a file cannot be sent")
)

// pusher sends frames until each is settled.
type pusher struct {
	Conn             *grpc.ClientConn
	Run, Source, UID string
	Out              io.Writer // every answer
}

// frame is one that is not settled yet.
type frame struct {
	header *aimsv1.FrameHeader
	path   string
}

// pushAll sends files; without any, a generated frame.
func (p *pusher) pushAll(ctx context.Context, paths []string) error {
	if len(paths) == 0 {
		paths = []string{""}
	}
	waiting := make([]frame, len(paths))
	for i, path := range paths {
		uid := p.UID
		if len(paths) > 1 {
			uid = fmt.Sprintf("%s-%d", p.UID, i+1)
		}
		waiting[i] = frame{path: path, header: &aimsv1.FrameHeader{FrameUid: uid, Seq: uint64(i + 1), RunId: p.Run, Source: p.Source}}
	}
	var rejected error
	for wait := firstWait; len(waiting) > 0; wait = min(2*wait, maxWait) {
		before := len(waiting)
		err := p.session(ctx, &waiting, &rejected)
		if len(waiting) == 0 {
			break
		}
		if !again(err) {
			return err
		}
		if len(waiting) < before {
			wait = firstWait
		}
		_, _ = fmt.Fprintf(p.Out, "%d frames are not settled (%v): sending them again\n", len(waiting), err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d frames are not settled: %w", len(waiting), err)
		case <-time.After(wait):
		}
	}
	return rejected
}

// session sends what waits over one stream, and takes off the list what is settled.
func (p *pusher) session(ctx context.Context, waiting *[]frame, rejected *error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := aimsv1.NewFrameServiceClient(p.Conn).Push(ctx)
	if err != nil {
		return err
	}
	todo := slices.Clone(*waiting)
	var failed, busy error
	sent := make(chan struct{})
	go func() { defer close(sent); failed = send(ctx, stream, todo) }()
	defer func() { cancel(); <-sent }()
	for len(*waiting) > 0 {
		ack, err := stream.Recv()
		if err != nil {
			cancel()
			<-sent
			if errors.Is(failed, errUnreadable) {
				return failed
			}
			return cmp.Or(busy, err)
		}
		_, _ = fmt.Fprintln(p.Out, ack.GetState(), ack.GetFrameUid(), ack.GetReason(), ack.GetResult().GetSummaryJson())
		switch ack.GetState() {
		case aimsv1.FrameAck_REJECTED:
			*rejected = errors.Join(*rejected, fmt.Errorf("%s was rejected: %s", ack.GetFrameUid(), ack.GetReason()))
			fallthrough
		case aimsv1.FrameAck_DONE, aimsv1.FrameAck_DUPLICATE: // the result is committed: the frame may be forgotten
			*waiting = slices.DeleteFunc(*waiting, func(f frame) bool { return f.header.GetFrameUid() == ack.GetFrameUid() })
		case aimsv1.FrameAck_BUSY:
			busy = errBusy
		}
	}
	return nil
}

// send sends frames one after the other; gRPC's flow control holds it back while aimsd is busy. An io.EOF says
// that the stream ended, Recv then says why.
func send(ctx context.Context, stream grpc.BidiStreamingClient[aimsv1.PushRequest, aimsv1.FrameAck], frames []frame) error {
	for _, f := range frames {
		pixels, err := load(ctx, f.path, f.header)
		if err != nil {
			return errors.Join(errUnreadable, err, stream.CloseSend())
		}
		f.header.Crc32C = crc32.Checksum(pixels, crc32.MakeTable(crc32.Castagnoli))
		if err := stream.Send(&aimsv1.PushRequest{Part: &aimsv1.PushRequest_Header{Header: f.header}}); err != nil {
			return err
		}
		for data := range slices.Chunk(pixels, chunkBytes) {
			if err := stream.Send(&aimsv1.PushRequest{Part: &aimsv1.PushRequest_Chunk{Chunk: &aimsv1.FrameChunk{Data: data}}}); err != nil {
				return err
			}
		}
	}
	return stream.CloseSend()
}

// load fills in what a file's header says and returns its pixels as they are sent: rows without padding, 16-bit
// little-endian.
func load(ctx context.Context, path string, header *aimsv1.FrameHeader) ([]byte, error) {
	header.Format = aimsv1.PixelFormat_GRAY8
	if path == "" {
		return generated(header), nil
	}
	f, err := decode.File(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Release()
	header.Width, header.Height, header.NmPerPx, header.Name = uint32(f.Width), uint32(f.Height), f.Meta.NmPerPx, filepath.Base(path)
	if f.Gray16 == nil {
		return slices.Clone(f.Gray8), nil // Release takes the pixels back
	}
	header.Format = aimsv1.PixelFormat_GRAY16LE
	pixels := make([]byte, 0, 2*len(f.Gray16))
	for _, v := range f.Gray16 {
		pixels = binary.LittleEndian.AppendUint16(pixels, v)
	}
	return pixels, nil
}

// generated is a frame of bright discs.
func generated(header *aimsv1.FrameHeader) []byte {
	const side = 1024
	header.Width, header.Height, header.NmPerPx = side, side, 2
	pixels := make([]byte, side*side)
	for i := range pixels {
		x, y := i%side%128-64, i/side%128-64
		pixels[i] = byte(60 + 8*(i%7))
		if x*x+y*y < 40*40 {
			pixels[i] += 120
		}
	}
	return pixels
}
