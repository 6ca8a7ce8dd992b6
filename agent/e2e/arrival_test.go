//go:build linux

package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/uni-aims/aimsd/reporting"
)

// appendSlowly writes a file piece by piece under its final name. With reopen the file is closed between
// the pieces and once rests for longer than a settled file does, so that only its structure tells that more
// is to come.
func appendSlowly(path string, data []byte, reopen bool) error {
	const pieces = 8
	f, err := os.Create(path)
	for i := 0; i < pieces && err == nil; i++ {
		_, err = f.Write(data[i*len(data)/pieces : (i+1)*len(data)/pieces])
		pause := 60 * time.Millisecond
		if reopen {
			err = errors.Join(err, f.Close())
			if i == pieces/2 {
				pause = 700 * time.Millisecond
			}
		}
		time.Sleep(pause)
		if reopen && err == nil {
			f, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		}
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// moveIn writes a file in another folder and renames it into a new one.
func moveIn(path string, data []byte, outside string) error {
	temp := filepath.Join(outside, filepath.Base(path))
	return cmp.Or(
		os.WriteFile(temp, data, 0o600),
		os.MkdirAll(filepath.Dir(path), 0o755),
		os.Rename(temp, path),
	)
}

// deliver brings files into a folder in every way an instrument may, and returns path -> SHA-256.
func deliver(t *testing.T, root string) map[string]string {
	outside := t.TempDir() // on the same disk as root: both are the test's
	sums := map[string]string{}
	var writers errgroup.Group
	for i := range 60 {
		data, name := smallTIFF(t, i+1), fmt.Sprintf("f%02d.tif", i)
		if i%7 == 3 {
			data, name = smallPNG(t, i+1), fmt.Sprintf("f%02d.png", i)
		}
		path := filepath.Join(root, name)
		switch {
		case i < 20:
			writers.Go(func() error { return appendSlowly(path, data, i < 10) })
		case i < 30:
			writers.Go(func() error { return writeRenamed(path, data) })
		case i < 40:
			path = filepath.Join(root, fmt.Sprintf("day%d", i%3), "in", name)
			writers.Go(func() error { return moveIn(path, data, outside) })
		case i < 50:
			put(t, path, data)
		default: // equal names and contents in folders of their own
			path = filepath.Join(root, fmt.Sprintf("sample%d", i), "same.tif")
			data = smallTIFF(t, 50+i%5)
			put(t, path, data)
		}
		sums[path] = sha(data)
	}
	put(t, filepath.Join(root, "notes.txt"), []byte("not an image"))
	put(t, filepath.Join(root, "day0", "empty.log"), nil)
	require.NoError(t, writers.Wait())
	return sums
}

func TestEveryFileIsProcessedOnceHoweverItComes(t *testing.T) {
	b := startBroker(t)
	sub := b.subscribe()
	s := newSite(t, b.settings())
	d := s.start()
	eventually(t, "status is online", func() bool {
		kept := b.retained(topic("status"))
		return len(kept) == 1 && statusOf(t, kept[0]) == "online"
	})

	sums := deliver(t, s.frames)
	before := tree(t, s.frames)
	c := d.settled("acq", len(sums))
	require.Equal(t, counts{"received": 60, "processed": 60, "gated": 0, "rejected": 0, "dropped": 0, "in_flight": 0}, c)
	require.Zero(t, d.stop(), "exit status after SIGTERM")

	frames := sub.frames(t, len(sums))
	requireFrames(t, frames, sums)
	kept := b.retained(topic("status"))
	require.Len(t, kept, 1)
	require.Equal(t, "stopped", statusOf(t, kept[0]))
	require.Equal(t, before, tree(t, s.frames), "source files are never touched")

	var runs []reporting.RunMessage
	eventually(t, "run messages have come", func() bool {
		runs = nil
		for _, m := range sub.on(topic("run")) {
			var r reporting.RunMessage
			m.decode(t, &r)
			runs = append(runs, r)
		}
		return len(runs) == 2
	})
	require.Equal(t, "opened", runs[0].State)
	require.Equal(t, "closed", runs[1].State)
	require.Equal(t, "stop", *runs[1].Reason)
	require.EqualValues(t, 60, runs[1].Frames.Processed)
	dir := filepath.Join(s.data, "runs", runs[1].RunID)
	require.Equal(t, dir, runs[1].Folder, "messages name folders so that others find them")
	require.Equal(t, []string{dir}, s.runs())
	requireRun(t, dir, sums)
	for _, f := range frames {
		require.Equal(t, runs[1].RunID, f.RunID)
	}
}

func statusOf(t *testing.T, m message) string {
	var status reporting.StatusMessage
	m.decode(t, &status)
	return status.State
}

// frames waits for the messages of n frames and returns all there are. One delivered twice counts once,
// when it is the same message.
func (s *subscriber) frames(t *testing.T, n int) []reporting.FrameMessage {
	t.Helper()
	var frames []reporting.FrameMessage
	eventually(t, fmt.Sprintf("messages of %d frames", n), func() bool {
		frames = nil
		ids := map[string]string{} // frame -> message
		for _, m := range s.on(topic("frame")) {
			var f reporting.FrameMessage
			m.decode(t, &f)
			if ids[f.FrameID] == "" {
				ids[f.FrameID] = f.ID
				frames = append(frames, f)
			}
			require.Equal(t, ids[f.FrameID], f.ID, "two messages tell of frame %s", f.FrameID)
		}
		return len(frames) >= n
	})
	return frames
}

// requireFrames checks that the messages tell of exactly these files, each whole.
func requireFrames(t *testing.T, frames []reporting.FrameMessage, sums map[string]string) {
	t.Helper()
	told := map[string]string{}
	var numbers []uint64
	for _, f := range frames {
		require.Equal(t, "processed", f.Outcome, f.Path)
		require.NotContains(t, told, f.Path)
		told[f.Path] = f.SHA256
		numbers = append(numbers, f.Seq)
	}
	require.Equal(t, sums, told)
	slices.Sort(numbers)
	for i, n := range numbers {
		require.EqualValues(t, i+1, n, "frames are numbered without gaps")
	}
}

// requireRun checks that a run's folder holds exactly these files, each in a whole folder of its own.
func requireRun(t *testing.T, dir string, sums map[string]string) {
	t.Helper()
	require.FileExists(t, filepath.Join(dir, reporting.ReportFile))
	require.FileExists(t, filepath.Join(dir, reporting.SummaryJSONFile))
	found, folders := map[string]string{}, []string{}
	for _, row := range readSummary(t, dir) {
		require.Equal(t, "ok", row["status"], row["error"])
		require.NotContains(t, found, row["path"])
		require.NotContains(t, folders, row["folder"])
		found[row["path"]], folders = row["sha256"], append(folders, row["folder"])
		r := readResult(t, filepath.Join(dir, row["folder"]))
		require.Equal(t, row["path"], r.Image.Path)
		require.Equal(t, row["sha256"], r.Image.SHA256)
	}
	require.Equal(t, sums, found)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if e.IsDir() {
			require.Contains(t, folders, e.Name(), "a folder that no row names")
		}
	}
}
