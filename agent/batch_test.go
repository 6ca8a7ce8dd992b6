package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// labelBatch measures one square per input; each has no pixels.
func labelBatch(dir string, open func(path string) error) (*batch, *bytes.Buffer) {
	var stdout bytes.Buffer
	return &batch{
		Analyser: &Analyser{}, Dir: dir, Mode: ModeParticles, Stdout: &stdout, Stderr: &bytes.Buffer{}, Now: time.Now,
		Open: func(path string) (*stream.Frame, []int32, error) {
			if err := open(path); err != nil {
				return nil, nil, err
			}
			labels := make([]int32, 32*32)
			labels[5*32+5] = 1
			return &stream.Frame{Path: path, Name: filepath.Base(path), Width: 32, Height: 32, ReceivedAt: time.Now()}, labels, nil
		},
	}, &stdout
}

func TestAnInterruptedBatchReportsWhatIsDone(t *testing.T) {
	dir := t.TempDir()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	b, stdout := labelBatch(dir, func(path string) error {
		if path == "/b.tif" {
			require.Eventually(t, func() bool {
				_, err := os.Stat(filepath.Join(dir, "a.tif", reporting.ResultFile))
				return err == nil
			}, time.Minute, time.Millisecond)
			interrupt()
		}
		return nil
	})
	err := b.Run(ctx, []input{{path: "/a.tif"}, {path: "/b.tif"}, {path: "/c.tif"}})
	require.ErrorAs(t, err, &failedError{})
	require.EqualError(t, err, "interrupted after 1 of 3 inputs; run it again for the rest")
	require.FileExists(t, filepath.Join(dir, reporting.ReportFile))
	table, err := os.ReadFile(filepath.Join(dir, reporting.SummaryCSVFile))
	require.NoError(t, err)
	require.Contains(t, string(table), "/a.tif,")
	require.NotContains(t, string(table), "b.tif")
	require.Contains(t, stdout.String(), "1 image")
}

func TestOneNameInTwoWorkingFoldersIsTwoInputs(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	folders := func() []string {
		found, err := filepath.Glob(filepath.Join(out, "a.tif*"))
		require.NoError(t, err)
		return found
	}
	first, second := t.TempDir(), t.TempDir()
	for _, step := range []struct {
		dir  string
		want int
	}{{first, 1}, {second, 2}, {first, 2}, {second, 2}} {
		t.Chdir(step.dir)
		b, _ := labelBatch(out, func(string) error { return nil })
		require.NoError(t, b.Run(t.Context(), []input{{path: "a.tif"}}))
		require.Len(t, folders(), step.want)
	}
	var res reporting.Result
	data, err := os.ReadFile(filepath.Join(out, "a.tif", reporting.ResultFile))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &res))
	require.Equal(t, "a.tif", res.Image.Path, "as it was given")
}

func TestAWriteThatIsTriedAgainCountsItsTimeOnce(t *testing.T) {
	fails := true
	out := &reporting.OutputFolder{Dir: t.TempDir()}
	out.EncodeLabels = func(io.Writer, []int32, int, int) error { return nil }
	require.NoError(t, out.Open())
	defer out.Close()
	an, err := (&Analyser{}).MeasureLabels(&stream.Frame{Path: "/a.tif", Name: "a.tif", Width: 8, Height: 8}, make([]int32, 64), ModeParticles)
	require.NoError(t, err)
	alone := an.Result.TimingsMs.Total
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		if fails {
			cancel() // the folder is written, then not put in place
		}
		_, err = writeAnalysis(ctx, out, "/a.tif", an, time.Second)
		cancel()
		fails = false
	}
	require.NoError(t, err)
	timings := an.Result.TimingsMs
	require.InDelta(t, alone+timings.Decode+timings.Write, timings.Total, 1e-6)
	require.InDelta(t, 1000, timings.Decode, 0)
}
