//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/reporting"
)

// Every look at the counts checks that they add up; see daemon.counts.
func TestEveryFrameIsAccountedForByItsOutcome(t *testing.T) {
	b := startBroker(t)
	sub := b.subscribe()
	fast := t.TempDir()
	s := newSite(t, fmt.Sprintf("  - {name: live, path: %s, policy: latest}\n", fast)+b.settings())
	s.data = filepath.Join(s.frames, "results") // its own outputs are never inputs
	for i := range 3 {
		put(t, filepath.Join(s.frames, fmt.Sprintf("old%d.tif", i)), constantTIFF(t, side, side, uint8(i)))
	}
	whole, files := smallTIFF(t, 50), smallTIFFs(t, 12)
	d := s.start()
	put(t, filepath.Join(s.frames, "good.tif"), whole)
	put(t, filepath.Join(s.frames, "small.tif"), constantTIFF(t, 32, 32, 7))
	put(t, filepath.Join(s.frames, "cut.tif"), whole[:len(whole)/2])
	for i, data := range files {
		require.NoError(t, writeRenamed(filepath.Join(fast, fmt.Sprintf("f%02d.tif", i)), data))
	}
	live := d.settled("live", 12)
	require.Equal(t, 12, live["processed"]+live["dropped"], live)
	require.Positive(t, live["processed"])
	require.Positive(t, live["dropped"], "frames came faster than results")
	acq := d.settled("acq", 6)
	require.Equal(t, counts{"received": 6, "processed": 1, "gated": 3, "rejected": 2, "dropped": 0, "in_flight": 0}, acq)
	require.Zero(t, d.stop())

	outcomes, reasons := map[string]int{}, map[string]string{}
	for _, f := range sub.frames(t, 15) {
		outcomes[f.Source+" "+f.Outcome]++
		if f.Outcome == "processed" {
			require.Empty(t, f.Reason)
		} else {
			require.NotEmpty(t, f.Reason)
			reasons[filepath.Base(f.Path)] = f.Reason
		}
	}
	require.Equal(t, map[string]int{
		"acq processed": 1, "acq rejected": 2, "live processed": live["processed"], "live dropped": live["dropped"],
	}, outcomes, "a backlog that is skipped is counted, not told")
	require.Contains(t, reasons["small.tif"], "32 x 32 px")
	require.Contains(t, reasons["cut.tif"], "write the file again")
	last := filepath.Join(fast, "f11.tif")
	var summaries int
	for _, run := range s.runs() {
		for _, row := range readSummary(t, run) {
			summaries++
			if row["path"] == last {
				require.Equal(t, "ok", row["status"], "the newest frame is never dropped")
			}
		}
		_, err := os.Stat(filepath.Join(run, reporting.ReportFile))
		require.NoError(t, err)
	}
	require.Equal(t, 15, summaries)
}
