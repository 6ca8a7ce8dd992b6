package stream_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/uni-aims/aimsd/stream"
)

func TestRenamedFileIsTakenAtOnce(t *testing.T) {
	b := newBench(t)
	b.start()
	var delays []time.Duration
	for i := range 9 {
		tmp, final := b.path(fmt.Sprintf("f%d.tif.tmp", i)), b.path(fmt.Sprintf("f%d.tif", i))
		require.NoError(t, os.WriteFile(tmp, tinyTIFF(128, byte(i)), 0o644))
		renamed := time.Now()
		require.NoError(t, os.Rename(tmp, final))
		require.Eventually(t, func() bool { return len(b.all()) == i+1 }, soon, time.Millisecond)
		delays = append(delays, b.all()[i].at.Sub(renamed))
	}
	slices.Sort(delays)
	t.Logf("rename to arrival: median %s, worst %s", delays[4], delays[8])
	require.Less(t, delays[2], 50*time.Millisecond) // of nine: the machine may be busy
	b.expect(9)
}

func TestFileRenamedInFromOutsideIsTakenAtOnce(t *testing.T) {
	b := newBench(t)
	b.start()
	best := time.Hour
	for i := range 5 {
		outside := filepath.Join(t.TempDir(), "x.tif")
		require.NoError(t, os.WriteFile(outside, tinyTIFF(64, 7), 0o644))
		renamed := time.Now()
		require.NoError(t, os.Rename(outside, b.path(fmt.Sprintf("x%d.tif", i))))
		require.Eventually(t, func() bool { return len(b.all()) == i+1 }, soon, time.Millisecond)
		best = min(best, b.all()[i].at.Sub(renamed))
	}
	require.Less(t, best, 60*time.Millisecond)
}

func TestWrittenFileIsTakenSoonAfterItsLastByte(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit time.Duration
		set   func(*stream.Folder)
	}{
		{"writer known to be gone", 250 * time.Millisecond, func(*stream.Folder) {}},
		{"writer unknown", 450 * time.Millisecond, func(f *stream.Folder) { f.SetLeaseUnknown() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t)
			b.start(c.set)
			var delays []time.Duration
			for i := range 5 {
				b.write(fmt.Sprintf("f%d.tif", i), tinyTIFF(256, byte(i+1)))
				written := time.Now()
				require.Eventually(t, func() bool { return len(b.all()) == i+1 }, soon, time.Millisecond)
				delays = append(delays, b.all()[i].at.Sub(written))
			}
			slices.Sort(delays)
			t.Logf("written to arrival: median %s, worst %s", delays[2], delays[4])
			require.Less(t, delays[1], c.limit)
		})
	}
}

