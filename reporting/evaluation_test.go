package reporting

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"flag"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/uni-aims/aimsd/metrics/score"
)

var update = flag.Bool("update", false, "write the golden files anew")

// block fills a rectangle of a label image 40 px wide.
func block(labels []int32, l int32, x0, y0, x1, y1 int) {
	for y := y0; y < y1; y++ {
		for x := x0; x < x1; x++ {
			labels[y*40+x] = l
		}
	}
}

// testCase has a matched object, a missed, a false, a split and two merged ones.
func testCase(t *testing.T) (truth, found []int32, m *score.Matching) {
	t.Helper()
	truth, found = make([]int32, 40*40), make([]int32, 40*40)
	block(truth, 1, 2, 2, 12, 12)
	block(found, 1, 3, 2, 12, 12)
	block(truth, 2, 16, 2, 26, 12) // missed
	block(found, 2, 28, 2, 38, 12) // false
	block(truth, 3, 2, 16, 22, 26) // split
	block(found, 3, 2, 16, 12, 26)
	block(found, 4, 12, 16, 22, 26)
	block(truth, 4, 2, 28, 12, 38) // merged
	block(truth, 5, 12, 28, 22, 38)
	block(found, 5, 2, 28, 22, 38)
	m, err := score.Match(truth, found)
	require.NoError(t, err)
	return truth, found, m
}

func testEvaluation(t *testing.T) *Evaluation {
	t.Helper()
	truth, found, m := testCase(t)
	picture, err := DrawEvaluation(EvaluationPictureOptions{
		Width: 40, Height: 40, Gray8: bytes.Repeat([]byte{10, 200}, 800), Truth: truth, Found: found, Matching: m,
	})
	require.NoError(t, err)
	bad := m.Score()
	same, err := score.Match(truth, truth)
	require.NoError(t, err)
	good := same.Score()
	nothing, err := score.Match(truth, make([]int32, len(truth)))
	require.NoError(t, err)
	lost := nothing.Score()
	empty, err := score.Match(make([]int32, 4), []int32{0, 1, 0, 2})
	require.NoError(t, err)
	none := empty.Score()
	var r score.Reliability
	r.AddMatching(m, []float64{0.95, 0.6, 0.55, 0.4, 0.3})
	r.AddMatching(same, []float64{0.99, 0.9, 0.9, 0.8, 0.97})
	confidence := 0.56
	return &Evaluation{
		Generated: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), Version: "1.2.3", Truth: "/set/lab", Mode: "particles",
		Model:       &Model{Name: "default", Version: "1", SHA256: "00ff", Precision: "fp32", Provider: "cpu"},
		Reliability: r.Curve(),
		Images: []EvaluatedImage{
			{Path: "/set/img/good.png", Truth: "/set/lab/good.png", Status: StatusOK, Width: 40, Height: 40, Score: &good, TotalMs: 12.34},
			{Path: "/set/img/<b>bad</b>.png", Truth: "/set/lab/bad.png", Status: StatusOK, Width: 40, Height: 40, Score: &bad, Confidence: &confidence, TotalMs: 56.7},
			{Path: "/set/img/torn.png", Truth: "/set/lab/torn.png", Status: StatusFailed, Error: "torn.png: cut off; copy it again", Width: 40, Height: 40, Score: &lost},
			{Path: "/set/img/other.png", Status: StatusFailed, Error: "other.png: no label image in /set/lab; put other.png or .tif there"},
			{Path: "/set/img/empty.png", Truth: "/set/lab/empty.png", Status: StatusOK, Width: 2, Height: 2, Score: &none},
		},
		Cases: []EvaluationCase{{Image: 1, Picture: picture}},
	}
}

// golden compares a file with the one in testdata, style and embedded pictures aside.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	got = regexp.MustCompile(`data:(image/[a-z]+);base64,([A-Za-z0-9+/=]|&#43;)+`).ReplaceAll(got, []byte("data:$1;base64,..."))
	got = regexp.MustCompile(`(?s)<style>.*</style>`).ReplaceAll(got, []byte("<style>...</style>"))
	path := filepath.Join("testdata", "evaluation", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "run go test -update if the change is meant")
}

func TestEvaluationFilesAreAsAgreed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "scores")
	require.NoError(t, WriteEvaluation(dir, testEvaluation(t)))
	for _, name := range []string{EvaluationCSVFile, EvaluationJSONFile, WorstFile} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		golden(t, name, data)
	}
	var table bytes.Buffer
	require.NoError(t, PrintEvaluation(&table, testEvaluationDone(t)))
	golden(t, "table.txt", table.Bytes())
}

func testEvaluationDone(t *testing.T) *Evaluation {
	e := testEvaluation(t)
	e.complete()
	return e
}

