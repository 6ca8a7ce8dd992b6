package agent

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream/tiff"
)

// put renames a small frame of one grey into the folder.
func (o *overloaded) put(name string, grey byte) {
	o.t.Helper()
	var b bytes.Buffer
	require.NoError(o.t, tiff.EncodeGray8(&b, bytes.Repeat([]byte{grey}, overloadSide*overloadSide), overloadSide, overloadSide, tiff.GrayOptions{}))
	temp := filepath.Join(o.folder, ".temp")
	require.NoError(o.t, os.WriteFile(temp, b.Bytes(), 0o600))
	require.NoError(o.t, os.Rename(temp, filepath.Join(o.folder, name)))
}

// received waits until so many frames of the folder are in the journal, and final where they shall be.
func (o *overloaded) received(n int, final bool) map[string]int {
	o.t.Helper()
	var c map[string]int
	require.Eventually(o.t, func() bool {
		c = o.frameCounts()["folder"]
		return c["received"] >= n && (!final || c[""] == 0)
	}, time.Minute, 10*time.Millisecond, "%d frames: %v", n, c)
	return c
}

// analysed is how many frames of a source were.
func (o *overloaded) analysed(source string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.ages[source])
}

// A file is received when it is complete, though its turn is not yet; what happens to it until then is told.
func TestFilesOverwrittenOrRemovedInTheQueueAreRejectedWithTheirCause(t *testing.T) {
	o := newOverloaded(t, time.Hour, "block")
	o.put("blocks.tif", 1)
	o.received(1, false)
	for i := range 8 {
		o.put(fmt.Sprintf("f%d.tif", i), 1)
	}
	o.received(9, false)
	require.NoError(t, os.Remove(filepath.Join(o.folder, "f6.tif")))
	o.put("f7.tif", 2)
	o.received(10, false)
	require.Contains(t, string(o.scrape()), `aimsd_folder_files_in_flight{source="folder"} 10`)
	o.free()
	c := o.received(10, true)
	require.Equal(t, map[string]int{"received": 10, "processed": 8, "gated": 0, "rejected": 2, "dropped": 0, "": 0}, c)
	require.Contains(t, string(o.scrape()), `aimsd_frames_causes_total{cause="vanished",outcome="rejected",source="folder"} 2`)
}

// What is in the queue when the daemon stops is in flight in the journal, and is done when it runs again, once.
func TestTheQueueOutlivesAStop(t *testing.T) {
	const files = 30
	dir := t.TempDir()
	o := overloadedIn(t, dir, 500*time.Millisecond, "block")
	for i := range files {
		o.put(fmt.Sprintf("f%02d.tif", i), byte(i+1))
	}
	o.received(files, false)
	o.stop()
	done := o.analysed("folder")
	require.Less(t, done, files, "all were done before the stop")
	o = overloadedIn(t, dir, time.Millisecond, "block")
	c := o.received(files, true)
	require.Equal(t, files, c["processed"], c)
	require.Equal(t, files, c["received"], c)
	require.Equal(t, files-done, o.analysed("folder"), "each was analysed once")
	o.stop()
	results, err := filepath.Glob(filepath.Join(dir, "data", "runs", "*", "*", "result.json"))
	require.NoError(t, err)
	require.Len(t, results, files)
	runs, err := filepath.Glob(filepath.Join(dir, "data", "runs", "*"))
	require.NoError(t, err)
	require.Len(t, runs, 1, "the run goes on")
}

// A source that wants its newest frame and one that wants every frame take turns: neither waits for the other's
// queue.
func TestTheNewestFrameOfOneSourceDoesNotWaitBehindTheQueueOfAnother(t *testing.T) {
	const takes = 40 * time.Millisecond
	o := newOverloaded(t, takes, "mixed")
	for i := range 60 {
		o.put(fmt.Sprintf("f%02d.tif", i), byte(i+1))
	}
	o.received(60, false)
	ctx, cancel := context.WithTimeout(t.Context(), 20*takes)
	defer cancel()
	before := o.analysed("folder")
	done, dropped := o.push(ctx, takes/2)
	turns := o.analysed("folder") - before
	require.Positive(t, dropped)
	require.Positive(t, turns)
	require.LessOrEqual(t, turns, 2*done+4, "frames of the queue, while %d of the other source were analysed", done)
	o.free()
	c := o.received(60, true)
	require.Equal(t, 60, c["processed"], c)
}
