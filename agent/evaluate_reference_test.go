package agent

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics/score"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/decode"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// sharedData is the folder of real images beside the module, or the test is skipped.
func sharedData(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for ; ; dir = filepath.Dir(dir) {
		if fileExists(filepath.Join(dir, "go.mod")) {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
	}
	shared := filepath.Join(filepath.Dir(dir), "shared")
	if !fileExists(filepath.Join(shared, "tools", "score_seg.py")) {
		t.Skip("the reference scorers are not beside the module in ../shared/tools")
	}
	return shared
}

// python runs a reference scorer and reads the JSON line it prints.
func python(t *testing.T, into any, args ...string) {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(t.Context(), name, "-c", "import numpy, cv2").Run() != nil {
			continue
		}
		out, err := exec.CommandContext(t.Context(), name, args...).Output()
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(out, into), string(out))
		return
	}
	t.Skip("no Python with numpy and cv2 for the reference scorers")
}

// disturbed shifts labels, drops some objects and joins others.
func disturbed(labels []int32, w, h, by int) []int32 {
	out := make([]int32, len(labels))
	for y := by; y < h; y++ {
		for x := by; x < w; x++ {
			switch l := labels[(y-by)*w+x-by]; {
			case l%7 == 3:
			case l%5 == 2:
				out[y*w+x] = l - 1
			default:
				out[y*w+x] = l
			}
		}
	}
	return out
}

func TestFiguresEqualTheReferenceScorer(t *testing.T) {
	shared := sharedData(t)
	dir := t.TempDir()
	var args, names []string
	truth := filepath.Join(dir, "truth")
	require.NoError(t, os.MkdirAll(truth, 0o755))
	f, err := os.Open(filepath.Join(shared, "data", "segmentation", "split.csv"))
	require.NoError(t, err)
	defer f.Close()
	split, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	for i, row := range split[1:] {
		if len(names) == 14 {
			break
		}
		set := filepath.Join(shared, "data", "segmentation", row[0])
		labels, w, h, err := decode.Labels(filepath.Join(set, "lab", row[1]+".png"))
		require.NoError(t, err)
		names, args = append(names, row[1]), append(args, filepath.Join(set, "img", row[1]+".png"))
		data, err := os.ReadFile(filepath.Join(set, "lab", row[1]+".png"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(truth, row[1]+".png"), data, 0o644))
		if i == 4 {
			continue // labels that are missing
		}
		folder := filepath.Join(dir, "found", row[1]+".png")
		require.NoError(t, os.MkdirAll(folder, 0o755))
		out, err := os.Create(filepath.Join(folder, reporting.LabelsFile))
		require.NoError(t, err)
		require.NoError(t, tiff.EncodeLabels(out, disturbed(labels, w, h, 1+i%4), w, h))
		require.NoError(t, out.Close())
	}
	var want struct {
		N          int      `json:"n"`
		AP50       float64  `json:"ap50"`
		PQ         float64  `json:"pq50"`
		Sparse     *float64 `json:"ap50_sparse"`
		Dense      *float64 `json:"ap50_dense"`
		DenseCount int      `json:"n_dense"`
		D50        float64  `json:"d50_err_median"`
	}
	python(t, &want, append([]string{filepath.Join(shared, "tools", "score_seg.py"), truth, filepath.Join(dir, "found")}, names...)...)
	status, _, stderr := evaluate(t, append([]string{"-o", dir + "/out", "--truth", truth, "--labels", dir + "/found"}, args...)...)
	require.Equal(t, exitFailed, status, stderr)
	s := readEvaluation(t, dir+"/out").Summary
	require.Equal(t, want.N, s.All.Images)
	require.Equal(t, want.DenseCount, s.Dense.Images)
	require.InDelta(t, want.AP50, *s.All.AP50(), 0.51e-4)
	require.InDelta(t, want.PQ, *s.All.PQ, 0.51e-4)
	require.InDelta(t, *want.Sparse, *s.Sparse.AP50(), 0.51e-4)
	if want.Dense != nil {
		require.InDelta(t, *want.Dense, *s.Dense.AP50(), 0.51e-4)
	}
	require.InDelta(t, want.D50, *s.All.D50.MedianPercent/100, 0.51e-4)
}

func TestScaleFiguresEqualTheReferenceScorer(t *testing.T) {
	shared := sharedData(t)
	truth := filepath.Join(shared, "data", "scalebar", "emps_train.json")
	bars, err := readBarTruth(truth)
	require.NoError(t, err)
	dir := t.TempDir()
	lines, err := os.Create(filepath.Join(dir, "read.jsonl"))
	require.NoError(t, err)
	defer lines.Close()
	enc := json.NewEncoder(lines)
	e := scaleEvaluation{Dir: dir, Stdout: io.Discard, Stderr: io.Discard, Now: time.Now}
	n := 0
	e.Read = func(f *stream.Frame) (reporting.Scale, error) {
		s := wrongReading(bars[stemOf(f.Path)], n)
		n++
		return s, enc.Encode(map[string]any{"path": f.Path, "nm_per_px": s.NmPerPx, "bar": s.Bar})
	}
	images := []string{filepath.Join(shared, "data", "segmentation", "emps", "img")}
	require.NoError(t, e.Run(t.Context(), truth, listInputs(images, dir), images))
	var want struct {
		N        int     `json:"n"`
		Right    float64 `json:"right"`
		Wrong    float64 `json:"wrong"`
		None     int     `json:"none"`
		MAE      float64 `json:"len_mae_px"`
		P95      float64 `json:"len_p95_px"`
		Invented int     `json:"invented"`
		Of       int     `json:"of"`
	}
	python(t, &want, filepath.Join(shared, "tools", "score_scale.py"), truth, lines.Name())
	s := e.out.Summary
	require.Equal(t, []int{want.N, want.None, want.Invented, want.Of}, []int{s.Readable, s.Missing, s.Invented, s.Unscaled})
	require.InDelta(t, want.Right, float64(s.Right)/float64(s.Readable), 0.51e-4)
	require.InDelta(t, want.Wrong, float64(s.Wrong)/float64(s.Readable), 0.51e-4)
	require.InDelta(t, want.MAE, *s.Lengths.MAEPx, 0.51e-3)
	require.InDelta(t, want.P95, *s.Lengths.P95Px, 0.51e-2)
}

// wrongReading is the truth with a mistake of every kind in turn.
func wrongReading(t *score.BarTruth, n int) reporting.Scale {
	s := reporting.Scale{Source: ScaleNone}
	value, unit, length, nm := 20.0, "nm", 40.0, 0.5
	if t.LengthPx != nil {
		length = *t.LengthPx + 0.3*math.Sin(float64(n))
	}
	if t.Value != nil && n%9 != 1 {
		value, unit = *t.Value, t.Unit
	}
	if n%8 == 2 {
		return s
	}
	s.Bar = &reporting.Bar{LengthPx: length, Value: &value, Unit: unit}
	if n%7 != 3 {
		s.NmPerPx = &nm
	}
	if n%11 == 4 {
		s.Bar.Value = nil
	}
	return s
}
