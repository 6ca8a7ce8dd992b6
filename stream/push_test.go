package stream_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

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
