package stream_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/streamtest"
)

// interposed runs a function after every admission.
type interposed struct {
	*streamtest.Journal
	after func()
}

func (j interposed) Admit(ctx context.Context, r stream.Receipt) (stream.Admission, error) {
	a, err := j.Journal.Admit(ctx, r)
	j.after()
	return a, err
}

// deafEvents tells nothing but what a test sends.
type deafEvents struct {
	events chan fsnotify.Event
	errors chan error
	once   sync.Once
}

func newDeaf() *deafEvents {
	return &deafEvents{events: make(chan fsnotify.Event), errors: make(chan error)}
}

func (d *deafEvents) Add(string) error              { return nil }
func (d *deafEvents) Events() <-chan fsnotify.Event { return d.events }
func (d *deafEvents) Errors() <-chan error          { return d.errors }
func (d *deafEvents) Close() error                  { return nil }

func (d *deafEvents) die() { d.once.Do(func() { close(d.events); close(d.errors) }) }

func TestLostEventsAreMadeUpForByAScan(t *testing.T) {
	b := newBench(t)
	deaf := newDeaf()
	b.start(func(f *stream.Folder) { f.SetEvents(func() (stream.Events, error) { return deaf, nil }) })
	for i := range 50 {
		b.write(fmt.Sprintf("f%d.tif", i), tinyTIFF(64, 1))
	}
	b.expect(0)
	deaf.errors <- fsnotify.ErrEventOverflow
	b.expect(50)
	require.Equal(t, uint64(1), b.folder.Stats().Overflows)
	require.GreaterOrEqual(t, b.folder.Stats().Scans, uint64(2))
}

func TestWatcherKilledIsReplacedAndNothingMissed(t *testing.T) {
	for name, kill := range map[string]func(*deafEvents){
		"error":  func(d *deafEvents) { d.errors <- errors.New("read: bad file descriptor") },
		"closed": func(d *deafEvents) { d.die() },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			deaf := newDeaf()
			var made int
			b.start(func(f *stream.Folder) {
				f.SetEvents(func() (stream.Events, error) {
					made++
					if made == 1 {
						return deaf, nil
					}
					return fsnotifyEvents(t)
				})
			})
			b.write("missed.tif", tinyTIFF(64, 1))
			kill(deaf)
			b.expect(1)
			b.write("seen.tif", tinyTIFF(64, 1))
			b.expect(2)
			require.Equal(t, uint64(1), b.folder.Stats().WatchRestarts)
			require.NoError(t, b.folder.Ready())
		})
	}
}

type realEvents struct{ *fsnotify.Watcher }

func (r realEvents) Events() <-chan fsnotify.Event { return r.Watcher.Events }
func (r realEvents) Errors() <-chan error          { return r.Watcher.Errors }

func fsnotifyEvents(t *testing.T) (stream.Events, error) {
	t.Helper()
	w, err := fsnotify.NewWatcher()
	return realEvents{w}, err
}

func TestNoEventsMeansPolling(t *testing.T) {
	b := newBench(t)
	b.start(func(f *stream.Folder) {
		f.PollInterval = 50 * time.Millisecond
		f.SetEvents(func() (stream.Events, error) { return nil, errors.New("too many open files") })
	})
	b.write("a/f.tif", tinyTIFF(64, 1))
	b.expect(1)
}

func TestNetworkFolderIsPolled(t *testing.T) {
	b := newBench(t)
	b.start(func(f *stream.Folder) {
		f.PollInterval = 50 * time.Millisecond
		f.SetNetwork(func(string) bool { return true })
		f.SetEvents(func() (stream.Events, error) { return nil, errors.New("must not be called") })
	})
	for i := range 20 {
		b.write(fmt.Sprintf("a/f%d.tif", i), tinyTIFF(64, 1))
	}
	require.Eventually(t, func() bool { return len(b.all()) == 20 }, soon, 5*time.Millisecond)
	b.write("a/f3.tif", tinyTIFF(64, 2))
	require.Eventually(t, func() bool { return len(b.all()) == 21 }, soon, 5*time.Millisecond)
	b.expect(21)
}

func TestRestartProcessesOnlyWhatIsNew(t *testing.T) {
	b := newBench(t)
	b.start()
	b.write("before.tif", tinyTIFF(64, 1))
	b.expect(1)
	b.stop()
	b.write("meanwhile.tif", tinyTIFF(64, 2))
	b.start()
	require.Equal(t, "meanwhile.tif", b.expect(2)[1].Name)
	require.Equal(t, 1, b.journal.Recalls(), "the known file was read again")
}

