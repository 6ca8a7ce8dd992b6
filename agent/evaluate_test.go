package agent

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/reporting"
)

// square fills a square of side px whose top left corner is at x, y.
type square struct {
	label      uint16
	x, y, side int
}

func writeLabels(t *testing.T, path string, width, height int, squares ...square) {
	t.Helper()
	img := image.NewGray16(image.Rect(0, 0, width, height))
	for _, s := range squares {
		for y := s.y; y < s.y+s.side; y++ {
			for x := s.x; x < s.x+s.side; x++ {
				img.SetGray16(x, y, color.Gray16{Y: s.label})
			}
		}
	}
	writePNG(t, path, img)
}

func writePNG(t *testing.T, path string, img image.Image) {
	t.Helper()
	var buf bytes.Buffer
	require.NoError(t, png.Encode(&buf, img))
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, buf.Bytes(), 0o644))
}

func evaluate(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = Main(append([]string{"evaluate"}, args...), &out, &errs)
	return status, out.String(), errs.String()
}

func readEvaluation(t *testing.T, dir string) *reporting.Evaluation {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, reporting.EvaluationJSONFile))
	require.NoError(t, err)
	var e reporting.Evaluation
	require.NoError(t, json.Unmarshal(data, &e))
	return &e
}

// testSet has three images: a is found but for one of two objects, b wholly, c not at all.
func testSet(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		writePNG(t, filepath.Join(dir, "img", name+".png"), image.NewGray(image.Rect(0, 0, 80, 64)))
		writeLabels(t, filepath.Join(dir, "truth", name+".png"), 80, 64, square{7, 4, 4, 20}, square{9, 40, 10, 10})
	}
	writeLabels(t, filepath.Join(dir, "found", "a.png"), 80, 64, square{1, 4, 4, 20})
	writeLabels(t, filepath.Join(dir, "found", "b.png"), 80, 64, square{1, 4, 4, 20}, square{2, 40, 10, 10})
	writeLabels(t, filepath.Join(dir, "found", "c.png"), 80, 64, square{3, 60, 40, 8})
	return dir
}

func TestLabelsMadeElsewhereAreScored(t *testing.T) {
	dir := testSet(t)
	out := filepath.Join(dir, "out")
	status, stdout, stderr := evaluate(t, "-o", out, "--truth", dir+"/truth", "--labels", dir+"/found", dir+"/img")
	require.Equal(t, exitOK, status, stderr)
	require.Empty(t, stderr)
	require.Contains(t, stdout, "0.5000", "mean of 1/2, 1 and 0")
	require.Contains(t, stdout, filepath.Join(out, reporting.WorstFile))
	e := readEvaluation(t, out)
	require.InDelta(t, 0.5, *e.Summary.All.AP50(), 1e-12)
	require.InDelta(t, (2.0/3+1)/3, *e.Summary.All.PQ, 1e-12)
	require.Equal(t, []int{3, 0, 6, 4}, []int{e.Inputs, e.Failed, e.Summary.All.Truth, e.Summary.All.Found})
	require.Nil(t, e.Reliability, "labels made elsewhere have no confidence")
	page, err := os.ReadFile(filepath.Join(out, reporting.WorstFile))
	require.NoError(t, err)
	require.Less(t, bytes.Index(page, []byte("1. c.png")), bytes.Index(page, []byte("2. a.png")))
	require.NotContains(t, string(page), "3. b.png", "an image without an error is no case")
}

func TestTheWorstImagesAreKept(t *testing.T) {
	dir := testSet(t)
	out := filepath.Join(dir, "out")
	status, _, stderr := evaluate(t, "-o", out, "--worst", "1", "--truth", dir+"/truth", "--labels", dir+"/found", dir+"/img")
	require.Equal(t, exitOK, status, stderr)
	page, err := os.ReadFile(filepath.Join(out, reporting.WorstFile))
	require.NoError(t, err)
	require.Contains(t, string(page), "1. c.png")
	require.NotContains(t, string(page), "a.png</div>")
}

