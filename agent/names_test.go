package agent

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream/tiff"
)

// Whatever a file system takes as a name, a watched folder does: its frame is processed and has a folder of its
// own, which every system can hold.
func TestFilesOfStrangeNamesAreProcessed(t *testing.T) {
	names := []string{
		"plain.tif", "CON.tif", "aux", "nul.TIF", "trailing dot.", " leading space.tif", "a\nb.tif", "a:b|c?.tif", "#hash%20.tif",
		"\u00fcber M\u00fche.tif", "u\u0308ber Mu\u0308he.tif", "試料 3.tif", "🔬.tif", "\xff\xfe.tif", "|1|2|3.tif",
		strings.Repeat("n", 251) + ".tif", strings.Repeat("ä", 125) + ".tif", strings.Repeat("n", 250) + "x.tif",
	}
	o := newOverloaded(t, time.Millisecond, "block")
	for i, name := range names {
		var b bytes.Buffer
		require.NoError(t, tiff.EncodeGray8(&b, bytes.Repeat([]byte{byte(i + 1)}, overloadSide*overloadSide), overloadSide, overloadSide, tiff.GrayOptions{}))
		temp := filepath.Join(o.folder, ".temp")
		require.NoError(t, os.WriteFile(temp, b.Bytes(), 0o600))
		if err := os.Rename(temp, filepath.Join(o.folder, name)); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
	}
	require.Eventually(t, func() bool {
		c := o.frameCounts()["folder"]
		return c["received"] == len(names) && c[""] == 0
	}, time.Minute, 50*time.Millisecond)
	c := o.frameCounts()["folder"]
	require.Equal(t, len(names), c["processed"], c)
	o.stop()
	folders, err := filepath.Glob(filepath.Join(filepath.Dir(o.folder), "data", "runs", "*", "*", "result.json"))
	require.NoError(t, err)
	require.Len(t, folders, len(names))
	for _, f := range folders {
		name := filepath.Base(filepath.Dir(f))
		require.LessOrEqual(t, len(name), 255)
		require.False(t, strings.ContainsAny(name, "\n:|?\"<>*\\"), "%q", name)
	}
}