func TestEvaluationPageIsOneFileThatLoadsNothing(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, WriteEvaluation(dir, testEvaluation(t)))
	page, err := os.ReadFile(filepath.Join(dir, WorstFile))
	require.NoError(t, err)
	root, err := html.Parse(bytes.NewReader(page))
	require.NoError(t, err)
	found := elements(root)
	require.Empty(t, found["script"])
	require.Empty(t, found["link"])
	require.Empty(t, found["b"], "a file's name is text")
	require.Len(t, found["img"], 3)
	require.Len(t, found["svg"], 2)
	for _, unwanted := range []string{"ZgotmplZ", "http://", "https://", "NaN"} {
		require.False(t, bytes.Contains(page, []byte(unwanted)), unwanted)
	}
	text := textOf(root)
	for _, wanted := range []string{
		"1 missed", "1 false", "1 split", "merger of 2", "counts as nothing found", "1 input without usable truth is in no figure",
		"1 with an empty truth, in which 2 were found", "1 input failed though the truth is known",
	} {
		require.Contains(t, text, wanted)
	}
}

func TestEvaluationWithoutScoresIsWritten(t *testing.T) {
	dir := t.TempDir()
	e := &Evaluation{Labels: "elsewhere", Images: []EvaluatedImage{{Path: "x.png", Status: StatusFailed, Error: "x.png: gone"}}}
	require.NoError(t, WriteEvaluation(dir, e))
	rows := readCSV(t, filepath.Join(dir, EvaluationCSVFile))
	require.Len(t, rows, 2)
	require.Len(t, rows[1], len(rows[0]))
	var back map[string]any
	data, err := os.ReadFile(filepath.Join(dir, EvaluationJSONFile))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, EvaluationSchema, back["schema"])
	require.Nil(t, back["reliability"])
}

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	return rows
}

func TestOutlinesTellWhatBecameOfObjects(t *testing.T) {
	truth, found, m := testCase(t)
	p, err := DrawEvaluation(EvaluationPictureOptions{Width: 40, Height: 40, Truth: truth, Found: found, Matching: m})
	require.NoError(t, err)
	require.Equal(t, []int{160, 160}, []int{p.Width, p.Height}, "small images are enlarged fourfold")
	decode := func(data []byte) image.Image {
		img, err := png.Decode(bytes.NewReader(data))
		require.NoError(t, err)
		return img
	}
	at := func(img image.Image, x, y int) color.Color { return color.NRGBAModel.Convert(img.At(4*x, 4*y)) }
	palette := layerPalette()
	tl, fl := decode(p.Truth), decode(p.Found)
	require.Equal(t, palette[layerTruth], at(tl, 2, 2))
	require.Equal(t, palette[layerFound], at(fl, 3, 2))
	require.Equal(t, palette[layerMissed], at(tl, 16, 2))
	require.Equal(t, palette[layerFalse], at(fl, 28, 2))
	require.Equal(t, palette[layerSplit], at(tl, 2, 16))
	require.Equal(t, palette[layerSplit], at(fl, 12, 20), "where the pieces meet")
	require.Equal(t, palette[layerMerged], at(fl, 2, 28))
	require.Equal(t, palette[layerMerged], at(tl, 12, 33))
	require.Equal(t, palette[layerClear], at(tl, 7, 7), "inside a match")
	require.Equal(t, palette[layerClear], at(fl, 39, 39))

	_, err = DrawEvaluation(EvaluationPictureOptions{Width: 40, Height: 41, Truth: truth, Found: found, Matching: m})
	require.ErrorContains(t, err, "truth has 1600 px")
}

func TestLargeImagesAreReduced(t *testing.T) {
	w, h := layerSize(8192, 4096)
	require.Equal(t, []int{1280, 640}, []int{w, h})
	w, h = layerSize(700, 500)
	require.Equal(t, []int{700, 500}, []int{w, h}, "whole factors only, where it is enlarged")
	w, h = layerSize(20000, 1)
	require.Equal(t, []int{1280, 1}, []int{w, h})
}

func TestWorseImagesComeFirst(t *testing.T) {
	e := testEvaluation(t)
	score := func(i int) *score.Image { return e.Images[i].Score }
	require.Negative(t, Worse(score(1), score(0)))
	require.Negative(t, Worse(score(2), score(1)), "nothing found")
	require.Positive(t, Worse(score(0), score(4)), "objects in an empty image")
	require.Zero(t, Worse(score(0), score(0)))
}

func TestPathsAreShownBelowTheirFolder(t *testing.T) {
	folder, names := shortened([]string{"/a/b/x.png", "/a/c/y.png"})
	require.Equal(t, "/a", folder)
	require.Equal(t, []string{"b/x.png", "c/y.png"}, names)
	folder, names = shortened([]string{"x.png", "a/y.png"})
	require.Empty(t, folder)
	require.Equal(t, []string{"x.png", "a/y.png"}, names)
	_, names = shortened(nil)
	require.Empty(t, names)
}
