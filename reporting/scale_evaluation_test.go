package reporting

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/metrics/score"
)

func number64(v float64) *float64 { return &v }

func testScaleEvaluation(t *testing.T) *ScaleEvaluation {
	t.Helper()
	truth := func(value float64) *score.BarTruth {
		return &score.BarTruth{
			ID: "x", HasBar: true, X0: number64(10), X1: number64(60), Y0: number64(90), Y1: number64(90), LengthPx: number64(50),
			Value: &value, Unit: "nm", Text: "20 nm", UncertainPx: 0.4,
		}
	}
	read := func(value, length float64) *Scale {
		nm := value / length
		return &Scale{NmPerPx: &nm, Source: "scale_bar", Bar: &Bar{
			X0: 10, Y0: 88, X1: 10 + length, Y1: 92, LengthPx: length, Text: "20 nm", Value: &value, Unit: "nm", Confidence: 0.9,
		}}
	}
	e := &ScaleEvaluation{Generated: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC), Version: "1.2.3", Truth: "bars.json", Unused: 2, LeftOut: 1}
	for _, m := range []ScaledImage{
		{Path: "/set/right.png", Status: StatusOK, Truth: truth(20), Scale: read(20, 50.25), TotalMs: 20},
		{Path: "/set/off.png", Status: StatusOK, Truth: truth(20), Scale: read(20, 51)},
		{Path: "/set/wrong.png", Status: StatusOK, Truth: truth(20), Scale: read(200, 50)},
		{Path: "/set/none.png", Status: StatusOK, Truth: truth(20), Scale: &Scale{Source: "none", Checks: []Check{{"size", "ok", "fine"}, {"scale_bar", "warn", "no scale bar found"}}}},
		{Path: "/set/invented.png", Status: StatusOK, Truth: &score.BarTruth{ID: "i"}, Scale: read(5, 30)},
		{Path: "/set/absent.png", Status: StatusOK, Truth: &score.BarTruth{ID: "a"}, Scale: &Scale{Source: "none"}},
		{Path: "/set/torn.png", Status: StatusFailed, Error: "torn.png: cut off; copy it again", Truth: truth(20)},
		{Path: "/set/unknown.png", Status: StatusFailed, Error: `unknown.png: no entry "unknown" in bars.json`},
	} {
		if m.Truth != nil {
			s := score.ScoreBar(m.Truth, m.Read())
			m.Score = &s
		}
		if m.Score != nil && m.Status == StatusOK && ScaleErrorRank(m.Score) < 100 {
			p, err := CropScale(bytes.Repeat([]byte{9, 99}, 100*50), nil, 100, 100, m.Truth, m.Scale.Bar)
			require.NoError(t, err)
			e.Cases = append(e.Cases, ScaleCase{Image: len(e.Images), Picture: p})
		}
		e.Images = append(e.Images, m)
	}
	return e
}

func TestScaleEvaluationFilesAreAsAgreed(t *testing.T) {
	dir := t.TempDir()
	e := testScaleEvaluation(t)
	require.NoError(t, WriteScaleEvaluation(dir, e))
	for _, name := range []string{ScaleEvaluationCSVFile, ScaleEvaluationJSONFile, ScaleWorstFile} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		golden(t, name, data)
	}
	var table bytes.Buffer
	require.NoError(t, PrintScaleEvaluation(&table, e))
	golden(t, "scale_table.txt", table.Bytes())
	require.Len(t, e.Cases, 4)
	require.Equal(t, "/set/invented.png", e.Images[e.Cases[0].Image].Path)
	require.Equal(t, "/set/wrong.png", e.Images[e.Cases[1].Image].Path)
	page, err := os.ReadFile(filepath.Join(dir, ScaleWorstFile))
	require.NoError(t, err)
	root, err := html.Parse(bytes.NewReader(page))
	require.NoError(t, err)
	require.Empty(t, elements(root)["script"])
	for _, unwanted := range []string{"ZgotmplZ", "http://", "https://", "NaN"} {
		require.False(t, bytes.Contains(page, []byte(unwanted)), unwanted)
	}
}

func TestCropsShowBothBars(t *testing.T) {
	truth := &score.BarTruth{X0: number64(100), X1: number64(200), Y0: number64(470), Y1: number64(470)}
	require.Equal(t, metrics.Rect{X0: 40, Y0: 410, X1: 260, Y1: 500}, scaleArea(640, 500, truth, nil))
	require.Equal(t, metrics.Rect{X0: 0, Y0: 0, X1: 260, Y1: 500}, scaleArea(640, 500, truth, &Bar{X0: 5, Y0: 30, X1: 90, Y1: 34}))
	require.Equal(t, metrics.Rect{X1: 640, Y1: 500}, scaleArea(640, 500, &score.BarTruth{}, nil))
	far := &score.BarTruth{X0: number64(9000), X1: number64(9100), Y0: number64(470), Y1: number64(470)}
	require.Equal(t, metrics.Rect{X1: 640, Y1: 500}, scaleArea(640, 500, far, nil), "a bar outside the image")
	p, err := CropScale(nil, make([]uint16, 640*500), 640, 500, truth, nil)
	require.NoError(t, err)
	require.NotEmpty(t, p.JPEG)
}
