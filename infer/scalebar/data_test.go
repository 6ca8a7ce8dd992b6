package scalebar

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"image"
	"image/color"
	_ "image/png"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/tiff"
)

// truthBar is one entry of the hand-checked bars.
type truthBar struct {
	ID          string   `json:"id"`
	HasBar      bool     `json:"has_bar"`
	X0          float64  `json:"x0"`
	Y0          float64  `json:"y0"`
	X1          float64  `json:"x1"`
	Length      float64  `json:"length_px"`
	LengthCC    *float64 `json:"length_cc_px"`
	AltX0       *float64 `json:"alt_x0"`
	AltX1       *float64 `json:"alt_x1"`
	Style       string   `json:"style"`
	Text        string   `json:"text"`
	TextBox     []int    `json:"text_box"`
	Value       *float64 `json:"value"`
	Unit        string   `json:"unit"`
	UncertainPx *float64 `json:"uncertain_px"`
	Clipped     bool     `json:"clipped"`
	Ambiguous   bool     `json:"ambiguous"`
}

// lengths are the accepted bar lengths, px.
func (b truthBar) lengths() []float64 {
	out := []float64{b.Length}
	if b.LengthCC != nil && *b.LengthCC > 0 {
		out = append(out, *b.LengthCC)
	}
	if b.AltX0 != nil && b.AltX1 != nil {
		out = append(out, *b.AltX1-*b.AltX0)
	}
	return out
}

// sharedData is the folder of real data beside the module; the test is skipped where there is none.
func sharedData(t testing.TB) string {
	dir, err := os.Getwd()
	require.NoError(t, err)
	for ; filepath.Dir(dir) != dir; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
	}
	data := filepath.Join(filepath.Dir(dir), "shared", "data")
	if _, err := os.Stat(filepath.Join(data, "scalebar", "emps_train.json")); err != nil {
		t.Skipf("SKIPPED: no real scale bars at %s", data)
	}
	return data
}

func truthBars(t testing.TB, data string) []truthBar {
	raw, err := os.ReadFile(filepath.Join(data, "scalebar", "emps_train.json"))
	require.NoError(t, err)
	var out []truthBar
	require.NoError(t, json.Unmarshal(raw, &out))
	return out
}

// development tells which half an image belongs to: the half looked at while this package was written.
func development(id string) bool { return sha256.Sum256([]byte(id))[0]%2 == 0 }

func readPNG(t testing.TB, path string) Image {
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	m, _, err := image.Decode(f)
	require.NoError(t, err)
	return fromGo(m)
}

func fromGo(m image.Image) Image {
	b := m.Bounds()
	out := Image{Width: b.Dx(), Height: b.Dy(), Gray8: make([]uint8, b.Dx()*b.Dy())}
	for y := range out.Height {
		for x := range out.Width {
			out.Gray8[y*out.Width+x] = color.GrayModel.Convert(m.At(b.Min.X+x, b.Min.Y+y)).(color.Gray).Y
		}
	}
	return out
}

// frame is one line of the vendor files' truth.
type frame struct {
	file    string
	nmPerPx float64
	barPx   float64
	top     int // first row of the panel
}

// vendorFrames are the vendor files whose pixel size is known.
func vendorFrames(t testing.TB, data string) []frame {
	f, err := os.Open(filepath.Join(data, "vendor", "truth.csv"))
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	col := func(name string) int { return slices.Index(rows[0], name) }
	var out []frame
	for _, r := range rows[1:] {
		nm, err := strconv.ParseFloat(r[col("nm_per_px")], 64)
		require.NoError(t, err)
		px, err := strconv.ParseFloat(r[col("bar_px")], 64)
		require.NoError(t, err)
		top, err := strconv.Atoi(r[col("panel_top_row")])
		require.NoError(t, err)
		out = append(out, frame{filepath.Join(data, "vendor", r[col("file")]), nm, px, top})
	}
	return out
}

func readTIFF(t testing.TB, path string) Image {
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	m, err := tiff.Decode(f)
	require.NoError(t, err, path)
	if g, ok := m.(*image.Gray16); ok {
		b := m.Bounds()
		out := Image{Width: b.Dx(), Height: b.Dy(), Gray16: make([]uint16, b.Dx()*b.Dy())}
		for y := range out.Height {
			for x := range out.Width {
				out.Gray16[y*out.Width+x] = g.Gray16At(x, y).Y
			}
		}
		return out
	}
	return fromGo(m)
}
