//go:build linux

package e2e

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream/simulate"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// side is that of frames that shall be cheap to analyse, px.
const side = 192

// scene renders frame index of a simulated microscope.
func scene(t testing.TB, p simulate.Particles, index int) *simulate.Frame {
	t.Helper()
	fr, err := p.Frame(t.Context(), index)
	require.NoError(t, err)
	return fr
}

// smallFrame renders a small frame; no two have equal pixels.
func smallFrame(t testing.TB, index int) *simulate.Frame {
	t.Helper()
	return scene(t, simulate.Particles{Width: side, Height: side, Seed: 5}, index)
}

// smallTIFF is its file.
func smallTIFF(t testing.TB, index int) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, smallFrame(t, index).WriteTIFF(&b))
	return b.Bytes()
}

// smallTIFFs are n of them; rendered before they are written, they come as fast as the disk takes them.
func smallTIFFs(t testing.TB, n int) [][]byte {
	t.Helper()
	files := make([][]byte, n)
	for i := range files {
		files[i] = smallTIFF(t, i+1)
	}
	return files
}

// smallPNG is the same as PNG.
func smallPNG(t testing.TB, index int) []byte {
	t.Helper()
	fr := scene(t, simulate.Particles{Width: side, Height: side, Seed: 6, NoPanel: true}, index)
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, &image.Gray{Pix: fr.Gray8, Stride: side, Rect: image.Rect(0, 0, side, side)}))
	return b.Bytes()
}

// constantTIFF is a frame of one grey.
func constantTIFF(t testing.TB, width, height int, grey uint8) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, tiff.EncodeGray8(&b, bytes.Repeat([]byte{grey}, width*height), width, height, tiff.GrayOptions{}))
	return b.Bytes()
}

func sha(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// put writes a file, making its folder.
func put(t testing.TB, path string, data []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, data, 0o644))
}

// writeRenamed writes a hidden file beside path and renames it, as careful programs do.
func writeRenamed(path string, data []byte) error {
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	return cmp.Or(os.WriteFile(temp, data, 0o600), os.Rename(temp, path))
}

// tree is the content of a folder: relative path -> SHA-256; folders are left out.
func tree(t testing.TB, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(root, path)
		files[rel] = sha(data)
		return err
	}))
	return files
}

// readResult reads result.json of an input's folder, and checks that the folder is whole.
func readResult(t testing.TB, folder string) reporting.Result {
	t.Helper()
	for _, name := range []string{reporting.LabelsFile, reporting.ParticlesFile, reporting.OverlayFile} {
		require.FileExists(t, filepath.Join(folder, name))
	}
	data, err := os.ReadFile(filepath.Join(folder, reporting.ResultFile))
	require.NoError(t, err)
	var r reporting.Result
	require.NoError(t, json.Unmarshal(data, &r), folder)
	return r
}

// readSummary reads summary.csv: a map of columns for each row.
func readSummary(t testing.TB, dir string) []map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, reporting.SummaryCSVFile))
	require.NoError(t, err)
	records, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	require.NoError(t, err)
	require.NotEmpty(t, records)
	rows := []map[string]string{}
	for _, record := range records[1:] {
		row := map[string]string{}
		for i, name := range records[0] {
			row[name] = record[i]
		}
		rows = append(rows, row)
	}
	return rows
}