func TestFrameNotSettledBeforeACrashComesAgain(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	f := &stream.Folder{
		SourceName: "acq", Path: b.dir, Journal: b.journal, Backlog: stream.BacklogProcess,
		Decode: tinyDecode, Complete: tinyComplete, IsImage: isTiny,
	}
	b.write("f.tif", tinyTIFF(64, 1))
	out := make(chan stream.Arrival)
	done := make(chan error)
	go func() { done <- f.Run(ctx, out) }()
	lost := <-out // accepted, never settled
	require.Equal(t, int64(1), f.Stats().InFlight)
	cancel()
	require.NoError(t, <-done)
	b.start()
	got := b.expect(1)
	require.Equal(t, lost.FrameID, got[0].FrameID)
}

func TestBacklogIsSkippedOrProcessed(t *testing.T) {
	for _, policy := range []string{stream.BacklogSkip, stream.BacklogProcess} {
		t.Run(policy, func(t *testing.T) {
			b := newBench(t)
			for i := range 5 {
				b.write(fmt.Sprintf("old/f%d.tif", i), tinyTIFF(64, 1))
			}
			b.write("old/notes.txt", []byte("x"))
			b.start(func(f *stream.Folder) { f.Backlog = policy })
			old := 0
			if policy == stream.BacklogProcess {
				old = 5
			}
			b.expect(old)
			require.Len(t, b.journal.Receipts(stream.StateGated), 5-old)
			b.write("new.tif", tinyTIFF(64, 1))
			b.write("old/f1.tif", tinyTIFF(64, 9)) // overwritten: no longer backlog
			b.expect(old + 2)
			b.stop()
			b.start(func(f *stream.Folder) { f.Backlog = policy })
			b.expect(old + 2)
		})
	}
}

func TestOwnOutputsAreNeverInputs(t *testing.T) {
	b := newBench(t)
	b.write("data/runs/r/overlay.tif", tinyTIFF(64, 1))
	require.NoError(t, os.Symlink(b.path("data"), b.path("alias")))
	b.start(func(f *stream.Folder) { f.Backlog, f.Exclude = stream.BacklogProcess, []string{b.path("alias")} })
	b.write("data/runs/r/labels.tif", tinyTIFF(64, 1))
	b.write("results/"+stream.Marker, nil)
	b.write("results/a/overlay.tif", tinyTIFF(64, 1))
	b.write("real.tif", tinyTIFF(64, 1))
	require.Equal(t, "real.tif", b.expect(1)[0].Name)
	require.Len(t, b.journal.Receipts(), 1)
}

func TestOutputFolderIsRefusedAsSource(t *testing.T) {
	b := newBench(t)
	b.write(stream.Marker, nil)
	b.launch()
	require.Eventually(t, func() bool {
		err := b.folder.Ready()
		return err != nil && b.folder.Stats().Scans == 0 && fmt.Sprint(err) ==
			fmt.Sprintf("source acq: folder %s is an output folder of aimsd (it holds .aimsd): watch another folder", b.dir)
	}, soon, 5*time.Millisecond)
}

func TestVanishedRootIsReportedAndPickedUpAgain(t *testing.T) {
	b := newBench(t)
	root := b.path("acq")
	b.launch(func(f *stream.Folder) { f.Path = root; f.Backlog = stream.BacklogProcess })
	require.Eventually(t, func() bool {
		err := b.folder.Ready()
		return err != nil && errorContains(err, "does not exist")
	}, soon, 5*time.Millisecond)
	b.write("acq/a.tif", tinyTIFF(64, 1))
	b.expect(1)
	require.NoError(t, b.folder.Ready())
	require.NoError(t, os.Rename(root, b.path("moved")))
	require.Eventually(t, func() bool { return b.folder.Ready() != nil }, 5*time.Second, 5*time.Millisecond)
	require.NoError(t, os.Rename(b.path("moved"), root))
	b.write("acq/b.tif", tinyTIFF(64, 1))
	require.Equal(t, "b.tif", b.expect(2)[1].Name)
	require.NoError(t, b.folder.Ready())
}

func TestSourceFolderIsLeftAsItWas(t *testing.T) {
	b := newBench(t)
	b.start()
	for i := range 10 {
		b.write(fmt.Sprintf("s%d/f%d.tif", i%2, i), tinyTIFF(64, byte(i)))
	}
	before := fingerprint(t, b.dir)
	b.expect(10)
	b.stop()
	b.start()
	b.stop()
	require.Equal(t, before, fingerprint(t, b.dir))
}

func fingerprint(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		line := fmt.Sprint(info.Mode(), info.Size(), info.ModTime().UnixNano())
		if !d.IsDir() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %x", sha256.Sum256(data))
		}
		out[path] = line
		return nil
	}))
	return out
}
