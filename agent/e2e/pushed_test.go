//go:build linux

package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// treeOf describes a folder's files to the last byte: path -> size, time of change and SHA-256.
func treeOf(t testing.TB, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		sum := sha256.Sum256(data)
		files[path] = fmt.Sprintf("%d %s %s %s", info.Size(), info.Mode(), info.ModTime(), hex.EncodeToString(sum[:]))
		return err
	}))
	return files
}

// pushed is a client's list of frames to send; it drops one only when its result is committed.
type pushed struct {
	run    string
	frames map[string][]byte // by uid: pixels
	done   map[string]string // by uid: the daemon's frame_id
}

// dialPush opens a stream of frames.
func dialPush(ctx context.Context, address string) (aimsv1.FrameService_PushClient, func(), error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	stream, err := aimsv1.NewFrameServiceClient(conn).Push(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return stream, func() { _ = conn.Close() }, nil
}

// send sends what is not yet settled, one after the other, until all is, or the daemon is gone.
func (p *pushed) send(ctx context.Context, address string, uids []string) error {
	stream, closeConn, err := dialPush(ctx, address)
	if err != nil {
		return err
	}
	defer closeConn()
	for _, uid := range uids {
		if _, settled := p.done[uid]; settled {
			continue
		}
		for { // until it is not busy
			ack, err := p.one(stream, uid)
			if err != nil {
				return err
			}
			if ack.State == aimsv1.FrameAck_DONE || ack.State == aimsv1.FrameAck_DUPLICATE {
				p.done[uid] = ack.Result.GetFrameId()
				break
			}
			if ack.State != aimsv1.FrameAck_BUSY {
				return fmt.Errorf("frame %s: %s: %s", uid, ack.State, ack.Reason)
			}
		}
	}
	return stream.CloseSend()
}

// one sends one frame and waits for its last answer.
func (p *pushed) one(stream aimsv1.FrameService_PushClient, uid string) (*aimsv1.FrameAck, error) {
	pixels := p.frames[uid]
	header := &aimsv1.FrameHeader{
		FrameUid: uid, RunId: p.run, Width: side, Height: side, Format: aimsv1.PixelFormat_GRAY8,
		Crc32C: crc32.Checksum(pixels, crc32.MakeTable(crc32.Castagnoli)),
	}
	if err := stream.Send(&aimsv1.PushRequest{Part: &aimsv1.PushRequest_Header{Header: header}}); err != nil {
		return nil, err
	}
	for data := range slices.Chunk(pixels, 16<<10) { // in pieces, so that a kill can come between
		if err := stream.Send(&aimsv1.PushRequest{Part: &aimsv1.PushRequest_Chunk{Chunk: &aimsv1.FrameChunk{Data: data}}}); err != nil {
			return nil, err
		}
	}
	for {
		ack, err := stream.Recv()
		if err != nil || ack.State != aimsv1.FrameAck_ACCEPTED {
			return ack, err
		}
	}
}
