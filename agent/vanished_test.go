package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/reporting"
)

func TestOnlyFilesThatAreSurelyGoneHaveVanished(t *testing.T) {
	// pending returns a journal row of a file that is written now, in a folder of its own, and that folder.
	pending := func(t *testing.T) (reporting.FrameRecord, string) {
		root := t.TempDir()
		path := filepath.Join(root, "day", "a.tif")
		require.NoError(t, os.Mkdir(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte("frame"), 0o600))
		info, err := os.Stat(path)
		require.NoError(t, err)
		key := fmt.Sprintf("day/a.tif|%d|%d|c0ffee", info.Size(), info.ModTime().UnixNano())
		return reporting.FrameRecord{Path: path, Key: key, ReceivedAt: info.ModTime()}, root
	}
	emptied := func(t *testing.T, root string, at time.Time) {
		require.NoError(t, os.RemoveAll(filepath.Join(root, "day")))
		require.NoError(t, os.Chtimes(root, at, at))
	}
	for name, c := range map[string]struct {
		change func(t *testing.T, rec reporting.FrameRecord, root string)
		want   string // part of the reason
	}{
		"unchanged": {func(*testing.T, reporting.FrameRecord, string) {}, ""},
		"overwritten": {func(t *testing.T, rec reporting.FrameRecord, _ string) {
			require.NoError(t, os.WriteFile(rec.Path, []byte("another frame"), 0o600))
		}, "overwritten"},
		"removed, others are there": {func(t *testing.T, rec reporting.FrameRecord, _ string) {
			require.NoError(t, os.WriteFile(rec.Path+".other", nil, 0o600))
			require.NoError(t, os.Remove(rec.Path))
		}, "removed"},
		"removed with its folder": {func(t *testing.T, rec reporting.FrameRecord, root string) {
			emptied(t, root, rec.ReceivedAt.Add(time.Second))
		}, "removed"},
		"share not mounted: an old empty folder": {func(t *testing.T, rec reporting.FrameRecord, root string) {
			emptied(t, root, rec.ReceivedAt.Add(-time.Hour))
		}, ""},
		"share not mounted: no folder": {func(t *testing.T, _ reporting.FrameRecord, root string) {
			require.NoError(t, os.RemoveAll(root))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			rec, root := pending(t)
			c.change(t, rec, root)
			require.Empty(t, vanished(rec, filepath.Join(root, "..", "elsewhere")), "another folder is watched now")
			why := vanished(rec, root)
			if c.want == "" {
				require.Empty(t, why)
				return
			}
			require.Contains(t, why, "vanished: "+rec.Path+" was "+c.want)
		})
	}
}
