//go:build linux

package stream_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/streamtest"
)

const bigSide = 8192

// bigFrame is an 8K frame of 16 bits, 128 MiB.
func bigFrame(uid string, r *rand.Rand) (*aimsv1.FrameHeader, []byte) {
	block := make([]byte, 1<<16)
	for i := range block {
		block[i] = byte(r.Uint32())
	}
	pixels := bytes.Repeat(block, 2*bigSide*bigSide/len(block))
	return &aimsv1.FrameHeader{
		FrameUid: uid, Width: bigSide, Height: bigSide, Format: aimsv1.PixelFormat_GRAY16LE, Crc32C: castagnoli(pixels),
	}, pixels
}

// userSeconds is the processor time this process has spent outside the kernel.
func userSeconds(t *testing.T) float64 {
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano()).Seconds()
}

// residentBytes is the memory this process occupies.
func residentBytes(t *testing.T) int64 {
	text, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	require.NoError(t, err)
	return pages * int64(os.Getpagesize())
}

// plainLoopback is how long the same bytes take through a socket of their own, with both sums taken.
func plainLoopback(t *testing.T, pixels []byte) time.Duration {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer lis.Close()
	began := time.Now()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		c, err := net.Dial("tcp", lis.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = c.Write(pixels)
		_ = c.Close()
	})
	c, err := lis.Accept()
	require.NoError(t, err)
	defer c.Close()
	sum, crc, part := sha256.New(), crc32.New(crc32.MakeTable(crc32.Castagnoli)), make([]byte, 256<<10)
	n, err := io.CopyBuffer(io.MultiWriter(sum, crc), struct{ io.Reader }{c}, part)
	require.NoError(t, err)
	require.EqualValues(t, len(pixels), n)
	return time.Since(began)
}

// 128 MiB frames pass in 1 MiB chunks under gRPC's default message limit, right to the byte, and about as fast
// as the bytes alone would.
func TestLargeFramesArriveRightAndFastSoak(t *testing.T) {
	length, full := streamtest.Soak(t, 0) // one frame
	header, pixels := bigFrame("", streamtest.Random(t))
	want := fmt.Sprintf("%x", sha256.Sum256(pixels))
	in := newIngest(t)
	cl := in.dial()
	var took []time.Duration
	before := userSeconds(t)
	for end := time.Now().Add(length); len(took) == 0 || time.Now().Before(end); {
		header.FrameUid = fmt.Sprint("big-", len(took))
		began := time.Now()
		cl.push(header, pixels, 1<<20)
		cl.ack(aimsv1.FrameAck_ACCEPTED)
		took = append(took, time.Since(began))
		a := <-in.out
		f, err := a.Open(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, f.SHA256)
		require.Len(t, f.Gray16, bigSide*bigSide)
		for _, at := range []int{0, 12345, bigSide*bigSide - 1} {
			require.Equal(t, uint16(pixels[2*at])|uint16(pixels[2*at+1])<<8, f.Gray16[at])
		}
		f.Release()
		in.processed(a)
		cl.ack(aimsv1.FrameAck_DONE)
	}
	user := (userSeconds(t) - before) / float64(len(took))
	slices.Sort(took)
	plain := min(plainLoopback(t, pixels), plainLoopback(t, pixels))
	rate := func(d time.Duration) float64 { return float64(len(pixels)) / 1e6 / d.Seconds() }
	t.Logf("128 MiB frames: best %.0f MB/s, median %.0f MB/s; sender and receiver %.2f s of user time a frame; a plain socket %.0f MB/s",
		rate(took[0]), rate(took[len(took)/2]), user, rate(plain))
	if !full {
		return // a loaded machine is no reason to fail
	}
	require.GreaterOrEqual(t, rate(took[0]), 500.0, "MB/s")
}

// Whatever is cut, corrupted, too much or too slow: only whole and right frames are handed on, each once, and
// memory stays within the limit.
func TestOnlyWholeFramesGetThroughWithinBoundsSoak(t *testing.T) {
	length, full := streamtest.Soak(t, 4*time.Second)
	r := streamtest.Random(t)
	side := 2048
	if full {
		side = bigSide
	}
	pixels := bytes.Repeat(noise(1<<16), 2*side*side/(1<<16))
	want := fmt.Sprintf("%x", sha256.Sum256(pixels))
	limit := int64(3 * len(pixels))
	in := newIngest(t, func(s *stream.PushServer) { s.MaxBytesInFlight = limit })
	var mu sync.Mutex
	seen := map[string]int{}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { // a slow pipeline, which holds a frame for a while
		for {
			select {
			case a := <-in.out:
				f, err := a.Open(ctx)
				if err != nil || f.SHA256 != want {
					t.Errorf("frame %s: %v", a.Key, err)
				} else {
					f.Release()
				}
				mu.Lock()
				seen[a.Key]++
				mu.Unlock()
				time.Sleep(20 * time.Millisecond)
				in.processed(a)
			case <-ctx.Done():
				return
			}
		}
	})
	resident := residentBytes(t)
	var peak int64
	header := func(uid string) *aimsv1.FrameHeader {
		return &aimsv1.FrameHeader{FrameUid: uid, Width: uint32(side), Height: uint32(side), Format: aimsv1.PixelFormat_GRAY16LE, Crc32C: castagnoli(pixels)}
	}
	done := map[string]bool{}
	var cuts, faults, busy int
	for n, end := 0, time.Now().Add(length); n < 8 || time.Now().Before(end); n++ {
		uid := fmt.Sprint("frame-", n)
		switch n % 4 {
		case 0: // cut in the middle, then sent again on a new stream
			cl := in.dial()
			cl.header(header(uid))
			for part := range slices.Chunk(pixels[:r.IntN(len(pixels))], 1<<20) {
				cl.chunk(part)
			}
			cl.cancel()
			cl.ends(codes.Canceled)
			cuts++
		case 1: // a bit flips on the way
			cl := in.dial()
			bad := slices.Clone(pixels)
			bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
			cl.push(header(uid), bad, 1<<20)
			cl.ack(aimsv1.FrameAck_REJECTED)
			faults++
			cl.cancel()
		}
		for !done[uid] {
			cl := in.dial()
			cl.push(header(uid), pixels, 1+r.IntN(1<<20))
			require.NoError(t, cl.stream.CloseSend())
			for !done[uid] {
				ack, err := cl.stream.Recv()
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				switch ack.GetState() {
				case aimsv1.FrameAck_DONE:
					done[uid] = true
				case aimsv1.FrameAck_BUSY:
					busy++
				case aimsv1.FrameAck_ACCEPTED:
				default:
					require.Fail(t, "answer", ack)
				}
			}
			peak = max(peak, residentBytes(t)-resident)
			require.LessOrEqual(t, in.server.Stats().BytesInFlight, limit)
		}
	}
	cancel()
	wg.Wait()
	require.Len(t, seen, len(done))
	for uid := range done {
		require.Equal(t, 1, seen[uid], uid)
	}
	stats := in.server.Stats()
	require.Zero(t, stats.BytesInFlight)
	require.EqualValues(t, faults, stats.CRCMismatch)
	t.Logf("%d frames of %d MiB, %d cut, %d corrupted, %d times busy; %d MiB above the start at most",
		len(done), len(pixels)>>20, cuts, faults, busy, peak>>20)
	if full { // with the race detector, which the short form runs under, memory is another
		require.Less(t, peak, 2*limit+256<<20)
	}
}
