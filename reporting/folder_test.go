package reporting

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"image/png"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics"
)

// rawLabels stands in for the TIFF encoder: the labels as little-endian int32.
func rawLabels(w io.Writer, labels []int32, _, _ int) error {
	return binary.Write(w, binary.LittleEndian, labels)
}

// blobs draws n discs that do not touch each other (some cut by the border) on noise.
func blobs(width, height, n int, seed uint64) (labels []int32, gray []uint8) {
	rng := rand.New(rand.NewPCG(seed, 1))
	labels, gray = make([]int32, width*height), make([]uint8, width*height)
	for i := range gray {
		gray[i] = uint8(70 + rng.IntN(40))
	}
	typical := math.Sqrt(float64(width*height)/float64(n)) / 4
	id := int32(0)
	for try := 0; try < 40*n && int(id) < n; try++ {
		cx, cy := rng.Float64()*float64(width), rng.Float64()*float64(height)
		r := typical * math.Exp(rng.NormFloat64()*0.3)
		x0, x1 := max(0, int(cx-r-2)), min(width-1, int(cx+r+2))
		y0, y1 := max(0, int(cy-r-2)), min(height-1, int(cy+r+2))
		free := true
		for y := y0; y <= y1 && free; y++ {
			for x := x0; x <= x1 && free; x++ {
				free = labels[y*width+x] == 0
			}
		}
		if !free {
			continue
		}
		id++
		for y := y0; y <= y1; y++ {
			for x := x0; x <= x1; x++ {
				if dx, dy := float64(x)+0.5-cx, float64(y)+0.5-cy; dx*dx+dy*dy <= r*r {
					labels[y*width+x] = id
					gray[y*width+x] = uint8(150 + rng.IntN(60))
				}
			}
		}
	}
	return compact(labels), gray
}

// compact renumbers labels 1..N in the order of their first pixel.
func compact(labels []int32) []int32 {
	ids := map[int32]int32{}
	for i, l := range labels {
		if l == 0 {
			continue
		}
		if _, ok := ids[l]; !ok {
			ids[l] = int32(len(ids) + 1)
		}
		labels[i] = ids[l]
	}
	return labels
}

// measured makes an input out of labels as the agent does. nmPerPx 0: no scale.
func measured(t testing.TB, path string, labels []int32, gray []uint8, width, height int, nmPerPx float64) Input {
	t.Helper()
	opt := metrics.Options{Analysed: metrics.Rect{X1: width, Y1: height}, NmPerPx: nmPerPx}
	objects, err := metrics.Measure(labels, width, height, opt)
	require.NoError(t, err)
	s := metrics.Summarise(objects, opt, width, height)
	r := &Result{
		Schema: ResultSchema, Mode: "particles",
		Image: Image{
			Path: path, Width: width, Height: height, SHA256: strings.Repeat("ab", 32),
			Analysed: Analysed{X1: width, Y1: height, AreaPx: width * height},
		},
		Scale:   Scale{Source: "none", Checks: []Check{}},
		Objects: s.Objects, Statistics: s.Statistics, EdgePolicy: s.EdgePolicy, DensityPerUm2: s.DensityPerUm2,
		AreaFraction: &s.AreaFraction, Confidence: s.Confidence, ImageQuality: []string{},
		TimingsMs: Timings{Total: 123.4}, Version: "0.1.0",
	}
	if nmPerPx > 0 {
		r.Scale = Scale{NmPerPx: &nmPerPx, Source: "metadata", Checks: []Check{}}
	}
	return Input{Path: path, Result: r, Labels: labels, Width: width, Height: height, Objects: objects, Gray8: gray}
}

func blobInput(t testing.TB, path string, n int, nmPerPx float64) Input {
	labels, gray := blobs(256, 192, n, uint64(n))
	return measured(t, path, labels, gray, 256, 192, nmPerPx)
}

func openFolder(t testing.TB, dir string) *OutputFolder {
	t.Helper()
	o := &OutputFolder{Dir: dir, EncodeLabels: rawLabels}
	require.NoError(t, o.Open())
	t.Cleanup(func() { require.NoError(t, o.Close()) })
	return o
}

func readResult(t *testing.T, folder string) Result {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, ResultFile))
	require.NoError(t, err)
	var r Result
	require.NoError(t, json.Unmarshal(text, &r))
	return r
}

