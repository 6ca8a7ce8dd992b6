package stream_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream"
)

// queued runs a source whose arrivals nobody takes yet.
func (b *bench) queued(files int) (f *stream.Folder, out chan stream.Arrival) {
	f, out, _ = b.queuedUntil(files)
	return f, out
}

func (b *bench) queuedUntil(files int) (f *stream.Folder, out chan stream.Arrival, stop func()) {
	b.t.Helper()
	f = &stream.Folder{
		SourceName: "acq", Path: b.dir, Journal: b.journal, Backlog: stream.BacklogProcess,
		Decode: tinyDecode, Complete: tinyComplete, IsImage: isTiny,
	}
	for i := range files {
		b.write(fmt.Sprintf("f%04d.tif", i), tinyTIFF(64, 1))
	}
	ctx, cancel := context.WithCancel(context.Background())
	out, done := make(chan stream.Arrival), make(chan error, 1)
	go func() { done <- f.Run(ctx, out) }()
	stop = sync.OnceFunc(func() { cancel(); require.NoError(b.t, <-done) })
	b.t.Cleanup(stop)
	want := min(files, stream.AdmitAhead)
	require.Eventually(b.t, func() bool { return len(b.journal.Receipts()) >= want }, soon, time.Millisecond)
	return f, out, stop
}

// end opens the next arrival and finishes it.
func (b *bench) end(out <-chan stream.Arrival) (name string, err error) {
	b.t.Helper()
	select {
	case a := <-out:
		frame, err := a.Open(b.t.Context())
		outcome := stream.Outcome{State: stream.StateProcessed}
		if err != nil {
			outcome = stream.Outcome{State: stream.StateRejected, Reason: err.Error()}
		} else {
			frame.Release()
		}
		b.journal.Finish(a, outcome)
		return a.Name, err
	case <-time.After(soon):
		require.FailNow(b.t, "no arrival")
		return "", nil
	}
}

func TestFullPipelineHoldsTheSourceBack(t *testing.T) {
	const files = stream.AdmitAhead + 6
	b := newBench(t)
	f, out := b.queued(files)
	time.Sleep(200 * time.Millisecond)
	require.Len(t, b.journal.Receipts(), stream.AdmitAhead)
	require.Zero(t, f.Stats().Delivered)
	for range files {
		_, err := b.end(out)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return f.Stats().Delivered == files }, soon, time.Millisecond)
	require.Zero(t, f.Stats().InFlight)
}

// A source that stops leaves nothing in flight but what it has brought, and brings the rest when it runs again.
func TestStoppedSourceWithdrawsWhatItDidNotBring(t *testing.T) {
	b := newBench(t)
	f, out, stop := b.queuedUntil(6)
	require.Eventually(t, func() bool { return f.Stats().InFlight == 6 }, soon, time.Millisecond)
	a := <-out
	stop()
	require.Equal(t, int64(1), f.Stats().InFlight)
	require.Equal(t, 1, b.journal.Open())
	b.journal.Finish(a, stream.Outcome{State: stream.StateProcessed})
	require.Zero(t, f.Stats().InFlight)
	b.start(func(f *stream.Folder) { f.Backlog = stream.BacklogProcess })
	b.expect(5)
	require.Zero(t, b.journal.Open())
	require.Len(t, b.journal.Receipts(), 6)
}

func TestFilesThatVanishWhileTheyWaitAreRejectedAsVanished(t *testing.T) {
	b := newBench(t)
	_, out := b.queued(4)
	require.NoError(t, os.Remove(b.path("f0001.tif")))
	b.write("f0002.tif", tinyTIFF(64, 2))
	want := map[string]string{"f0000.tif": "", "f0001.tif": "removed", "f0002.tif": "overwritten", "f0003.tif": ""}
	for range want {
		name, err := b.end(out)
		if want[name] == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, stream.ErrVanished)
		require.ErrorContains(t, err, "vanished: "+b.path(name)+" was "+want[name]+" before it could be analysed")
	}
	name, err := b.end(out)
	require.NoError(t, err)
	require.Equal(t, "f0002.tif", name, "the new content is a frame of its own")
	require.Len(t, b.journal.Receipts(stream.StateRejected), 2)
	require.Len(t, b.journal.Receipts(), 5)
}

// A share that goes away with frames waiting is not a folder whose files were removed.
func TestFramesOfAFolderThatIsAwayWaitForIt(t *testing.T) {
	b := newBench(t)
	b.dir = filepath.Join(b.dir, "share")
	require.NoError(t, os.Mkdir(b.dir, 0o755))
	f, out := b.queued(5)
	a := <-out // it is with the pipeline when the share goes
	away := b.dir + ".away"
	require.NoError(t, os.Rename(b.dir, away))
	_, err := a.Open(t.Context())
	require.ErrorIs(t, err, stream.ErrAway)
	a.Settle(stream.Outcome{State: stream.StateAccepted})
	require.Eventually(t, func() bool { return f.Ready() != nil }, soon, 5*time.Millisecond)
	select {
	case a := <-out:
		require.Fail(t, "brought though its folder is away", a.Name)
	case <-time.After(100 * time.Millisecond):
	}
	require.NoError(t, os.Rename(away, b.dir))
	seen := map[string]bool{}
	for range 5 {
		name, err := b.end(out)
		require.NoError(t, err)
		seen[name] = true
	}
	require.Len(t, seen, 5)
	require.Len(t, b.journal.Receipts(), 5)
	require.Eventually(t, func() bool { return f.Ready() == nil }, soon, 5*time.Millisecond)
}