func TestSlowAppendIsTakenOnceAndWhole(t *testing.T) {
	b := newBench(t)
	b.start()
	data := tinyTIFF(200, 9)
	var wg sync.WaitGroup
	wg.Go(func() { // one handle kept open
		file, err := os.Create(b.path("held.tif"))
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = file.Close() }()
		for part := range slices.Chunk(data, 4000) {
			_, _ = file.Write(part)
			time.Sleep(60 * time.Millisecond)
		}
	})
	wg.Go(func() { // opened and closed for every piece, with pauses longer than the settle time
		for part := range slices.Chunk(data, 15000) {
			file, err := os.OpenFile(b.path("pieces.tif"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = file.Write(part)
			_ = file.Close()
			time.Sleep(400 * time.Millisecond)
		}
	})
	wg.Wait()
	for _, a := range b.expect(2) {
		require.NoError(t, a.err)
		require.Equal(t, byte(9), a.fill)
	}
}

func TestPreallocatedFileWaitsForItsWriter(t *testing.T) {
	b := newBench(t)
	b.start()
	data := tinyTIFF(128, 200)
	file, err := os.Create(b.path("pre.tif"))
	require.NoError(t, err)
	require.NoError(t, file.Truncate(int64(len(data))))
	_, err = file.WriteAt(data[:5000], 0) // structure complete from here on
	require.NoError(t, err)
	time.Sleep(800 * time.Millisecond)
	require.Empty(t, b.all(), "a file whose writer has it open was taken")
	_, err = file.WriteAt(data[5000:], 5000)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.NoError(t, b.expect(1)[0].err)
}

func TestBurstIsTakenWholeAndOnce(t *testing.T) {
	b := newBench(t)
	b.start()
	began := time.Now()
	for i := range 300 {
		b.write(fmt.Sprintf("sub%d/f%d.tif", i%3, i), tinyTIFF(64, byte(i)))
	}
	got := b.expect(300)
	t.Logf("300 files in %s", got[299].at.Sub(began))
	seen := map[string]bool{}
	for _, a := range got {
		require.NoError(t, a.err)
		require.False(t, seen[a.Path])
		seen[a.Path] = true
	}
}

func TestNewSubfolderIsWatchedWithWhatItHolds(t *testing.T) {
	b := newBench(t)
	b.start()
	for i := range 20 {
		b.write(fmt.Sprintf("run%d/deep/er/f.tif", i), tinyTIFF(64, 1))
	}
	b.expect(20)
	b.write("run3/deep/er/later.tif", tinyTIFF(64, 2))
	b.expect(21)
}

func TestRenamedSubfolderKeepsBeingWatched(t *testing.T) {
	b := newBench(t)
	b.start()
	b.write("a/in/f.tif", tinyTIFF(64, 1))
	b.expect(1)
	require.NoError(t, os.Rename(b.path("a"), b.path("b")))
	require.Len(t, b.expect(2), 2) // another path is another frame
	b.write("b/in/g.tif", tinyTIFF(64, 2))
	require.Equal(t, b.path("b/in/g.tif"), b.expect(3)[2].Path)
}

func TestFlatSourceIgnoresSubfolders(t *testing.T) {
	b := newBench(t)
	b.start(func(f *stream.Folder) { f.Recursive = false })
	b.write("sub/f.tif", tinyTIFF(64, 1))
	b.write("g.tif", tinyTIFF(64, 1))
	require.Equal(t, "g.tif", b.expect(1)[0].Name)
}

func TestTruncatedFileIsTakenWhenItIsCompleted(t *testing.T) {
	b := newBench(t)
	b.start()
	data := tinyTIFF(100, 3)
	b.write("t.tif", data[:2000])
	time.Sleep(700 * time.Millisecond)
	require.Empty(t, b.all())
	b.write("t.tif", data)
	require.NoError(t, b.expect(1)[0].err)
}

func TestOverwrittenFileIsANewFrame(t *testing.T) {
	b := newBench(t)
	b.start()
	b.write("o.tif", tinyTIFF(64, 1))
	b.expect(1)
	b.write("o.tif", tinyTIFF(64, 2))
	got := b.expect(2)
	require.Equal(t, []byte{1, 2}, []byte{got[0].fill, got[1].fill})
	require.NotEqual(t, got[0].Key, got[1].Key)
}

func TestSameSizeAndTimeButOtherContentIsANewFrame(t *testing.T) {
	b := newBench(t)
	b.start()
	b.write("o.tif", tinyTIFF(64, 1))
	b.expect(1)
	info, err := os.Stat(b.path("o.tif"))
	require.NoError(t, err)
	b.write("o.tif", tinyTIFF(64, 2))
	require.NoError(t, os.Chtimes(b.path("o.tif"), time.Time{}, info.ModTime()))
	require.Equal(t, byte(2), b.expect(2)[1].fill)
}

func TestFileOverwrittenBeforeItWasReadIsRejectedAndItsNewContentTaken(t *testing.T) {
	b := newBench(t)
	var once sync.Once
	b.start(func(f *stream.Folder) {
		f.Journal = interposed{b.journal, func() {
			once.Do(func() { b.write("o.tif", tinyTIFF(64, 2)) })
		}}
	})
	b.write("o.tif", tinyTIFF(64, 1))
	got := b.expect(2)
	require.ErrorContains(t, got[0].err, "overwritten")
	require.NoError(t, got[1].err)
	require.Equal(t, byte(2), got[1].fill)
}

func TestFilesThatNeverBecomeCompleteAreRejected(t *testing.T) {
	b := newBench(t)
	b.start(func(f *stream.Folder) { f.GiveUp = 600 * time.Millisecond })
	b.write("cut.tif", tinyTIFF(64, 1)[:500])
	b.write("empty.tif", nil)
	b.write("notes.txt", []byte("not an image"))
	b.write("empty.log", nil)
	b.write(".hidden.tif", tinyTIFF(64, 1))
	b.write("x.tif.part", tinyTIFF(64, 1))
	got := b.expect(2)
	slices.SortFunc(got, func(x, y arrived) int { return stream.CompareNatural(x.Name, y.Name) })
	require.ErrorContains(t, got[0].err, "strip lies outside")
	require.ErrorIs(t, got[0].err, stream.ErrGivenUp)
	require.ErrorContains(t, got[1].err, "empty")
	require.Len(t, b.journal.Receipts(stream.StateRejected), 2)
	require.Equal(t, uint64(2), b.folder.Stats().GivenUp)
	b.write("cut.tif", tinyTIFF(64, 1)) // written again as the reason says
	require.NoError(t, b.expect(3)[2].err)
}

func TestTheLogSaysOnceWhatAFileIsWaitedFor(t *testing.T) {
	t.Parallel() // takes 5 s
	core, logs := observer.New(zap.InfoLevel)
	b := newBench(t)
	b.start(func(f *stream.Folder) { f.Log = zap.New(core) })
	b.write("cut.tif", tinyTIFF(64, 1)[:500])
	waiting := func() []observer.LoggedEntry {
		return logs.Filter(func(e observer.LoggedEntry) bool { return strings.HasPrefix(e.Message, "waiting for ") }).All()
	}
	require.Eventually(t, func() bool { return len(waiting()) > 0 }, soon, 10*time.Millisecond)
	time.Sleep(100 * time.Millisecond)
	require.Len(t, waiting(), 1)
	require.Contains(t, waiting()[0].Message, "cut.tif: the strip lies outside the file")
	b.write("cut.tif", tinyTIFF(64, 1))
	require.NoError(t, b.expect(1)[0].err)
}

func TestFilesComeInOrderOfTimeThenName(t *testing.T) {
	b := newBench(t)
	old := time.Now().Add(-time.Hour)
	for i, name := range []string{"img10.tif", "img9.tif", "img1.tif", "z.tif"} {
		b.write(name, tinyTIFF(64, byte(i)))
		require.NoError(t, os.Chtimes(b.path(name), old, old))
	}
	require.NoError(t, os.Chtimes(b.path("z.tif"), old, old.Add(-time.Minute)))
	b.start(func(f *stream.Folder) { f.Backlog = stream.BacklogProcess })
	b.expect(4)
	require.Equal(t, []string{"z.tif", "img1.tif", "img9.tif", "img10.tif"}, b.names())
}

func TestFilesFoundTogetherKeepTheirOrderThoughSomeRestLonger(t *testing.T) {
	b := newBench(t)
	old := time.Now().Add(-time.Hour)
	var want []string
	for i := range 12 {
		name := fmt.Sprintf("img%d.tif", i)
		want = append(want, name)
		b.write(name, tinyTIFF(64, byte(i)))
		require.NoError(t, os.Chtimes(b.path(name), old, old.Add(time.Duration(i/3)*time.Second)))
	}
	b.start(func(f *stream.Folder) {
		f.Backlog = stream.BacklogProcess
		f.SetLeaseUnknownFor("img0.tif", "img4.tif", "img9.tif") // these rest for 300 ms, the others for 100 ms
	})
	b.expect(12)
	require.Equal(t, want, b.names())
}

func TestFolderRefusesWrongParameters(t *testing.T) {
	b := newBench(t)
	for want, change := range map[string]func(*stream.Folder){
		"name":    func(f *stream.Folder) { f.SourceName = "" },
		"path":    func(f *stream.Folder) { f.Path = "" },
		"backlog": func(f *stream.Folder) { f.Backlog = "later" },
		"watch":   func(f *stream.Folder) { f.Watch = "sometimes" },
		"journal": func(f *stream.Folder) { f.Journal = nil },
	} {
		f := &stream.Folder{SourceName: "acq", Path: b.dir, Journal: b.journal, Decode: tinyDecode, Complete: tinyComplete, IsImage: isTiny}
		change(f)
		require.Error(t, f.Ready())
		require.ErrorContains(t, f.Run(t.Context(), nil), want)
	}
}

func TestJournalFailureIsReportedAndRetried(t *testing.T) {
	b := newBench(t)
	b.start()
	b.journal.Fail(errors.New("disk full"))
	b.write("f.tif", tinyTIFF(64, 1))
	require.Eventually(t, func() bool { return b.folder.Ready() != nil }, soon, 5*time.Millisecond)
	require.ErrorContains(t, b.folder.Ready(), "disk full")
	b.journal.Fail(nil)
	b.expect(1)
	require.NoError(t, b.folder.Ready())
}
