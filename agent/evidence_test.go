package agent

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/decode"
)

// evidenceBench feeds frames; frame n has pixels of the value n and a folder in its run.
type evidenceBench struct {
	*evidence
	t    *testing.T
	dir  string
	stop func()
}

func newEvidenceBench(t *testing.T, e *evidence) *evidenceBench {
	b := &evidenceBench{evidence: e, t: t, dir: t.TempDir()}
	e.Dir, e.Log = filepath.Join(b.dir, evidenceFolder), zap.NewNop()
	e.RunDir = func(run string) string { return filepath.Join(b.dir, runsFolder, run) }
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { e.Run(ctx) })
	b.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(b.stop)
	return b
}

func (b *evidenceBench) send(source string, n, side int, raised ...reporting.AlertState) {
	b.t.Helper()
	name := fmt.Sprintf("%s-%d.tif", source, n)
	folder := filepath.Join(b.RunDir("r"), name)
	require.NoError(b.t, os.MkdirAll(folder, 0o755))
	for _, file := range []string{reporting.OverlayFile, reporting.ParticlesFile, reporting.ResultFile} {
		require.NoError(b.t, os.WriteFile(filepath.Join(folder, file), []byte(name+file), 0o644))
	}
	f := &stream.Frame{Width: side, Height: side, Gray8: make([]uint8, side*side)}
	for i := range f.Gray8 {
		f.Gray8[i] = uint8(n)
	}
	b.frame(reporting.FrameRecord{ID: name, RunID: "r", Source: source, Name: name, Seq: uint64(n), Folder: name}, f, raised)
	f.Release() // the pixels are used for something else
}

func alertState(id, source, frame string) reporting.AlertState {
	payload, _ := json.Marshal(map[string]string{"frame_id": frame, "state": "raised"})
	return reporting.AlertState{ID: id, Code: "LOW", Key: source, State: reporting.AlertRaised, Seq: 1, RaisedAt: time.Unix(5, 0).UTC(), Payload: payload}
}

// index waits until the bundle is complete.
func (b *evidenceBench) index(id string) (x evidenceIndex) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		data, err := os.ReadFile(filepath.Join(b.Dir, id, evidenceFile))
		x = evidenceIndex{}
		return err == nil && json.Unmarshal(data, &x) == nil && x.Complete
	}, 20*time.Second, 5*time.Millisecond)
	return x
}

// pixel is the first of a frame's picture.
func (b *evidenceBench) pixel(id, folder string) (value, side int) {
	b.t.Helper()
	f, err := decode.File(b.t.Context(), filepath.Join(b.Dir, id, folder, evidenceImage))
	require.NoError(b.t, err)
	defer f.Release()
	return int(f.Gray8[0]), f.Width
}

func TestEvidenceHasTheFrameAndThoseAroundIt(t *testing.T) {
	b := newEvidenceBench(t, &evidence{Before: 2, After: 2})
	for n := range 5 {
		b.send("acq", n, 64)
		b.send("other", 100+n, 64)
	}
	b.send("acq", 5, 64, alertState("A", "acq", "acq-5.tif"))
	b.send("other", 105, 64)
	b.send("acq", 6, 64, alertState("B", "acq", "acq-6.tif"))
	b.send("acq", 7, 64)
	x := b.index("A")
	require.NoError(t, os.RemoveAll(b.RunDir("r")), "the run is tidied")
	b.send("acq", 8, 64)
	require.True(t, x.Whole)
	require.Equal(t, "A", x.AlertID)
	require.JSONEq(t, `{"frame_id":"acq-5.tif","state":"raised"}`, string(x.Alert))
	roles := map[string]uint64{}
	for _, f := range x.Frames {
		roles[f.Role] = f.Seq
		value, side := b.pixel("A", f.Folder)
		require.Equal(t, int(f.Seq), value)
		require.Equal(t, 64, side)
		require.Len(t, f.Files, 4)
		for _, file := range f.Files {
			data, err := os.ReadFile(filepath.Join(b.Dir, "A", f.Folder, file.Name))
			require.NoError(t, err)
			require.Equal(t, fmt.Sprintf("%x", sha256.Sum256(data)), file.SHA256)
			require.Len(t, data, int(file.Bytes))
		}
	}
	require.Equal(t, map[string]uint64{"frame": 5, "before-1": 4, "before-2": 3, "after-1": 6, "after-2": 7}, roles)
	for _, folder := range []string{"", "before-1", "after-1"} {
		for _, file := range []string{reporting.OverlayFile, reporting.ParticlesFile, reporting.ResultFile} {
			require.FileExists(t, filepath.Join(b.Dir, "A", folder, file))
		}
	}
	require.Equal(t, "acq-6.tif", b.index("B").Frames[0].Name)
	uri, err := url.Parse(b.uri("A"))
	require.NoError(t, err)
	require.Equal(t, "file", uri.Scheme)
	require.FileExists(t, filepath.Join(filepath.FromSlash(uri.Path), evidenceFile))
}

func TestEvidenceEndsAtAStopAndSaysWhatIsMissing(t *testing.T) {
	b := newEvidenceBench(t, &evidence{Before: 1, After: 3})
	b.send("acq", 1, 32, alertState("A", "acq", "acq-1.tif"))
	b.send("acq", 2, 32)
	b.stop()
	x := b.index("A")
	require.False(t, x.Whole)
	require.Len(t, x.Frames, 2)
}

