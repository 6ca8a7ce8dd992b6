//go:build linux

package e2e

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream/simulate"
	"github.com/uni-aims/aimsd/stream/tiff"
)

func (d *daemon) dial() *grpc.ClientConn {
	conn, err := grpc.NewClient(d.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(d.t, err)
	d.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// push sends one frame and returns the answers until its last.
func push(t *testing.T, conn *grpc.ClientConn, header *aimsv1.FrameHeader, pixels []byte) []*aimsv1.FrameAck {
	t.Helper()
	stream, err := aimsv1.NewFrameServiceClient(conn).Push(t.Context())
	require.NoError(t, err)
	header.Crc32C = crc32.Checksum(pixels, crc32.MakeTable(crc32.Castagnoli))
	require.NoError(t, stream.Send(&aimsv1.PushRequest{Part: &aimsv1.PushRequest_Header{Header: header}}))
	for data := range slices.Chunk(pixels, 1<<20) {
		require.NoError(t, stream.Send(&aimsv1.PushRequest{Part: &aimsv1.PushRequest_Chunk{Chunk: &aimsv1.FrameChunk{Data: data}}}))
	}
	require.NoError(t, stream.CloseSend())
	var acks []*aimsv1.FrameAck
	for {
		ack, err := stream.Recv()
		require.NoError(t, err)
		require.Equal(t, header.FrameUid, ack.FrameUid)
		acks = append(acks, ack)
		if ack.State != aimsv1.FrameAck_ACCEPTED {
			return acks
		}
	}
}

func states(acks []*aimsv1.FrameAck) (all []aimsv1.FrameAck_State) {
	for _, ack := range acks {
		all = append(all, ack.State)
	}
	return all
}

func TestPushedFrameHasTheLabelsOfTheSameFrameFromAFile(t *testing.T) {
	const width, height, nmPerPx = 768, 512, 2.5
	fr := scene(t, simulate.Particles{Width: width, Height: height, Seed: 9, Bits: 16, NoPanel: true}, 1)
	var pixels []byte
	for _, v := range fr.Gray16 {
		pixels = binary.LittleEndian.AppendUint16(pixels, v)
	}
	var file bytes.Buffer
	require.NoError(t, tiff.EncodeGray16(&file, fr.Gray16, width, height, tiff.GrayOptions{}))

	s := newSite(t, "")
	d := s.start()
	conn := d.dial()
	header := &aimsv1.FrameHeader{
		FrameUid: "uid-1", Seq: 1, RunId: "Run 7 (left)", Width: width, Height: height,
		Format: aimsv1.PixelFormat_GRAY16LE, NmPerPx: nmPerPx, Name: "pushed.tif", EndOfRun: true,
	}
	acks := push(t, conn, header, pixels)
	require.Equal(t, []aimsv1.FrameAck_State{aimsv1.FrameAck_ACCEPTED, aimsv1.FrameAck_DONE}, states(acks), acks)
	done := acks[1].Result
	require.Equal(t, "Run 7 (left)", done.RunId)
	require.Equal(t, nmPerPx, done.NmPerPx)
	require.Equal(t, "metadata", done.ScaleSource)
	require.Positive(t, done.Objects)

	pushed := filepath.Join(s.data, "runs", done.RunId, done.Folder)
	r := readResult(t, pushed)
	require.EqualValues(t, done.Objects, r.Objects)
	require.Equal(t, sha(pixels), r.Image.SHA256)
	eventually(t, "the end of the run closes it", func() bool {
		_, err := os.Stat(filepath.Join(s.data, "runs", done.RunId, reporting.ReportFile))
		return err == nil
	})

	again := push(t, conn, header, pixels)
	require.Equal(t, aimsv1.FrameAck_DUPLICATE, again[len(again)-1].State, again)
	require.Equal(t, done.FrameId, again[len(again)-1].Result.FrameId)
	require.Equal(t, counts{"received": 1, "processed": 1, "gated": 0, "rejected": 0, "dropped": 0, "in_flight": 0}, d.counts("grpc"))

	put(t, filepath.Join(s.frames, "written.tif"), file.Bytes())
	d.settled("acq", 1)
	require.Zero(t, d.stop())
	written, err := filepath.Glob(filepath.Join(s.data, "runs", "*-acq", "written.tif"))
	require.NoError(t, err)
	require.Len(t, written, 1)
	requireSameLabels(t, pushed, written[0])

	out := filepath.Join(t.TempDir(), "out")
	done2 := aimsd(t, "analyze", "-o", out, filepath.Join(s.frames, "written.tif"))
	require.Zero(t, done2.status, done2.stderr)
	requireSameLabels(t, pushed, filepath.Join(out, "written.tif"))
}

func requireSameLabels(t *testing.T, a, b string) {
	t.Helper()
	one, err := os.ReadFile(filepath.Join(a, reporting.LabelsFile))
	require.NoError(t, err)
	other, err := os.ReadFile(filepath.Join(b, reporting.LabelsFile))
	require.NoError(t, err)
	require.True(t, bytes.Equal(one, other), "%s and %s differ", a, b)
}

func TestFramesThatCannotBeTakenAreRejectedWithAReason(t *testing.T) {
	s := newSite(t, "")
	d := s.start()
	conn := d.dial()
	flat := make([]byte, side*side)
	for name, c := range map[string]struct {
		change func(*aimsv1.FrameHeader)
		pixels []byte
		reason string
	}{
		"too small":      {func(h *aimsv1.FrameHeader) { h.Width, h.Height = 32, 32 }, flat[:32*32], "width 32 px is outside 64..16384"},
		"bytes missing":  {func(*aimsv1.FrameHeader) {}, flat[:100], "wrong byte count"},
		"leaving folder": {func(h *aimsv1.FrameHeader) { h.RunId = "../../etc" }, flat, "run_id"},
		"other source":   {func(h *aimsv1.FrameHeader) { h.Source = "a/b" }, flat, "source"},
	} {
		header := &aimsv1.FrameHeader{FrameUid: name, Width: side, Height: side, Format: aimsv1.PixelFormat_GRAY8}
		c.change(header)
		acks := push(t, conn, header, c.pixels)
		require.Equal(t, []aimsv1.FrameAck_State{aimsv1.FrameAck_REJECTED}, states(acks), "%s: %v", name, acks)
		require.Contains(t, acks[0].Reason, c.reason, name)
	}
	// Whatever may name a folder is taken; a frame without a run of its own does not join that of another.
	for i, run := range []string{"CON", "Å 5", "x.y", fmt.Sprintf("%0128d", 1), ""} {
		header := &aimsv1.FrameHeader{FrameUid: fmt.Sprint(i), RunId: run, Width: side, Height: side, Format: aimsv1.PixelFormat_GRAY8}
		acks := push(t, conn, header, flat)
		last := acks[len(acks)-1]
		require.Equal(t, aimsv1.FrameAck_DONE, last.State, "run_id %q: %v", run, last)
		if run != "" {
			require.Equal(t, run, last.Result.RunId)
		}
		require.DirExists(t, filepath.Join(s.data, "runs", last.Result.RunId))
	}
	require.Len(t, s.runs(), 5)
	// Equal names are no reason to lose a result.
	folders := map[string]bool{}
	for _, uid := range []string{"a/1", "a_1", "b"} {
		header := &aimsv1.FrameHeader{FrameUid: uid, RunId: "same", Width: side, Height: side, Format: aimsv1.PixelFormat_GRAY8}
		if uid == "b" {
			header.Name = "A_1"
		}
		acks := push(t, conn, header, flat)
		folders[acks[len(acks)-1].Result.GetFolder()] = true
	}
	require.Len(t, folders, 3, folders)
	require.Zero(t, d.stop())
	for folder := range folders {
		readResult(t, filepath.Join(s.data, "runs", "same", folder))
	}
}

func TestHealthAndReflectionAreServed(t *testing.T) {
	s := newSite(t, "")
	d := s.start()
	status, body := d.get("/healthz")
	require.Equal(t, 200, status, body)
	conn := d.dial()
	for _, service := range []string{"", "aims.v1.FrameService", "acq"} {
		answer, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
		require.NoError(t, err, service)
		require.Equal(t, grpc_health_v1.HealthCheckResponse_SERVING, answer.Status, service)
	}
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
	}))
	answer, err := stream.Recv()
	require.NoError(t, err)
	require.NoError(t, stream.CloseSend())
	var services []string
	for _, service := range answer.GetListServicesResponse().GetService() {
		services = append(services, service.GetName())
	}
	require.Contains(t, services, "aims.v1.FrameService")

	require.NoError(t, os.Rename(s.frames, s.frames+".gone"))
	eventually(t, "a missing folder makes it unready", func() bool {
		status, body = d.get("/readyz")
		return status == 503
	})
	require.Contains(t, body, s.frames)
	eventually(t, "its source is not serving", func() bool {
		answer, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: "acq"})
		return err == nil && answer.Status == grpc_health_v1.HealthCheckResponse_NOT_SERVING
	})
	require.NoError(t, os.Rename(s.frames+".gone", s.frames))
	eventually(t, "it is ready again", func() bool {
		status, _ = d.get("/readyz")
		return status == 200
	})
	require.Zero(t, d.stop())
}
