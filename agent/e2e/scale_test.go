//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream/decode"
	"github.com/uni-aims/aimsd/stream/simulate"
)

// scaleLine is a line of `aimsd scale`.
type scaleLine struct {
	Path    string            `json:"path"`
	NmPerPx *float64          `json:"nm_per_px"`
	Source  string            `json:"source"`
	Bar     *reporting.Bar    `json:"bar"`
	Checks  []reporting.Check `json:"checks"`
}

func encodePNG(t *testing.T, fr *simulate.Frame) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, &image.Gray{Pix: fr.Gray8, Stride: fr.Width, Rect: image.Rect(0, 0, fr.Width, fr.Height)}))
	return b.Bytes()
}

func TestScaleComesFromTagsOrFromThePixelsAlone(t *testing.T) {
	t.Parallel()
	needLibrary(t)
	dir := t.TempDir()
	fr := scene(t, simulate.Particles{Width: 768, Height: 640, Seed: 11}, 1)
	var tagged bytes.Buffer
	require.NoError(t, fr.WriteTIFF(&tagged))
	put(t, filepath.Join(dir, "tagged.tif"), tagged.Bytes())
	put(t, filepath.Join(dir, "untagged.png"), encodePNG(t, fr))
	put(t, filepath.Join(dir, "without.tif"), constantTIFF(t, 128, 128, 90))
	put(t, filepath.Join(dir, "broken.tif"), []byte("II*"))

	read := func(args ...string) map[string]scaleLine {
		r := aimsd(t, append([]string{"scale"}, args...)...)
		require.Equal(t, 1, r.status, "one file is broken")
		require.Contains(t, r.stderr, "broken.tif")
		lines := map[string]scaleLine{}
		for _, text := range strings.Split(strings.TrimSpace(r.stdout), "\n") {
			var l scaleLine
			d := json.NewDecoder(strings.NewReader(text))
			d.DisallowUnknownFields()
			require.NoError(t, d.Decode(&l), text)
			lines[filepath.Base(l.Path)] = l
		}
		require.Len(t, lines, 3)
		return lines
	}
	lines := read(dir)
	require.Equal(t, "metadata", lines["tagged.tif"].Source)
	require.InEpsilon(t, fr.Truth.NmPerPx, *lines["tagged.tif"].NmPerPx, 1e-3)
	for _, l := range []scaleLine{lines["untagged.png"], read("--ignore-metadata", dir)["tagged.tif"]} {
		require.Equal(t, "scale_bar", l.Source, "%v", l.Checks)
		require.InEpsilon(t, fr.Truth.NmPerPx, *l.NmPerPx, 0.01)
		require.InEpsilon(t, fr.Truth.NmPerPx, *l.Bar.Value*map[string]float64{"nm": 1, "um": 1e3}[l.Bar.Unit]/l.Bar.LengthPx, 0.01)
		require.Greater(t, l.Bar.Confidence, 0.5)
	}
	none := lines["without.tif"]
	require.Equal(t, "none", none.Source)
	require.Nil(t, none.NmPerPx)
	require.Nil(t, none.Bar)
	require.NotEmpty(t, none.Checks)

	r := aimsd(t, "scale", filepath.Join(dir, "without.tif"))
	require.Zero(t, r.status, "no scale is no failure")
	require.Equal(t, 2, aimsd(t, "scale").status)
}

