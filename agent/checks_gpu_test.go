package agent

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/uni-aims/aimsd/cuda"
	"github.com/uni-aims/aimsd/infer"
	"github.com/uni-aims/aimsd/proto/schema"
	"github.com/uni-aims/aimsd/reporting"
)

func TestCheckSaysWhatRunsWhereAndANoteIsNoFault(t *testing.T) {
	openedOrSkipped(t)
	if path, err := infer.FindLibrary(); err == nil {
		if _, err := infer.CUDANeeds(path); err == nil {
			t.Skip("SKIPPED: the CUDA provider is here")
		}
	}
	named := func(c InferConfig) map[string]finding {
		found := map[string]finding{}
		for _, f := range checkNetwork(t.Context(), c) {
			require.NotContains(t, f.text, "\n")
			found[f.name] = f
		}
		return found
	}
	auto := named(InferConfig{Provider: "auto", Model: "default"})
	require.Equal(t, "note", auto["gpu"].status)
	require.Contains(t, auto["gpu"].text, "make lib-cuda")
	require.NotEqual(t, "FAULT", auto["kernels"].status)
	cpu := named(InferConfig{Provider: "cpu", Model: "default"})
	require.Equal(t, "note", cpu["gpu"].status)
	require.NotContains(t, cpu, "kernels")
	required := named(InferConfig{Provider: "cuda", Model: "default"})
	require.Equal(t, "FAULT", required["gpu"].status)
	_, err := OpenAnalyser(t.Context(), InferConfig{Provider: "cuda", Model: "default"})
	require.ErrorAs(t, err, &usageError{})
}

// openedOrSkipped opens the network, and skips the test where there is no library for it.
func openedOrSkipped(t *testing.T) *Analyser {
	t.Helper()
	a, err := OpenAnalyser(t.Context(), InferConfig{Provider: "cpu", Model: "default"})
	if errors.Is(err, infer.ErrNoLibrary) {
		t.Skipf("SKIPPED: THE NETWORK IS NOT TESTED: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.Close()) })
	return a
}

func TestCheckNamesTheLibrariesThatTheProviderLacks(t *testing.T) {
	require.Empty(t, lacks(filepath.Join(t.TempDir(), "libonnxruntime.so")), "there is no provider")
	for name, want := range map[string]string{
		"libcuda.so.1": "driver", "libcudnn.so.9": "nvidia-cudnn-cu12", "libcublasLt.so.12": "nvidia-cublas-cu12",
		"libcudart.so.12": "nvidia-cuda-runtime-cu12", "libstdc++.so.6": "package of this system",
	} {
		require.Contains(t, remedy(name), want)
	}
	path := os.Getenv("AIMSD_TEST_CUDA_LIB")
	if path == "" {
		t.Skip("SKIPPED: AIMSD_TEST_CUDA_LIB names no libonnxruntime with a CUDA provider (make lib-cuda)")
	}
	found := lacks(path)
	require.NotEmpty(t, found)
	require.Contains(t, found[len(found)-1].text, "sought in")
}

func TestAFrameThatTheGPUFailedSaysSo(t *testing.T) {
	core, logged := observer.New(zap.WarnLevel)
	d := &dynamics{provider: cuda.ProviderCUDA, why: "a GPU", log: zap.New(core)}
	d.begin()
	require.Equal(t, &reporting.Dynamics{Provider: "cuda", Why: "a GPU"}, d.ran())
	d.fail(errors.New("out of\nmemory"))
	d.fail(errors.New("out of\nmemory"))
	require.Equal(t, &reporting.Dynamics{Provider: "cpu", Why: "the GPU (a GPU) failed: out of memory"}, d.ran())
	require.Equal(t, 1, logged.Len())
	d.begin()
	require.Equal(t, "cuda", d.ran().Provider)
	require.NoError(t, d.Close())
}

func TestAProviderForTheNetworkTakesTheDynamicsThatThereAre(t *testing.T) {
	d, err := openDynamics(InferConfig{Provider: "cuda"})
	require.NoError(t, err)
	require.NotEmpty(t, d.why)
	require.NoError(t, d.Close())
	d, err = openDynamics(InferConfig{Provider: "cpu"})
	require.NoError(t, err)
	require.Equal(t, &reporting.Dynamics{Provider: "cpu", Why: "as configured"}, d.ran())
}

func TestTheSchemaOfResultsKnowsWhatRanAndWhy(t *testing.T) {
	type object struct{ Properties map[string]object }
	var s struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	text, err := fs.ReadFile(schema.FS(), "result.schema.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &s))
	for what, v := range map[string]struct {
		value any
		in    object
	}{
		"model":    {reporting.Model{Why: "asked for"}, s.Defs["model"]},
		"dynamics": {reporting.Dynamics{}, s.Properties["dynamics"]},
	} {
		var fields map[string]any
		text, err := json.Marshal(v.value)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &fields))
		require.NotEmpty(t, fields)
		for field := range fields {
			require.Contains(t, v.in.Properties, field, what)
		}
	}
}
