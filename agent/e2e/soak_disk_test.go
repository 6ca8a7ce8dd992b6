//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream/streamtest"
)

// Room of the disk in the test, MiB.
const (
	diskMiB = 96
	lowMiB  = 48
	fullMiB = 24
)

// smallDisk mounts a file system of its own; where that is not allowed the test is skipped. What a full disk does
// to the store, the pipeline and the admission is also tested without one, in reporting and agent.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", diskMiB)); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: a file system of limited size cannot be mounted: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// readOnly makes a folder one that nothing new can be written to, as a file system that met errors is; what was open
// before stays so. It returns what ends that, nil where the system does not allow it.
func readOnly(t *testing.T, dir string) (writable func()) {
	t.Helper()
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Logf("SKIPPED, NOT TESTED: a read-only disk: %v", err)
		return nil
	}
	undo := func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) }
	if err := unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Logf("SKIPPED, NOT TESTED: a read-only disk: %v", err)
		undo()
		return nil
	}
	return undo
}

// filler is a file of another program that takes the room.
type filler struct {
	t    *testing.T
	path string
}

// leave makes the filler so large that so many MiB stay free.
func (f filler) leave(freeMiB int64) {
	f.t.Helper()
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	require.NoError(f.t, err)
	defer file.Close()
	block := make([]byte, 64<<10)
	for {
		var s unix.Statfs_t
		require.NoError(f.t, unix.Statfs(f.path, &s))
		if int64(s.Bavail)*s.Bsize <= freeMiB<<20 {
			return
		}
		_, err := file.Write(block)
		if errors.Is(err, unix.ENOSPC) {
			return
		}
		require.NoError(f.t, err)
	}
}

// free gives all of it back.
func (f filler) free() { require.NoError(f.t, os.Remove(f.path)) }

// The bar: the disk is filled in mid-run, to the last byte, then freed, again and again, and is read-only for a while:
// nothing is corrupt or lost, an alert says what is wrong, and the work goes on by itself.
func TestDiskFilledAndFreedSoak(t *testing.T) {
	length, full := streamtest.Soak(t, 0)
	rounds := 1
	if full {
		rounds = max(2, int(4*length.Minutes()))
	}
	streamtest.Random(t)
	broker := hear(t)
	s := newSite(t, broker.settings()+fmt.Sprintf("disk: {low_mb: %d, full_mb: %d}\n", lowMiB, fullMiB))
	disk := smallDisk(t)
	s.data = filepath.Join(disk, "data")
	other := filler{t, filepath.Join(disk, "other")}
	d := s.up()
	client := &pushed{run: "pushed", frames: map[string][]byte{}, done: map[string]string{}}
	files, uids := 0, []string{}
	bring := func(n int) {
		for range n {
			require.NoError(t, writeRenamed(filepath.Join(s.frames, fmt.Sprintf("f%04d.tif", files)), smallTIFF(t, files)))
			files++
		}
	}
	processed := func(n int) func() bool {
		return func() bool { return d.counts("acq")["processed"] >= n }
	}
	alert := func(code, state string) {
		t.Helper()
		eventually(t, code+" is "+state, func() bool { return broker.alertState(t, code, "data_dir") == state })
	}
	for round := range rounds {
		bring(3)
		eventually(t, "frames are done", processed(files))

		other.leave(lowMiB - 8) // low: no pictures
		alert("DISK_LOW", "raised")
		bring(1)
		eventually(t, "frames go on", processed(files))
		require.NoFileExists(t, filepath.Join(s.run("acq"), fmt.Sprintf("f%04d.tif", files-1), reporting.OverlayFile))
		require.FileExists(t, filepath.Join(s.run("acq"), fmt.Sprintf("f%04d.tif", files-1), reporting.LabelsFile))
		status, body := d.get("/readyz")
		require.Equal(t, http.StatusOK, status)
		require.Contains(t, body, "degraded: less than")

		bring(4) // in mid-run
		other.leave(0)
		alert("DISK_FULL", "raised")
		status, body = d.get("/readyz")
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, body, "disk full")
		bring(2)
		uid := fmt.Sprintf("uid-%d", round)
		uids = append(uids, uid)
		client.frames[uid] = smallFrame(t, 1000+round).Gray8
		require.Equal(t, aimsv1.FrameAck_BUSY, s.tryPush(d, client, uid), "a stream keeps its frame")
		time.Sleep(time.Second)
		received := d.counts("acq")["received"]
		if round%2 == 1 { // it also starts with a full disk, or is started until there is room
			d.kill()
			d = s.launch()
			time.Sleep(time.Second)
		}

		other.free()
		if round%2 == 1 {
			d.reap()
			_ = os.Remove(filepath.Join(s.data, "starts.json"))
			d = s.up()
		}
		eventually(t, "all that waited is done", processed(files))
		require.Less(t, received, files, "files wait where they are, not in the journal")
		alert("DISK_FULL", "cleared")
		alert("DISK_LOW", "cleared")
		status, body = d.get("/readyz")
		require.Equal(t, http.StatusOK, status, body)
		require.NoError(t, client.send(t.Context(), d.grpc, uids))
		bring(1)
		eventually(t, "frames go on", processed(files))
		require.FileExists(t, filepath.Join(s.run("acq"), fmt.Sprintf("f%04d.tif", files-1), reporting.OverlayFile))

		writable := readOnly(t, s.data)
		if writable == nil {
			continue
		}
		alert("DISK_READ_ONLY", "raised")
		status, body = d.get("/readyz")
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, body, "is read-only")
		bring(2)
		time.Sleep(time.Second)
		require.Equal(t, files-2, d.counts("acq")["received"], "files wait where they are")
		writable()
		eventually(t, "all that waited is done", processed(files))
		alert("DISK_READ_ONLY", "cleared")
	}
	c := d.settled("acq", files)
	require.Equal(t, files, c["processed"], "%v", c)
	require.Zero(t, d.stop())
	s.sound(files, len(uids))
	t.Logf("filled and freed %d times; %d files and %d pushed frames, all done", rounds, files, len(uids))
}