// Whatever the panel says, and even if it says nothing, the picture above it is analysed alike.
func TestThePanelsContentChangesNoLabel(t *testing.T) {
	t.Parallel()
	needLibrary(t)
	dir, out := t.TempDir(), t.TempDir()
	fr := scene(t, simulate.Particles{Width: 512, Height: 448, Seed: 12}, 1)
	put(t, filepath.Join(dir, "as_is.png"), encodePNG(t, fr))
	panel := fr.Gray8[fr.ImageRows*fr.Width:]
	for k, v := range panel {
		panel[k] = 255 - v
	}
	put(t, filepath.Join(dir, "inverted.png"), encodePNG(t, fr))
	clear(panel)
	put(t, filepath.Join(dir, "blank.png"), encodePNG(t, fr))
	r := rand.New(rand.NewPCG(1, 2))
	for y := 8; y < 36; y += 12 { // other words
		for x := 8; x < 460; x += 4 + r.IntN(6) {
			for k := range 8 * (1 + r.IntN(2)) {
				panel[(y+k%8)*fr.Width+x+k/8] = 255
			}
		}
	}
	put(t, filepath.Join(dir, "other_words.png"), encodePNG(t, fr))

	require.Zero(t, aimsd(t, "analyze", "-o", out, dir).status)
	want, err := os.ReadFile(filepath.Join(out, "as_is.png", reporting.LabelsFile))
	require.NoError(t, err)
	res := readResult(t, filepath.Join(out, "as_is.png"))
	require.Positive(t, res.Objects)
	require.InDelta(t, fr.ImageRows, res.Image.Analysed.Y1, 1)
	require.Equal(t, fr.Width*res.Image.Analysed.Y1, res.Image.Analysed.AreaPx)
	for _, name := range []string{"inverted.png", "blank.png", "other_words.png"} {
		require.Equal(t, res.Image.Analysed, readResult(t, filepath.Join(out, name)).Image.Analysed, name)
		got, err := os.ReadFile(filepath.Join(out, name, reporting.LabelsFile))
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "%s: other labels", name)
	}
}

// A bar drawn on the picture is left out alike, whether it is known before the segmentation or found beside it.
func TestABarOnThePictureIsLeftOut(t *testing.T) {
	t.Parallel()
	needLibrary(t)
	dir, out := t.TempDir(), t.TempDir()
	fr := scene(t, simulate.Particles{Width: 448, Height: 384, Seed: 13, NoPanel: true}, 1)
	const x0, y0, x1, y1 = 40, 340, 180, 350
	for y := y0 - 6; y < y1+6; y++ {
		for x := x0 - 6; x < x1+6; x++ {
			fr.Gray8[y*fr.Width+x] = 30 // so that the bar is seen whatever lies there
			if y >= y0 && y < y1 && x >= x0 && x < x1 {
				fr.Gray8[y*fr.Width+x] = 255
			}
		}
	}
	var tagged bytes.Buffer
	require.NoError(t, fr.WriteTIFF(&tagged))
	put(t, filepath.Join(dir, "tagged.tif"), tagged.Bytes())
	put(t, filepath.Join(dir, "untagged.png"), encodePNG(t, fr))
	require.Zero(t, aimsd(t, "analyze", "-o", out, dir).status)
	res := readResult(t, filepath.Join(out, "tagged.tif"))
	require.Equal(t, "metadata", res.Scale.Source)
	require.InDelta(t, x1-x0, res.Scale.Bar.LengthPx, 0.2)
	require.Nil(t, res.Scale.Bar.Value)
	require.NotEmpty(t, res.Image.Analysed.Excluded)
	box := res.Image.Analysed.Excluded[0]
	require.True(t, box.X0 <= x0 && box.Y0 <= y0 && box.X1 >= x1 && box.Y1 >= y1, "%v", box)
	require.Equal(t, fr.Width*fr.Height-(box.X1-box.X0)*(box.Y1-box.Y0), res.Image.Analysed.AreaPx)
	require.Equal(t, res.Image.Analysed, readResult(t, filepath.Join(out, "untagged.png")).Image.Analysed)
	tif, err := os.ReadFile(filepath.Join(out, "tagged.tif", reporting.LabelsFile))
	require.NoError(t, err)
	png, err := os.ReadFile(filepath.Join(out, "untagged.png", reporting.LabelsFile))
	require.NoError(t, err)
	require.True(t, bytes.Equal(tif, png))
	labels, w, _, err := decode.Labels(filepath.Join(out, "tagged.tif", reporting.LabelsFile))
	require.NoError(t, err)
	for y := box.Y0; y < box.Y1; y++ {
		for x := box.X0; x < box.X1; x++ {
			require.Zero(t, labels[y*w+x])
		}
	}
}
