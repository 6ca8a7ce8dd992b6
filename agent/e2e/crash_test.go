//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/reporting"
)

func TestKilledDaemonLosesNothingAndRepeatsNothing(t *testing.T) {
	b := startBroker(t)
	sub := b.subscribe()
	s := newSite(t, b.settings())
	sums, files := map[string]string{}, smallTIFFs(t, 32)
	bring := func(n int) {
		for range n {
			data := files[len(sums)]
			path := filepath.Join(s.frames, fmt.Sprintf("f%02d.tif", len(sums)))
			require.NoError(t, writeRenamed(path, data))
			sums[path] = sha(data)
		}
	}
	d := s.start()
	bring(24)
	run := ""
	for _, processed := range []int{3, 12} {
		eventually(t, fmt.Sprintf("%d frames are processed", processed), func() bool {
			return d.counts("acq")["processed"] >= processed
		})
		d.kill()
		eventually(t, "the broker tells of its end", func() bool {
			kept := b.retained(topic("status"))
			return len(kept) == 1 && statusOf(t, kept[0]) == "offline"
		})
		require.Len(t, s.runs(), 1)
		if run == "" {
			run = s.runs()[0]
		}
		bring(4) // while it is down
		d = s.start()
	}
	require.Equal(t, len(sums), d.settled("acq", len(sums))["processed"])
	require.Zero(t, d.stop())
	requireFrames(t, sub.frames(t, len(sums)), sums)
	require.Equal(t, []string{run}, s.runs(), "the run is resumed, not begun again")
	requireRun(t, run, sums)
}

func TestStoppedDaemonFinishesWhatItTookAndGoesOnLater(t *testing.T) {
	b := startBroker(t)
	sub := b.subscribe()
	s := newSite(t, b.settings())
	files := smallTIFFs(t, 30)
	d := s.start()
	sums := map[string]string{}
	for i, data := range files {
		path := filepath.Join(s.frames, fmt.Sprintf("f%02d.tif", i))
		require.NoError(t, writeRenamed(path, data))
		sums[path] = sha(data)
	}
	eventually(t, "a frame is processed", func() bool { return d.counts("acq")["processed"] > 0 })
	require.Zero(t, d.stop())
	first := sub.frames(t, 1)
	require.Less(t, len(first), len(sums), "the daemon was stopped in the middle")
	require.Len(t, s.runs(), 1)
	require.FileExists(t, filepath.Join(s.runs()[0], reporting.ReportFile), "a stop closes the run")

	d = s.start()
	require.Equal(t, len(sums), d.settled("acq", len(sums))["processed"])
	require.Zero(t, d.stop())
	requireFrames(t, sub.frames(t, len(sums)), sums)
	rows := 0
	for _, run := range s.runs() {
		rows += len(readSummary(t, run))
	}
	require.Equal(t, len(sums), rows, "every frame is in one report")
}

// pending reads from a stopped daemon's journal which frames it had taken and not finished.
func (s *site) pending() []reporting.FrameRecord {
	store, err := reporting.OpenStore(s.t.Context(), reporting.StoreOptions{Dir: s.data, ReadOnly: true})
	require.NoError(s.t, err)
	defer func() { require.NoError(s.t, store.Close()) }()
	frames, err := store.Pending(s.t.Context(), "acq")
	require.NoError(s.t, err)
	return frames
}

func TestFramesThatVanishedWhileTheDaemonWasDownAreRejected(t *testing.T) {
	s := newSite(t, "")
	files := smallTIFFs(t, 13)
	d := s.start()
	const n = 12
	for i, data := range files[:n] {
		require.NoError(t, writeRenamed(filepath.Join(s.frames, fmt.Sprintf("f%02d.tif", i)), data))
	}
	eventually(t, "a frame is processed", func() bool { return d.counts("acq")["processed"] > 0 })
	d.kill()
	taken := s.pending()
	require.Greater(t, len(taken), 1, "the daemon was killed in the middle")
	removed, overwritten := taken[len(taken)-1].Path, taken[len(taken)-2].Path
	require.NoError(t, os.Remove(removed))
	require.NoError(t, writeRenamed(overwritten, files[n]))

	d = s.start()
	c := d.settled("acq", n+1) // the new content is a frame of its own
	require.Equal(t, n-1, c["processed"])
	require.Equal(t, 2, c["rejected"])
	require.Zero(t, d.stop())
	require.Len(t, s.runs(), 1)
	reasons := map[string]string{}
	for _, row := range readSummary(t, s.runs()[0]) {
		if row["status"] != "ok" {
			reasons[row["path"]] = row["error"]
		}
	}
	require.Len(t, reasons, 2)
	require.True(t, strings.HasPrefix(reasons[removed], "vanished: "), reasons)
	require.True(t, strings.HasPrefix(reasons[overwritten], "vanished: "), reasons)
}