// entries lists a folder without the marker.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range list {
		if e.Name() != MarkerFile {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestEveryResultMatchesItsSchema(t *testing.T) {
	dir := t.TempDir()
	o := openFolder(t, dir)
	blank := measured(t, "/data/blank.tif", make([]int32, 64*64), make([]uint8, 64*64), 64, 64, 0)
	blank.Result.ImageQuality = []string{"blank"}
	streamed := blobInput(t, "grpc/1", 20, 0.5)
	streamed.Result.Image.Path = ""
	streamed.Result.Model = &Model{Name: "m", Version: "1", SHA256: strings.Repeat("0c", 32), Precision: "fp32", Provider: "cpu"}
	streamed.Result.Acquisition = map[string]any{"vendor": "FEI"}
	streamed.Result.FrameID, streamed.Result.RunID, streamed.Result.Seq = "01M82J5Z2AW66QNPVADRGMDSPZ", "r", 3
	streamed.Result.Source, streamed.Result.Time = "grpc", time.Unix(1_800_000_000, 0).UTC()
	for _, in := range []Input{blobInput(t, "/data/a.tif", 20, 0), blank, streamed} {
		folder, err := o.Write(t.Context(), in)
		require.NoError(t, err)
		text, err := os.ReadFile(filepath.Join(dir, folder, ResultFile))
		require.NoError(t, err)
		requireValid(t, "result", text)
	}
}

func TestAllFilesOfAnInputAgree(t *testing.T) {
	dir := t.TempDir()
	o := openFolder(t, dir)
	in := blobInput(t, "/data/a.tif", 20, 0.5)
	in.Finish = func(r *Result, took time.Duration) {
		require.Positive(t, took)
		r.TimingsMs.Write = took.Seconds() * 1000
	}
	folder, err := o.Write(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, "a.tif", folder)
	require.Equal(t, []string{"a.tif"}, entries(t, dir))
	require.ElementsMatch(t, []string{LabelsFile, ParticlesFile, ResultFile, OverlayFile}, entries(t, filepath.Join(dir, folder)))

	r := readResult(t, filepath.Join(dir, folder))
	require.Positive(t, r.Objects)
	require.Positive(t, r.TimingsMs.Write)
	raw, err := os.ReadFile(filepath.Join(dir, folder, LabelsFile))
	require.NoError(t, err)
	labels := make([]int32, len(raw)/4)
	require.NoError(t, binary.Read(bytes.NewReader(raw), binary.LittleEndian, labels))
	top := int32(0)
	for _, l := range labels {
		top = max(top, l)
	}
	require.EqualValues(t, r.Objects, top)
	table, err := os.ReadFile(filepath.Join(dir, folder, ParticlesFile))
	require.NoError(t, err)
	rows, err := csv.NewReader(bytes.NewReader(table)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, r.Objects+1)
	overlay, err := os.Open(filepath.Join(dir, folder, OverlayFile))
	require.NoError(t, err)
	defer overlay.Close()
	head, err := png.DecodeConfig(overlay)
	require.NoError(t, err)
	require.Equal(t, [2]int{256, 192}, [2]int{head.Width, head.Height})
}

func TestARerunReplacesTheFolder(t *testing.T) {
	dir := t.TempDir()
	o := openFolder(t, dir)
	for _, n := range []int{5, 20} {
		folder, err := o.Write(t.Context(), blobInput(t, "/data/a.tif", n, 0))
		require.NoError(t, err)
		require.Equal(t, "a.tif", folder)
	}
	require.NoError(t, o.Close())
	again := openFolder(t, dir)
	third := blobInput(t, "/data/a.tif", 9, 0)
	folder, err := again.Write(t.Context(), third)
	require.NoError(t, err)
	require.Equal(t, "a.tif", folder, "a new process knows whose folder it is")
	require.Equal(t, third.Result.Objects, readResult(t, filepath.Join(dir, folder)).Objects)
	other, err := again.Write(t.Context(), blobInput(t, "/elsewhere/a.tif", 9, 0))
	require.NoError(t, err)
	require.Equal(t, "a.tif~"+hash8("/elsewhere/a.tif"), other, "another input's result is not replaced")
	require.Equal(t, []string{"a.tif", other}, entries(t, dir))
}

func TestAStreamedFrameKeepsItsFolder(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // the second time after a crash, say
		o := openFolder(t, dir)
		in := blobInput(t, "grpc/uid-7", 5, 0)
		in.Name, in.Result.Image.Path = "cell.raw", ""
		folder, err := o.Write(t.Context(), in)
		require.NoError(t, err)
		require.Equal(t, "cell.raw", folder)
		require.NoError(t, o.Close())
	}
	require.Empty(t, readResult(t, filepath.Join(dir, "cell.raw")).Image.Path)
}

