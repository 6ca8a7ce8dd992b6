// Command pushframe sends an image to a running aimsd over gRPC and prints what it answers:
//
//	go run ./docs/examples/pushframe -to 127.0.0.1:7443 image.tif
//
// Without a file it sends a generated 1024x1024 frame. It is meant to be copied from.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
	"github.com/uni-aims/aimsd/stream/decode"
)

func main() {
	to := flag.String("to", "127.0.0.1:7443", "address of aimsd's gRPC listener")
	run := flag.String("run", "", "run id; empty lets aimsd choose")
	uid := flag.String("uid", fmt.Sprintf("pushframe-%d", time.Now().UnixNano()), "frame_uid, unique for ever")
	token := flag.String("token", os.Getenv("AIMSD_TOKEN"), "bearer token, if aimsd asks for one")
	timeout := flag.Duration("timeout", 5*time.Minute, "how long to wait for the result")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	if *token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+*token)
	}
	err := push(ctx, os.Stdout, *to, *run, *uid, flag.Arg(0))
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pushframe:", err)
		os.Exit(1)
	}
}

// push sends one frame and writes every answer to w until the frame may be forgotten.
func push(ctx context.Context, w io.Writer, to, run, uid, path string) error {
	header, pixels, err := load(ctx, path)
	if err != nil {
		return err
	}
	header.FrameUid, header.RunId = uid, run
	header.Crc32C = crc32.Checksum(pixels, crc32.MakeTable(crc32.Castagnoli))

	conn, err := grpc.NewClient(to, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stream, err := aimsv1.NewFrameServiceClient(conn).Push(ctx)
	if err != nil {
		return err
	}
	requests := []*aimsv1.PushRequest{{Part: &aimsv1.PushRequest_Header{Header: header}}}
	for data := range slices.Chunk(pixels, 1<<20) {
		requests = append(requests, &aimsv1.PushRequest{Part: &aimsv1.PushRequest_Chunk{Chunk: &aimsv1.FrameChunk{Data: data}}})
	}
	for _, request := range requests {
		if err := stream.Send(request); err != nil {
			break // Recv below says why
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		ack, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the stream ended without a result: send the frame again")
		}
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintln(w, ack.GetState(), ack.GetFrameUid(), ack.GetReason(), ack.GetResult().GetSummaryJson())
		switch ack.GetState() {
		case aimsv1.FrameAck_DONE, aimsv1.FrameAck_DUPLICATE:
			return nil // the result is committed: the frame may be forgotten
		case aimsv1.FrameAck_BUSY:
			return errors.New("aimsd has no room now: send the frame again later")
		case aimsv1.FrameAck_REJECTED:
			return errors.New("rejected: " + ack.GetReason())
		}
	}
}

// load returns a frame's header and its pixels as they are sent: rows without padding, 16-bit little-endian.
func load(ctx context.Context, path string) (*aimsv1.FrameHeader, []byte, error) {
	if path == "" {
		const side = 1024
		pixels := make([]byte, side*side)
		for i := range pixels {
			x, y := i%side%128-64, i/side%128-64
			pixels[i] = byte(60 + 8*(i%7))
			if x*x+y*y < 40*40 {
				pixels[i] += 120
			}
		}
		return &aimsv1.FrameHeader{Width: side, Height: side, Format: aimsv1.PixelFormat_GRAY8, NmPerPx: 2}, pixels, nil
	}
	frame, err := decode.File(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	defer frame.Release()
	header := &aimsv1.FrameHeader{
		Width: uint32(frame.Width), Height: uint32(frame.Height), Format: aimsv1.PixelFormat_GRAY8,
		NmPerPx: frame.Meta.NmPerPx, Name: filepath.Base(path),
	}
	if frame.Gray16 == nil {
		return header, slices.Clone(frame.Gray8), nil // Release takes the pixels back
	}
	header.Format = aimsv1.PixelFormat_GRAY16LE
	pixels := make([]byte, 0, 2*len(frame.Gray16))
	for _, v := range frame.Gray16 {
		pixels = binary.LittleEndian.AppendUint16(pixels, v)
	}
	return header, pixels, nil
}
