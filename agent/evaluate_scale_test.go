package agent

import (
	"bytes"
	"encoding/json"
	"image"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

const twoBars = `[
 {"id": "a", "width": 80, "height": 64, "has_bar": true, "x0": 10, "y0": 50, "x1": 60, "y1": 50, "length_px": 50,
  "value": 20, "unit": "nm", "text": "20 nm", "style": "solid", "uncertain_px": 0.4, "clipped": false},
 {"id": "b", "width": 80, "height": 64, "has_bar": false, "value": null, "unit": null, "text": null, "style": null},
 {"id": "elsewhere", "has_bar": true, "value": 1, "unit": "um", "length_px": 10}]`

func TestScaleBarsAreScored(t *testing.T) {
	dir := testSet(t)
	truth := filepath.Join(dir, "bars.json")
	require.NoError(t, os.WriteFile(truth, []byte(twoBars), 0o644))
	var stdout, stderr bytes.Buffer
	run := func(named ...string) error {
		stdout.Reset()
		stderr.Reset()
		e := scaleEvaluation{
			Dir: dir + "/out", Worst: 5, Stdout: &stdout, Stderr: &stderr, Now: time.Now,
			Read: func(f *stream.Frame) (reporting.Scale, error) {
				value, nm := 20.0, 20.0/51
				return reporting.Scale{NmPerPx: &nm, Source: "scale_bar", Bar: &reporting.Bar{
					X0: 10, Y0: 50, X1: 61, Y1: 50, LengthPx: 51, Text: "20 nm", Value: &value, Unit: "nm", Confidence: 1,
				}}, nil
			},
		}
		return e.Run(t.Context(), truth, listInputs(named, dir+"/out"), named)
	}
	read := func() (e reporting.ScaleEvaluation) {
		data, err := os.ReadFile(filepath.Join(dir, "out", reporting.ScaleEvaluationJSONFile))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &e))
		return e
	}
	require.NoError(t, run(dir+"/img"))
	require.Contains(t, stdout.String(), "left out: 1 image in the folders that the truth does not know")
	e := read()
	require.Equal(t, []int{1, 0, 1, 1, 1}, []int{e.Summary.Right, e.Summary.Wrong, e.Summary.Invented, e.Unused, e.LeftOut})
	require.InDelta(t, 1.0, *e.Summary.Lengths.MAEPx, 1e-12)
	page, err := os.ReadFile(filepath.Join(dir, "out", reporting.ScaleWorstFile))
	require.NoError(t, err)
	require.Less(t, bytes.Index(page, []byte("1. b.png")), bytes.Index(page, []byte("2. a.png")), "an invented scale is the worst")

	writePNG(t, dir+"/other/b.png", image.NewGray(image.Rect(0, 0, 90, 64)))
	err = run(dir+"/img/a.png", dir+"/img/c.png", dir+"/other/b.png")
	require.EqualError(t, err, "2 of 3 inputs failed; see "+dir+"/out/scale_evaluation.csv")
	require.Equal(t, "aimsd: "+dir+`/img/c.png: no entry "c" in `+truth+"; add it or leave the image out\n"+
		"aimsd: "+dir+"/other/b.png is 90x64 px but its truth was made on 80x64: give that image\n", stderr.String())
	require.Equal(t, 2, read().Summary.Images, "the one that failed counts as nothing read")

}