func TestAFailedReplacementLeavesTheOldResult(t *testing.T) {
	boom := errors.New("boom")
	for failing := 1; failing <= 2; failing++ {
		dir := t.TempDir()
		o := openFolder(t, dir)
		old := blobInput(t, "/data/a.tif", 5, 0)
		_, err := o.Write(t.Context(), old)
		require.NoError(t, err)
		calls := 0
		o.rename = func(from, to string) error {
			if calls++; calls == failing {
				return boom
			}
			return os.Rename(from, to)
		}
		tmp := filepath.Join(dir, tempPrefix+"x")
		require.NoError(t, os.Mkdir(tmp, 0o755))
		require.ErrorIs(t, o.replaceStepwise(tmp, filepath.Join(dir, "a.tif")), boom)
		require.Equal(t, old.Result.Objects, readResult(t, filepath.Join(dir, "a.tif")).Objects)
	}
}

func TestAFailedWriteLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	o := openFolder(t, dir)
	o.EncodeLabels = func(io.Writer, []int32, int, int) error { return errors.New("disk full") }
	_, err := o.Write(t.Context(), blobInput(t, "/data/a.tif", 5, 0))
	require.ErrorContains(t, err, "disk full")
	require.ErrorContains(t, err, dir)
	require.NotContains(t, err.Error(), "\n")
	require.Empty(t, entries(t, dir))

	o.EncodeLabels = rawLabels
	ctx, cancel := context.WithCancel(t.Context())
	in := blobInput(t, "/data/a.tif", 5, 0)
	in.Finish = func(*Result, time.Duration) { cancel() }
	_, err = o.Write(ctx, in)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, entries(t, dir))
}

func TestTheNextStartMendsWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	o := openFolder(t, dir)
	old := blobInput(t, "/data/a.tif", 5, 0)
	_, err := o.Write(t.Context(), old)
	require.NoError(t, err)
	_, err = o.Write(t.Context(), blobInput(t, "/data/b.tif", 5, 0))
	require.NoError(t, err)
	require.NoError(t, o.Close())
	// Moved aside, and the successor never came.
	carrier := filepath.Join(dir, oldPrefix+"1")
	require.NoError(t, os.Mkdir(carrier, 0o755))
	require.NoError(t, os.Rename(filepath.Join(dir, "a.tif"), filepath.Join(carrier, "a.tif")))
	// Moved aside, and the successor is in place.
	require.NoError(t, os.MkdirAll(filepath.Join(dir, oldPrefix+"2", "b.tif"), 0o755))
	// Begun only.
	require.NoError(t, os.MkdirAll(filepath.Join(dir, tempPrefix+"3"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, tempPrefix+"4"), []byte("half a report"), 0o644))

	openFolder(t, dir)
	require.Equal(t, []string{"a.tif", "b.tif"}, entries(t, dir))
	require.Equal(t, old.Result.Objects, readResult(t, filepath.Join(dir, "a.tif")).Objects)
}

func TestOneWriterAtATime(t *testing.T) {
	dir := t.TempDir()
	first := openFolder(t, dir)
	second := &OutputFolder{Dir: dir, EncodeLabels: rawLabels}
	require.ErrorIs(t, second.Open(), errFolderHeld)
	require.NoError(t, first.Close())
	require.NoError(t, second.Open())
	require.NoError(t, second.Close())
}

func TestForeignFilesInTheFolderAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "a.tif") // -o is the folder of the pictures
	require.NoError(t, os.WriteFile(source, []byte("picture"), 0o644))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "b.tif"), 0o755))
	o := openFolder(t, dir)
	for _, name := range []string{"a.tif", "b.tif"} {
		path := filepath.Join(dir, name)
		folder, err := o.Write(t.Context(), blobInput(t, path, 5, 0))
		require.NoError(t, err)
		require.Equal(t, name+"~"+hash8(path), folder)
	}
	text, err := os.ReadFile(source)
	require.NoError(t, err)
	require.Equal(t, "picture", string(text))
}

func TestAnInputThatDoesNotFitIsRefused(t *testing.T) {
	o := openFolder(t, t.TempDir())
	in := blobInput(t, "/data/a.tif", 5, 0)
	in.Labels = in.Labels[1:]
	_, err := o.Write(t.Context(), in)
	require.ErrorContains(t, err, "/data/a.tif")
	in = blobInput(t, "", 5, 0)
	_, err = o.Write(t.Context(), in)
	require.Error(t, err)
	in = blobInput(t, "/data/a.tif", 5, 0)
	in.Result.Image.Analysed = Analysed{X0: -1, Y0: 0, X1: 1000, Y1: 5}
	_, err = o.Write(t.Context(), in)
	require.ErrorContains(t, err, "analysed")
}

func TestTheMarkerIsThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "out")
	openFolder(t, dir)
	_, err := os.Stat(filepath.Join(dir, MarkerFile))
	require.NotErrorIs(t, err, fs.ErrNotExist)
}
