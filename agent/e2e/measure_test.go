//go:build linux

package e2e

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream/tiff"
)

func TestLabelsMadeElsewhereAreMeasuredUnderTheirOwnIds(t *testing.T) {
	t.Parallel()
	const width, height = 120, 80
	labels := make([]int32, width*height)
	square := func(id int32, x0, y0, side int) {
		for y := y0; y < y0+side; y++ {
			for x := x0; x < x0+side; x++ {
				labels[y*width+x] = id
			}
		}
	}
	square(9, 100, 0, 12)
	square(5, 20, 20, 10)
	square(70000, 60, 30, 20)
	var b bytes.Buffer
	require.NoError(t, tiff.EncodeLabels(&b, labels, width, height))
	dir := t.TempDir()
	path, image, out := filepath.Join(dir, "grains.tif"), filepath.Join(dir, "frame.tif"), filepath.Join(dir, "out")
	put(t, path, b.Bytes())
	put(t, image, constantTIFF(t, width, height, 90))

	r := aimsd(t, "measure", "-o", out, "--labels", path, "--image", image, "--scale", "2nm", "--mode", "grains")
	require.Zero(t, r.status, r.stderr)
	res := readResult(t, filepath.Join(out, "grains.tif"))
	require.Equal(t, 3, res.Objects)
	require.Equal(t, "grains", res.Mode)
	require.Nil(t, res.Model, "no network made them")
	require.Equal(t, "fixed", res.Scale.Source)
	data, err := os.ReadFile(image)
	require.NoError(t, err)
	require.Equal(t, image, res.Image.Path)
	require.Equal(t, sha(data), res.Image.SHA256, "of the file that path names")
	require.Equal(t, path, res.Input)

	table, err := os.ReadFile(filepath.Join(out, "grains.tif", reporting.ParticlesFile))
	require.NoError(t, err)
	rows, err := csv.NewReader(bytes.NewReader(table)).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"label", "x_px", "y_px", "area_px"}, rows[0][:4])
	require.Len(t, rows, 4)
	require.Equal(t, []string{"5", "25", "25", "100"}, rows[1][:4])
	require.Equal(t, []string{"9", "106", "6", "144"}, rows[2][:4])
	require.Equal(t, []string{"70000", "70", "40", "400"}, rows[3][:4])
	written, err := os.ReadFile(filepath.Join(out, "grains.tif", reporting.LabelsFile))
	require.NoError(t, err)
	require.Equal(t, b.Bytes(), written)
	require.Equal(t, path, readSummary(t, out)[0]["path"])
	require.Equal(t, sha(b.Bytes()), readSummary(t, out)[0]["sha256"], "of the file that path names")

	require.Zero(t, aimsd(t, "measure", "-o", out, "--labels", path).status)
	res = readResult(t, filepath.Join(out, "grains.tif"))
	require.Equal(t, path, res.Image.Path)
	require.Equal(t, sha(b.Bytes()), res.Image.SHA256)
	require.Nil(t, res.Scale.NmPerPx)
	entries, err := os.ReadDir(out)
	require.NoError(t, err)
	require.Len(t, entries, 1+3+1, "a rerun replaces its folder")

	r = aimsd(t, "measure", "-o", out, "--labels", path, "--image", filepath.Join(dir, "gone.tif"))
	require.Equal(t, 1, r.status)
	require.Len(t, r.lines(), 2)
	require.Contains(t, r.lines()[0], "gone.tif")
}