// Where nobody can tell whether the writer is done, a file that was reserved and is filled from its beginning
// is waited for while its end is zeros, though it rests and its structure is whole.
func TestReservedFileIsNotTakenBeforeItsEndIsFilled(t *testing.T) {
	b := newBench(t)
	b.start(func(f *stream.Folder) {
		f.SetLeaseUnknown()
		f.Settle = 50 * time.Millisecond
		f.SetTailWait(soon)
	})
	whole := tinyTIFF(300, 7)
	reserved := make([]byte, len(whole))
	copy(reserved, whole[:len(whole)/4])
	b.write("r.tif", reserved)
	b.expect(0)
	time.Sleep(300 * time.Millisecond)
	b.expect(0)
	b.write("r.tif", whole)
	got := b.expect(1)
	require.NoError(t, got[0].err)
	require.Equal(t, byte(7), got[0].fill)
}

func TestBlackImageIsTakenAfterAWhile(t *testing.T) {
	const wait = 500 * time.Millisecond
	b := newBench(t)
	b.start(func(f *stream.Folder) {
		f.SetLeaseUnknown()
		f.Settle = 50 * time.Millisecond
		f.SetTailWait(wait)
	})
	written := time.Now()
	b.write("black.tif", tinyTIFF(300, 0))
	got := b.expect(1)[0]
	require.NoError(t, got.err)
	require.Greater(t, got.at.Sub(written), wait)
}

// On a share whose times do not move while a file is written, a header that comes last changes neither its
// size nor its time, and no event tells of it.
func TestHeaderWrittenLastIsSeenWithoutEventOrNewTime(t *testing.T) {
	b := newBench(t)
	b.start(func(f *stream.Folder) {
		f.SetNetwork(func(string) bool { return true })
		f.PollInterval, f.Settle = 50*time.Millisecond, 50*time.Millisecond
	})
	whole, at := tinyTIFF(64, 3), time.Now()
	headless := append(make([]byte, 122), whole[122:]...)
	b.write("h.tif", headless)
	require.NoError(t, os.Chtimes(b.path("h.tif"), at, at))
	b.expect(0)
	file, err := os.OpenFile(b.path("h.tif"), os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = file.WriteAt(whole[:122], 0)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.NoError(t, os.Chtimes(b.path("h.tif"), at, at))
	got := b.expect(1)
	require.NoError(t, got[0].err)
	require.Equal(t, byte(3), got[0].fill)
}

// Old files that keep coming, each older than the one before, hold nothing up.
func TestALongCopyOfOldFilesIsTakenAsItGoes(t *testing.T) {
	b := newBench(t)
	b.start(func(f *stream.Folder) {
		f.SetNetwork(func(string) bool { return true })
		f.PollInterval, f.Settle = 20*time.Millisecond, 150*time.Millisecond
	})
	files := 0
	for began := time.Now(); len(b.all()) <= 5; files++ {
		require.Less(t, time.Since(began), soon, "they wait for the end of the copy")
		i := files
		then := time.Now().Add(-time.Duration(i) * time.Hour)
		b.write(fmt.Sprintf("f%d.tif.part", i), tinyTIFF(64, 1))
		require.NoError(t, os.Chtimes(b.path(fmt.Sprintf("f%d.tif.part", i)), then, then))
		require.NoError(t, os.Rename(b.path(fmt.Sprintf("f%d.tif.part", i)), b.path(fmt.Sprintf("f%d.tif", i))))
		time.Sleep(40 * time.Millisecond)
	}
	b.expect(files)
}

// Programs that copy set a file's time when all is written, some of them late: it is the same frame.
func TestFileWhoseTimeAloneChangesIsTakenOnce(t *testing.T) {
	b := newBench(t)
	poll := func(f *stream.Folder) {
		f.SetNetwork(func(string) bool { return true })
		f.PollInterval, f.Settle = 30*time.Millisecond, 60*time.Millisecond
	}
	b.start(poll)
	b.write("copy.tif", tinyTIFF(64, 1))
	b.expect(1)
	then := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(b.path("copy.tif"), then, then))
	require.Eventually(t, func() bool { return len(b.journal.Receipts(stream.StateGated)) == 1 }, soon, 5*time.Millisecond)
	require.Equal(t, stream.SkipUnchanged, b.journal.Receipts(stream.StateGated)[0].SkipReason)
	b.expect(1)
	b.stop()
	b.start(poll)
	b.expect(1)
	b.write("copy.tif", tinyTIFF(64, 2))
	require.Equal(t, byte(2), b.expect(2)[1].fill)
}

func TestFileWhoseTimeChangesWhileItWaitsIsNoOther(t *testing.T) {
	b := newBench(t)
	_, out := b.queued(3)
	then := time.Now().Add(-time.Hour)
	require.NoError(t, os.Chtimes(b.path("f0001.tif"), then, then))
	for range 3 {
		_, err := b.end(out)
		require.NoError(t, err)
	}
}
