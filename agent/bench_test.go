package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// benchFolder sets the place of temporary folders, and wants it empty again.
func benchFolder(t *testing.T) {
	t.Helper()
	needLibrary(t)
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	t.Cleanup(func() {
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left, "the temporary folder is removed")
	})
}

func TestBenchPrintsOneObjectWithEveryStage(t *testing.T) {
	benchFolder(t)
	profile := filepath.Join(t.TempDir(), "cpu.pb.gz")
	var stdout, stderr bytes.Buffer
	status := Main([]string{"bench", "--size", "256x256", "--frames", "2", "--provider", "cpu", "--model", "light", "--json", "--cpuprofile", profile}, &stdout, &stderr)
	require.Equal(t, exitOK, status, stderr.String())
	require.Empty(t, stderr.String())
	decoder := json.NewDecoder(&stdout)
	var got map[string]any
	require.NoError(t, decoder.Decode(&got))
	require.ErrorIs(t, decoder.Decode(new(any)), io.EOF, "one object")
	require.Equal(t, "256x256", got["size"])
	require.Equal(t, "cpu", got["provider"])
	require.NotEmpty(t, got["provider_why"])
	require.NotEmpty(t, got["precision"])
	require.EqualValues(t, 2, got["frames"])
	require.Equal(t, "light", got["model"].(map[string]any)["name"])
	for _, positive := range []string{"objects", "objects_drawn", "threads", "mpx_per_s", "peak_rss_bytes", "reference_gflops"} {
		require.Positive(t, got[positive], positive)
	}
	ordered := func(v any, what string) (p50, p95, p99 float64) {
		p := v.(map[string]any)
		require.Len(t, p, 3, what)
		p50, p95, p99 = p["p50"].(float64), p["p95"].(float64), p["p99"].(float64)
		require.LessOrEqual(t, p50, p95, what)
		require.LessOrEqual(t, p95, p99, what)
		return p50, p95, p99
	}
	stages := got["timings_ms"].(map[string]any)
	require.Len(t, stages, 10)
	t50, t95, t99 := ordered(stages["total"], "total")
	for _, stage := range []string{"decode", "scale", "normalise", "infer", "stitch", "dynamics", "measure", "write", "commit"} {
		p50, p95, p99 := ordered(stages[stage], stage)
		require.Positive(t, p50, stage)
		require.LessOrEqual(t, p50, t50, stage)
		require.LessOrEqual(t, p95, t95, stage)
		require.LessOrEqual(t, p99, t99, stage)
	}
	p50, _, _ := ordered(got["everything_but_network_ms"], "everything but the network")
	require.Less(t, p50, t50)
	require.FileExists(t, profile)
}

func TestBenchPrintsTablesForPeople(t *testing.T) {
	benchFolder(t)
	for want, args := range map[string][]string{
		"everything but infer":            {"bench", "--size", "256x256", "--frames", "1", "--model", "light", "--objects", "20"},
		"cost against objects; ms, p50\n": {"bench", "--size", "256x256", "--frames", "1", "--model", "light", "--matrix"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitOK, Main(args, &stdout, &stderr), stderr.String())
		require.Contains(t, stdout.String(), want)
		require.Contains(t, stdout.String(), "GFLOP/s")
	}
}

func TestBenchIsInterruptedCleanly(t *testing.T) {
	benchFolder(t)
	b := &bench{Infer: InferConfig{Provider: "cpu", Model: "light"}}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	require.NoError(t, b.Open(ctx))
	_, err := b.measure(ctx, benchCase{Width: 256, Height: 256, Frames: 3}, "", func(int) { interrupt() })
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, b.Close())
}

func TestBenchTellsWhyAFrameWasNotAnalysed(t *testing.T) {
	benchFolder(t)
	b := &bench{Infer: InferConfig{Provider: "cpu", Model: "light"}}
	require.NoError(t, b.Open(t.Context()))
	path := filepath.Join(b.dir, "broken.tif")
	require.NoError(t, os.WriteFile(path, []byte("II*\x00"), 0o600))
	_, err := b.frame(t.Context(), path)
	require.ErrorAs(t, err, &failedError{})
	require.ErrorContains(t, err, "broken.tif was not analysed: ")
	require.NoError(t, b.Close())
}

func TestBenchRefusesWhatItCannotMeasure(t *testing.T) {
	for _, args := range [][]string{
		{"--size", "300"}, {"--size", "20x20"}, {"--size", "x"}, {"--frames", "-1"}, {"--frames", "many"}, {"--provider", "tpu"},
		{"--objects", "-1"}, {"--size", "512x512", "--objects", "100000"}, {"--model", "nothing.onnx"}, {"--nothing"}, {"x"},
		{"--matrix", "--json"}, {"--matrix", "--objects", "5"}, {"--json", "--size", "256x256", "--size", "512x512"},
		{"--cpuprofile", "a.pb.gz"},
	} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, exitUsage, Main(append([]string{"bench"}, args...), &stdout, &stderr), args)
		require.Empty(t, stdout.String())
		require.Regexp(t, `^aimsd: [^\n]+\n$`, stderr.String())
	}
}

func TestTheMatrixHasTheObjectsThatFit(t *testing.T) {
	counts := func(side int) (n []int) {
		c := benchCase{Width: side, Height: side}
		for _, c := range newBenchMatrix([]benchCase{c}, []benchCase{c}).objects[0] {
			n = append(n, c.Objects)
		}
		return n
	}
	require.Equal(t, []int{100, 1000, 10000}, counts(2048))
	require.Equal(t, []int{10000, 100000}, counts(8192))
	m := newBenchMatrix([]benchCase{{Width: 1024, Height: 1024}, {Width: 2048, Height: 2048}}, nil)
	require.Equal(t, []int{135, 540}, []int{m.pixels[0].Objects, m.pixels[1].Objects})
	require.Len(t, m.objects[0], 3)
}
