//go:build linux

package e2e

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/reporting"
)

// hugeTIFF is a header that promises 100000x100000 px, and hardly anything else.
func hugeTIFF() []byte {
	var b bytes.Buffer
	b.WriteString("II*\x00\x08\x00\x00\x00")
	entries := [][4]uint32{ // tag, type (4: LONG), count, value
		{256, 4, 1, 100000}, {257, 4, 1, 100000}, {258, 4, 1, 8}, {259, 4, 1, 1}, {262, 4, 1, 1},
		{273, 4, 1, 8}, {277, 4, 1, 1}, {278, 4, 1, 100000}, {279, 4, 1, 0xffffffff},
	}
	_ = binary.Write(&b, binary.LittleEndian, uint16(len(entries)))
	for _, e := range entries {
		_ = binary.Write(&b, binary.LittleEndian, struct {
			Tag, Type    uint16
			Count, Value uint32
		}{uint16(e[0]), uint16(e[1]), e[2], e[3]})
	}
	b.Write(make([]byte, 64))
	return b.Bytes()
}

// hugePNG is the same as PNG.
func hugePNG() []byte {
	var b bytes.Buffer
	chunk := func(kind string, data []byte) {
		_ = binary.Write(&b, binary.BigEndian, uint32(len(data)))
		b.WriteString(kind)
		b.Write(data)
		_ = binary.Write(&b, binary.BigEndian, crc32.ChecksumIEEE(append([]byte(kind), data...)))
	}
	b.WriteString("\x89PNG\r\n\x1a\n")
	size := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 100000), 100000)
	chunk("IHDR", append(size, 8, 0, 0, 0, 0))
	chunk("IDAT", []byte{0x78, 0x9c, 3, 0, 0, 0, 0, 1})
	chunk("IEND", nil)
	return b.Bytes()
}

func TestBadInputsFailInOneLineEachAndTheRestIsDone(t *testing.T) {
	t.Parallel()
	needLibrary(t)
	dir := t.TempDir()
	good := smallTIFF(t, 1)
	bad := map[string]struct {
		data   []byte
		cause  string
		remedy string
	}{
		"truncated.tif": {good[:len(good)/2], "truncated", "copy it again"},
		"empty.tif":     {[]byte{}, "empty", "again"},
		"letter.tif":    {[]byte("Dear Sir or Madam, this is not an image.\n"), "neither TIFF", "save it as TIFF"},
		"small.tif":     {constantTIFF(t, 63, 200, 9), "63 x 200 px", "larger"},
		"huge.tif":      {hugeTIFF(), "100000", "crop or downsample"},
		"huge.png":      {hugePNG(), "100000", "crop or downsample"},
		"missing.tif":   {nil, "no such file", "check the path"},
	}
	args := []string{"analyze", "-o", filepath.Join(dir, "out")}
	var paths []string
	addGood := func(name string, data []byte) {
		put(t, filepath.Join(dir, name), data)
		paths = append(paths, filepath.Join(dir, name))
	}
	addGood("good/first.tif", good)
	for name, c := range bad {
		if c.data != nil {
			put(t, filepath.Join(dir, name), c.data)
		}
		paths = append(paths, filepath.Join(dir, name))
	}
	addGood("good/last.tif", smallTIFF(t, 2))
	r := aimsd(t, append(args, paths...)...)
	require.Equal(t, 1, r.status, r.stderr)
	require.Less(t, r.peakRSS, int64(800<<20), "peak memory in bytes")
	for name, c := range bad {
		path := filepath.Join(dir, name)
		var lines []string
		for _, line := range r.lines() {
			if strings.Contains(line, path) {
				lines = append(lines, line)
			}
		}
		require.Len(t, lines, 1, "lines about %s:\n%s", name, r.stderr)
		require.Equal(t, 1, strings.Count(lines[0], path), "names the input once: %s", lines[0])
		require.True(t, strings.HasPrefix(lines[0], "aimsd: "), lines[0])
		require.Contains(t, lines[0], c.cause)
		require.Contains(t, lines[0], c.remedy)
	}
	require.Len(t, r.lines(), len(bad)+1, "one line for each, and the last:\n%s", r.stderr)

	rows := readSummary(t, filepath.Join(dir, "out"))
	require.Len(t, rows, len(paths))
	for i, row := range rows {
		require.Equal(t, paths[i], row["path"], "rows are in the order of the inputs")
		if _, failed := bad[filepath.Base(row["path"])]; failed {
			require.Equal(t, "failed", row["status"])
			require.NotEmpty(t, row["error"])
			require.Empty(t, row["folder"])
			continue
		}
		require.Equal(t, "ok", row["status"])
		require.Positive(t, readResult(t, filepath.Join(dir, "out", row["folder"])).Objects)
	}
	require.FileExists(t, filepath.Join(dir, "out", reporting.ReportFile))
	require.FileExists(t, filepath.Join(dir, "out", reporting.SummaryJSONFile))
}

func TestBlankFramesSucceedWithoutObjects(t *testing.T) {
	t.Parallel()
	needLibrary(t)
	dir := t.TempDir()
	for name, grey := range map[string]uint8{"black.tif": 0, "white.tif": 255, "grey.tif": 100} {
		put(t, filepath.Join(dir, name), constantTIFF(t, 300, 200, grey))
	}
	out := filepath.Join(dir, "out")
	r := aimsd(t, "analyze", "-o", out, dir)
	require.Zero(t, r.status, r.stderr)
	require.Empty(t, r.stderr)
	for _, name := range []string{"black.tif", "white.tif", "grey.tif"} {
		res := readResult(t, filepath.Join(out, name))
		require.Zero(t, res.Objects)
		require.Equal(t, []string{"blank"}, res.ImageQuality)
		require.Nil(t, res.Scale.NmPerPx)
		require.Equal(t, "none", res.Scale.Source)
	}
}

func TestEqualNamesGetFoldersOfTheirOwnAndOutputsAreNoInputs(t *testing.T) {
	t.Parallel()
	needLibrary(t)
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a", "same.tif"), filepath.Join(dir, "b", "Same.tif")
	put(t, a, smallTIFF(t, 1))
	put(t, b, smallTIFF(t, 2))
	out := filepath.Join(dir, "out") // inside the folder that is analysed
	names := map[string]string{a: "same.tif", b: "Same.tif~" + sha([]byte(b))[:8]}
	first := map[string]string{}
	for round := range 2 {
		r := aimsd(t, "analyze", "-o", out, dir)
		require.Zero(t, r.status, r.stderr)
		rows := readSummary(t, out)
		require.Len(t, rows, 2, "the outputs of round %d are no inputs of the next", round)
		for _, row := range rows {
			require.Equal(t, names[row["path"]], row["folder"])
			res := readResult(t, filepath.Join(out, row["folder"]))
			require.Equal(t, row["path"], res.Image.Path)
		}
		labels := tree(t, out)
		for name, sum := range labels {
			if filepath.Base(name) == reporting.LabelsFile && round == 1 {
				require.Equal(t, first[name], sum, "a rerun gives the same labels")
			}
		}
		first = labels
	}
	entries, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Len(t, entries, 2+3+1, "two folders, three tables, the marker: nothing is left over")
}