// run is the only run folder of a source.
func (s *site) run(source string) string {
	s.t.Helper()
	dirs, err := filepath.Glob(filepath.Join(s.data, "runs", "*-"+source))
	require.NoError(s.t, err)
	require.Len(s.t, dirs, 1)
	return dirs[0]
}

// tryPush sends one frame once and returns the last answer's state.
func (s *site) tryPush(d *daemon, p *pushed, uid string) aimsv1.FrameAck_State {
	s.t.Helper()
	stream, closeConn, err := dialPush(s.t.Context(), d.grpc)
	require.NoError(s.t, err)
	defer closeConn()
	ack, err := p.one(stream, uid)
	require.NoError(s.t, err)
	return ack.State
}

// sound checks that the store is whole and has exactly one result for every frame, each with its files.
func (s *site) sound(files, pushed int) {
	t, ctx := s.t, s.t.Context()
	store, err := reporting.OpenStore(ctx, reporting.StoreOptions{Dir: s.data}) // looks for damage
	require.NoError(t, err)
	require.Empty(t, store.MovedAside())
	runs, err := store.Runs(ctx, 10)
	require.NoError(t, err)
	results := map[string]int{}
	for _, run := range runs {
		require.False(t, run.ClosedAt.IsZero(), "%s is closed", run.ID)
		require.FileExists(t, filepath.Join(s.data, "runs", run.ID, reporting.ReportFile))
		for r, err := range store.Results(ctx, run.ID) {
			require.NoError(t, err)
			results[r.Frame.Source]++
			folder := filepath.Join(s.data, "runs", run.ID, r.Frame.Folder)
			for _, name := range []string{reporting.LabelsFile, reporting.ParticlesFile, reporting.ResultFile} {
				info, err := os.Stat(filepath.Join(folder, name))
				require.NoError(t, err)
				require.Positive(t, info.Size(), "%s of %s", name, folder)
			}
		}
		entries, err := os.ReadDir(filepath.Join(s.data, "runs", run.ID))
		require.NoError(t, err)
		for _, e := range entries {
			require.False(t, strings.HasPrefix(e.Name(), ".aimsd-"), "%s is left over", e.Name())
		}
	}
	require.Equal(t, map[string]int{"acq": files, "grpc": pushed}, results)
	require.NoError(t, store.Close())
}