func TestEvidenceThatACrashLeftIsEndedAtTheNextStart(t *testing.T) {
	e := &evidence{Dir: t.TempDir(), After: 1, Log: zap.NewNop()}
	for _, s := range []evidenceStep{
		{alert: alertState("A", "acq", "f"), role: "frame"},
		{alert: alertState("B", "acq", "f"), role: "frame"},
		{alert: alertState("B", "acq", "f"), whole: true},
	} {
		require.NoError(t, e.write(filepath.Join(e.Dir, s.alert.ID), s))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(e.Dir, "C"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(e.Dir, "C", evidenceFile), []byte("{"), 0o600))
	before, err := os.ReadFile(filepath.Join(e.Dir, "B", evidenceFile))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e.closeLeft(t.Context())
	e.Run(ctx)
	x := (&evidenceBench{evidence: e, t: t}).index("A")
	require.False(t, x.Whole)
	require.Len(t, x.Frames, 1)
	after, err := os.ReadFile(filepath.Join(e.Dir, "B", evidenceFile))
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestEvidenceOfAnAlertThatATimeHeldBack(t *testing.T) {
	b := newEvidenceBench(t, &evidence{Before: 2, After: 0})
	for n := range 6 {
		b.send("acq", n, 32)
	}
	b.raised([]reporting.AlertState{alertState("A", "acq", "acq-5.tif"), alertState("B", "acq", "acq-0.tif")})
	x := b.index("A")
	require.True(t, x.Whole)
	require.EqualValues(t, 5, x.Frames[0].Seq)
	require.Len(t, x.Frames, 3)
	require.EqualValues(t, 1, b.dropped.Load(), "the other frame is gone")
}

func TestLargeFramesAreReducedButTheAlertsOwn(t *testing.T) {
	b := newEvidenceBench(t, &evidence{Before: 1, After: 0})
	const side = 4500 // 20 MB
	b.send("acq", 1, side)
	b.send("acq", 2, side, alertState("A", "acq", "acq-2.tif"))
	x := b.index("A")
	for _, f := range x.Frames {
		value, width := b.pixel("A", f.Folder)
		require.Equal(t, int(f.Seq), value)
		require.Equal(t, side/f.ReducedBy, width)
		require.Equal(t, map[string]int{"frame": 1, "before-1": 2}[f.Role], f.ReducedBy)
	}
	p := reduced(&stream.Frame{Width: 5, Height: 3, Gray16: []uint16{1, 3, 10, 10, 9, 5, 7, 30, 30, 9, 0, 0, 0, 0, 0}}, 8)
	require.Equal(t, picture{width: 2, height: 1, gray16: []uint16{4, 20}, reducedBy: 2}, p)
	require.Equal(t, 1, reduced(&stream.Frame{Width: 100000, Height: 1, Gray8: make([]uint8, 100000)}, 1000).height)
}

// A disk that takes for ever holds up the evidence, never the frames, and memory stays bounded.
func TestTheFramePathDoesNotWaitForEvidence(t *testing.T) {
	blocked := make(chan struct{})
	e := &evidence{Before: 2, After: 2, Write: func(string, evidenceStep) error { <-blocked; return errors.New("disk full") }}
	b := newEvidenceBench(t, e)
	defer close(blocked)
	begun := time.Now()
	const frames = 2 * evidenceQueue
	for n := range frames {
		b.send("acq", n, 16, alertState(fmt.Sprint("A", n), "acq", fmt.Sprintf("acq-%d.tif", n)))
	}
	require.Less(t, time.Since(begun), 30*time.Second)
	require.Positive(t, b.dropped.Load(), "what was left out is counted")
	e.mu.Lock()
	defer e.mu.Unlock()
	require.LessOrEqual(t, len(e.open), 2, "bundles do not pile up")
}

func TestPixelsThatAreKeptAreBounded(t *testing.T) {
	e := &evidence{Before: 5, Log: zap.NewNop()}
	pixels := make([]uint8, evidencePixelBytes)
	for n := range 12 {
		e.init()
		e.mu.Lock()
		e.remember(evidenceFrame{
			rec:     reporting.FrameRecord{Source: fmt.Sprint(n % 4)},
			picture: picture{width: 1, gray8: pixels}, seen: time.Unix(int64(n), 0),
		})
		for range 2 {
			e.remember(evidenceFrame{rec: reporting.FrameRecord{Source: fmt.Sprint(n % 4)}, picture: picture{width: 1, gray8: pixels}, seen: time.Unix(int64(n), 0)})
		}
		e.mu.Unlock()
	}
	require.LessOrEqual(t, e.bytes, int64(evidenceMemoryBytes))
	sum := int64(0)
	for _, ring := range e.rings {
		require.LessOrEqual(t, len(ring), 6)
		for _, f := range ring {
			sum += f.picture.bytes()
		}
	}
	require.Equal(t, sum, e.bytes)
	e.expire(time.Unix(3600, 0))
	require.NotEmpty(t, e.rings)
	e.expire(time.Unix(12, 0).Add(evidenceMemory + time.Second))
	require.Empty(t, e.rings, "of sources that are silent nothing is kept for ever")
	require.Zero(t, e.bytes)
}

func TestWithoutRoomEvidenceIsWithoutPictures(t *testing.T) {
	b := newEvidenceBench(t, &evidence{Before: 1, After: 0, Room: func() bool { return false }})
	b.send("acq", 1, 32)
	b.send("acq", 2, 32, alertState("A", "acq", "acq-2.tif"))
	x := b.index("A")
	require.False(t, x.Whole)
	require.Len(t, x.Frames, 2)
	require.False(t, x.Frames[0].has(evidenceImage))
	require.True(t, x.Frames[0].has(reporting.ResultFile))
}

func BenchmarkEvidenceOf8K(b *testing.B) {
	f := &stream.Frame{Width: 8192, Height: 8192, Gray8: make([]uint8, 8192*8192)}
	for b.Loop() {
		reduced(f, evidencePixelBytes)
	}
}
