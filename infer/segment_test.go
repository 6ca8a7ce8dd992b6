package infer

import (
	"encoding/csv"
	"image"
	_ "image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/infer/models"
)

// openSegmenter returns a segmenter on the shipped network, or skips where the library is missing.
func openSegmenter(t testing.TB) *Segmenter {
	t.Helper()
	path, err := FindLibrary()
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("SKIPPED: ", err)
	}
	model, err := models.Load(models.DefaultName)
	require.NoError(t, err)
	s, err := OpenSession(SessionOptions{Library: path, Provider: "cpu", Model: model})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	scorer, err := ReadScorer(model.Scorer)
	require.NoError(t, err)
	return NewSegmenter(s, scorer)
}

// sharedData returns the folder of real images that lies beside a developer's checkout.
func sharedData(t testing.TB) string {
	t.Helper()
	dir := filepath.Join("..", "..", "shared", "data", "segmentation")
	if _, err := os.Stat(filepath.Join(dir, "split.csv")); err != nil {
		t.Skip("SKIPPED: the real images are not beside this checkout: ", err)
	}
	return dir
}

func readGray(t testing.TB, path string) Image {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	m, _, err := image.Decode(f)
	require.NoError(t, err)
	g, ok := m.(*image.Gray)
	require.True(t, ok, "%s is %T", path, m)
	return Image{Width: g.Rect.Dx(), Height: g.Rect.Dy(), Stride: g.Stride, Gray8: g.Pix}
}

func readLabels(t testing.TB, path string) []int32 {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	m, _, err := image.Decode(f)
	require.NoError(t, err)
	out := make([]int32, 0, m.Bounds().Dx()*m.Bounds().Dy())
	switch m := m.(type) {
	case *image.Gray16:
		for i := 0; i < len(m.Pix); i += 2 {
			out = append(out, int32(m.Pix[i])<<8|int32(m.Pix[i+1]))
		}
	case *image.Gray:
		for _, v := range m.Pix {
			out = append(out, int32(v))
		}
	default:
		t.Fatalf("%s is %T", path, m)
	}
	return out
}

// overlaps counts, for pairs of labels, the shared pixels, and each label's area.
func overlaps(a, b []int32) (pairs map[[2]int32]int, areaA, areaB map[int32]int) {
	pairs, areaA, areaB = map[[2]int32]int{}, map[int32]int{}, map[int32]int{}
	for i := range a {
		if a[i] != 0 {
			areaA[a[i]]++
		}
		if b[i] != 0 {
			areaB[b[i]]++
		}
		if a[i] != 0 && b[i] != 0 {
			pairs[[2]int32{a[i], b[i]}]++
		}
	}
	return pairs, areaA, areaB
}

// matches counts the pairs whose intersection over union exceeds the threshold.
func matches(a, b []int32, threshold float64) (tp, na, nb int) {
	pairs, areaA, areaB := overlaps(a, b)
	for p, n := range pairs {
		if float64(n) > threshold*float64(areaA[p[0]]+areaB[p[1]]-n) {
			tp++
		}
	}
	return tp, len(areaA), len(areaB)
}

// medianECD is the median equivalent circular diameter of a label image, px.
func medianECD(labels []int32) float64 {
	_, areas, _ := overlaps(labels, labels)
	d := make([]float64, 0, len(areas))
	for _, a := range areas {
		d = append(d, 2*math.Sqrt(float64(a)/math.Pi))
	}
	slices.Sort(d)
	if len(d) == 0 {
		return math.NaN()
	}
	return d[len(d)/2]
}

func TestUnseenParticleImagesScoreAsTheModelCardSays(t *testing.T) {
	dir := sharedData(t)
	seg := openSegmenter(t)
	f, err := os.Open(filepath.Join(dir, "split.csv"))
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	var aps, d50s []float64
	for _, row := range rows {
		if row[2] != "val" {
			continue
		}
		m := readGray(t, filepath.Join(dir, row[0], "img", row[1]+".png"))
		truth := readLabels(t, filepath.Join(dir, row[0], "lab", row[1]+".png"))
		got, err := seg.Segment(t.Context(), m)
		require.NoError(t, err)
		tp, na, nb := matches(truth, got.Labels, 0.5)
		aps = append(aps, float64(tp)/float64(na+nb-tp))
		d50s = append(d50s, medianECD(got.Labels)/medianECD(truth)-1)
		t.Logf("%s AP@0.5 %.3f of %d, found %d", row[1], aps[len(aps)-1], na, nb)
	}
	mean := 0.0
	for _, v := range aps {
		mean += v / float64(len(aps))
	}
	t.Logf("mean AP@0.5 over %d images: %.4f (median %.3f)", len(aps), mean, slices.Sorted(slices.Values(aps))[len(aps)/2])
	slices.Sort(d50s)
	t.Logf("D50 against the hand outlines: median %+.3f, quartiles %+.3f %+.3f", d50s[len(d50s)/2], d50s[len(d50s)/4], d50s[3*len(d50s)/4])
	require.GreaterOrEqual(t, mean, 0.84)
}
