package stream_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream"
)

// threePages counts three frames in files named stack..., one in others.
func threePages(f *stream.Folder) {
	f.Frames = func(path string) (int, error) {
		if strings.HasPrefix(filepath.Base(path), "stack") {
			return 3, nil
		}
		return 1, nil
	}
}

func TestEveryPageOfAFileArrivesInOrder(t *testing.T) {
	b := newBench(t)
	b.start(threePages)
	b.write("stack.tif", tinyTIFF(64, 1))
	got := b.expect(3)
	require.Equal(t, []string{"stack.tif.p1", "stack.tif.p2", "stack.tif.p3"}, b.names())
	for i, a := range got {
		require.NoError(t, a.err)
		require.Equal(t, []any{i + 1, b.path("stack.tif"), uint64(i + 1)}, []any{a.Receipt.Page, a.Path, a.Admission.Seq})
		info, err := os.Stat(a.Path)
		require.NoError(t, err)
		require.True(t, stream.SameFile(a.Key, info), a.Key)
	}
	require.True(t, strings.HasPrefix(got[0].Key, "stack.tif#page=1|"), got[0].Key)
	require.True(t, strings.HasPrefix(got[2].Key, "stack.tif|"), "the last page's key is the file's: %s", got[2].Key)

	b.write("single.tif", tinyTIFF(64, 2))
	last := b.expect(4)[3]
	require.Equal(t, []any{"single.tif", 0}, []any{last.Name, last.Receipt.Page})

	b.stop() // a restart brings nothing again
	b.start(threePages)
	b.expect(4)
	require.Equal(t, 2, b.journal.Recalls(), "without reading the files")

	b.write("stack.tif", tinyTIFF(65, 3)) // new content, new frames
	b.expect(7)
}

func TestAStackInterruptedIsTakenUpWhereItStopped(t *testing.T) {
	b := newBench(t)
	b.write("seen.tif", tinyTIFF(64, 1))
	stopped := make(chan struct{})
	out := make(chan stream.Arrival)
	first := &stream.Folder{
		SourceName: "acq", Path: b.dir, Journal: b.journal, Backlog: stream.BacklogProcess,
		Decode: tinyDecode, Complete: tinyComplete, IsImage: isTiny,
	}
	threePages(first)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { defer close(stopped); _ = first.Run(ctx, out) }()
	b.journal.Finish(<-out, stream.Outcome{State: stream.StateProcessed})
	b.write("stack.tif", tinyTIFF(64, 2))
	b.journal.Finish(<-out, stream.Outcome{State: stream.StateProcessed})
	<-out // the second page, on its way when everything ends
	cancel()
	<-stopped

	b.start(threePages, func(f *stream.Folder) { f.Backlog = stream.BacklogProcess })
	b.expect(2)
	require.Equal(t, []string{"stack.tif.p2", "stack.tif.p3"}, b.names())
}

func TestStacksOfTheBacklogAreSkippedWithAllTheirPages(t *testing.T) {
	b := newBench(t)
	b.write("stack.tif", tinyTIFF(64, 1))
	b.start(threePages)
	require.Len(t, b.journal.Receipts(stream.StateGated), 3)
	b.expect(0)
}

// beside is a stream.Sidecars for which every image comes with a .txt.
type beside struct {
	mu     sync.Mutex
	missed []string
}

func (*beside) Awaited(path string) bool {
	_, err := os.Stat(strings.TrimSuffix(path, ".tif") + ".txt")
	return err != nil
}

func (s *beside) Missed(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missed = append(s.missed, filepath.Base(path))
}

func TestAnImageWaitsForItsSidecar(t *testing.T) {
	b := newBench(t)
	side := &beside{}
	b.start(func(f *stream.Folder) { f.Sidecars, f.SidecarWait = side, time.Minute })
	b.write("a.tif", tinyTIFF(64, 1))
	b.write("b.tif", tinyTIFF(64, 2))
	b.expect(0)
	b.write("a.txt", []byte("PixelSize=1"))
	require.Equal(t, "a.tif", b.expect(1)[0].Name)
	b.write("b.txt", []byte("PixelSize=1"))
	b.expect(2)
	b.write("c.txt", []byte("PixelSize=1"))
	b.write("c.tif", tinyTIFF(64, 3))
	b.expect(3)
	require.Empty(t, side.missed)
}

func TestTheWaitForASidecarIsBounded(t *testing.T) {
	b := newBench(t)
	side := &beside{}
	b.start(func(f *stream.Folder) { f.Sidecars, f.SidecarWait = side, 700*time.Millisecond })
	began := time.Now()
	b.write("a.tif", tinyTIFF(64, 1))
	got := b.expect(1)[0]
	require.NoError(t, got.err)
	require.Greater(t, got.at.Sub(began), 700*time.Millisecond)
	require.Equal(t, []string{"a.tif"}, side.missed)
	b.write("never.tif", tinyTIFF(64, 2))
	b.stop()
	b.start(func(f *stream.Folder) { f.Sidecars, f.SidecarWait, f.Backlog = side, 0, stream.BacklogProcess })
	b.expect(2)
	require.Len(t, side.missed, 1, "no wait was asked for")
}