func TestInputsThatCannotBeScoredAreNamedAndTheOthersAreDone(t *testing.T) {
	dir := testSet(t)
	img := filepath.Join(dir, "img")
	writePNG(t, img+"/untrue.png", image.NewGray(image.Rect(0, 0, 80, 64)))
	writePNG(t, img+"/small.png", image.NewGray(image.Rect(0, 0, 70, 64)))
	writeLabels(t, dir+"/truth/small.png", 80, 64, square{1, 1, 1, 9})
	require.NoError(t, os.WriteFile(img+"/torn.png", []byte("\x89PNG\r\n\x1a\n"), 0o644))
	writeLabels(t, dir+"/truth/torn.png", 80, 64, square{1, 1, 1, 9})
	writePNG(t, img+"/nolabels.png", image.NewGray(image.Rect(0, 0, 80, 64)))
	writeLabels(t, dir+"/truth/nolabels.png", 80, 64, square{1, 1, 1, 9})
	missing := filepath.Join(dir, "gone.png")
	out := filepath.Join(dir, "out")
	status, _, stderr := evaluate(t, "-o", out, "--truth", dir+"/truth", "--labels", dir+"/found", img, missing)
	require.Equal(t, exitFailed, status)
	require.Contains(t, stderr, "aimsd: "+img+"/untrue.png: no label image in "+dir+"/truth; put untrue.png or .tif there\n")
	require.Contains(t, stderr, "aimsd: "+img+"/small.png is 70x64 px but its truth "+dir+"/truth/small.png is 80x64: give the labels of this image\n")
	require.Contains(t, stderr, "aimsd: "+img+"/nolabels.png: no label image in "+dir+"/found; put nolabels.png or .tif there\n")
	require.Contains(t, stderr, "aimsd: "+missing+": no such file or folder; check the path\n")
	require.Contains(t, stderr, "aimsd: 5 of 8 inputs failed; see "+out+"/evaluation.csv\n")
	require.Equal(t, 6, bytes.Count([]byte(stderr), []byte("\n")), "one line each:\n%s", stderr)
	e := readEvaluation(t, out)
	require.Equal(t, 6, e.Summary.All.Images, "three count as nothing found, two have no truth")
	require.InDelta(t, 0.25, *e.Summary.All.AP50(), 1e-12)
	f, err := os.Open(filepath.Join(out, reporting.EvaluationCSVFile))
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 9)
}

func TestTruthIsFoundByName(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.png", "a.tif", "a.labels.tif", "b.pgm", "b.TIF", "c.tiff", "notes.txt", ".d.png", "e.png"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "f.tif"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "f.tif", "labels.tif"), nil, 0o644))
	l, err := openLabelFolder("--truth", dir)
	require.NoError(t, err)
	for image, want := range map[string]string{
		"/x/a.jpg": "a.labels.tif", "/x/b.png": "b.TIF", "c.bmp": "c.tiff", "d.png": "", "notes.png": "", "none.png": "",
		"/x/f.tif": "f.tif/labels.tif", "/x/f.png": "", filepath.Join(dir, "e.png"): "",
	} {
		if want != "" {
			want = filepath.Join(dir, filepath.FromSlash(want))
		}
		require.Equal(t, want, l.find(image), image)
	}
}

func TestLabelsBesideTheirImagesAreNoImages(t *testing.T) {
	dir := testSet(t)
	mixed := filepath.Join(dir, "mixed")
	writePNG(t, mixed+"/a.png", image.NewGray(image.Rect(0, 0, 80, 64)))
	writeLabels(t, mixed+"/a.labels.png", 80, 64, square{7, 4, 4, 20})
	status, _, stderr := evaluate(t, "-o", dir+"/out", "--truth", mixed, "--labels", dir+"/found", mixed)
	require.Equal(t, exitOK, status, stderr)
	require.Equal(t, 1, readEvaluation(t, dir+"/out").Inputs)
	status, _, stderr = evaluate(t, "-o", dir+"/out", "--truth", dir+"/truth", "--labels", dir+"/found", dir+"/img", dir+"/truth", dir+"/found")
	require.Equal(t, exitOK, status, stderr)
	require.Equal(t, 3, readEvaluation(t, dir+"/out").Inputs)
}

func TestMistakesInEvaluateAreUsageErrors(t *testing.T) {
	dir := testSet(t)
	bars := filepath.Join(dir, "bars.json")
	require.NoError(t, os.WriteFile(bars, []byte(`{"id": 1}`), 0o644))
	for _, args := range [][]string{
		{dir + "/img"},
		{"--truth", dir + "/truth", "--scale", bars, dir + "/img"},
		{"--scale", bars, "--labels", dir + "/found", dir + "/img"},
		{"--scale", bars, dir + "/img"},
		{"--scale", dir + "/gone.json", dir + "/img"},
		{"--truth", dir + "/gone", dir + "/img"},
		{"--truth", dir + "/truth", "--labels", dir + "/gone", dir + "/img"},
		{"--truth", dir + "/truth"},
		{"--truth", dir + "/truth", "--worst", "-1", dir + "/img"},
		{"--truth", dir + "/truth", "--mode", "cheese", dir + "/img"},
	} {
		status, stdout, stderr := evaluate(t, append([]string{"-o", dir + "/out"}, args...)...)
		require.Equal(t, exitUsage, status, args)
		require.Empty(t, stdout)
		require.Equal(t, 1, bytes.Count([]byte(stderr), []byte("\n")), stderr)
	}
	require.NoDirExists(t, dir+"/out")
}
