//go:build linux

package infer

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// linked makes a shared library that needs others, and returns its path.
func linked(t *testing.T, path string, args ...string) string {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("SKIPPED: LIBRARIES ARE NOT RESOLVED: there is no gcc to make some")
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	args = append([]string{"-shared", "-nostdlib", "-o", path, "-Wl,-soname," + filepath.Base(path), "-Wl,--no-as-needed", "-x", "c", "/dev/null", "-x", "none"}, args...)
	out, err := exec.CommandContext(t.Context(), gcc, args...).CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

// provider makes the files of a CUDA provider, which needs
//
//	libaims_cudnn.so.9 ─▶ libaims_ops.so.9 (in its own search path) ─▶ libaims_lost.so.2
//	libaims_gone.so.12, libaims_cudnn.so.9
//
// of which lost and gone are not there. The names are such as no system has.
func provider(t *testing.T) (library, packages string) {
	t.Helper()
	root := t.TempDir()
	capi := filepath.Join(root, "onnxruntime", "capi")
	packages = filepath.Join(root, "nvidia", "cudnn", "lib")
	gone := linked(t, filepath.Join(t.TempDir(), "libaims_gone.so.12"))
	lost := linked(t, filepath.Join(t.TempDir(), "libaims_lost.so.2"))
	ops := linked(t, filepath.Join(packages, "ops", "libaims_ops.so.9"), lost)
	cudnn := linked(t, filepath.Join(packages, "libaims_cudnn.so.9"), ops, "-Wl,-rpath,$ORIGIN/ops", "-Wl,--allow-shlib-undefined")
	linked(t, filepath.Join(capi, cudaPlugin), gone, cudnn, "-Wl,--allow-shlib-undefined")
	require.NoError(t, os.Remove(gone))
	require.NoError(t, os.Remove(lost))
	require.NoError(t, os.WriteFile(filepath.Join(capi, sharedPlugin), nil, 0o600))
	library = filepath.Join(capi, "libonnxruntime.so")
	require.NoError(t, os.WriteFile(library, nil, 0o600))
	return library, packages
}

// withoutDriver leaves out what is missing on a machine without a GPU.
func withoutDriver(missing []Missing) []Missing {
	return slices.DeleteFunc(slices.Clone(missing), func(m Missing) bool { return m.Name == cudaDriver })
}

// ofTests leaves only the libraries made here.
func ofTests(paths []string) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(p string) bool { ok, _ := filepath.Match("libaims_*", filepath.Base(p)); return !ok })
}

func TestEveryLibraryThatTheProviderLacksIsNamed(t *testing.T) {
	library, packages := provider(t)
	first := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(first, "libaims_cudnn.so.9"), []byte("no library"), 0o600))
	t.Setenv("LD_LIBRARY_PATH", first+":"+filepath.Join(first, "none")+":")
	needs, err := CUDANeeds(library)
	require.NoError(t, err)
	require.Equal(t, []Missing{{"libaims_gone.so.12", cudaPlugin}, {"libaims_lost.so.2", "libaims_ops.so.9"}}, withoutDriver(needs.Missing))
	require.Equal(t, []string{filepath.Join(packages, "ops", "libaims_ops.so.9"), filepath.Join(packages, "libaims_cudnn.so.9")}, ofTests(needs.Found))
	require.Equal(t, []string{first, filepath.Dir(library), packages}, needs.Searched[:3])
	require.Contains(t, needs.lack(), "libaims_gone.so.12, libaims_lost.so.2 not found")
}

func TestWhatIsFoundIsLoadedSoThatTheProviderFindsIt(t *testing.T) {
	library, packages := provider(t)
	plugin := filepath.Join(filepath.Dir(library), cudaPlugin)
	require.ErrorContains(t, preload([]string{plugin}), "libaims_gone.so.12")
	t.Setenv("LD_LIBRARY_PATH", "") // read by the linker when the process started, by us now
	linked(t, filepath.Join(packages, "libaims_gone.so.12"))
	linked(t, filepath.Join(packages, "ops", "libaims_lost.so.2"))
	require.Error(t, preload([]string{plugin}))
	needs, err := CUDANeeds(library)
	require.NoError(t, err)
	require.Equal(t, []Missing{{"libaims_lost.so.2", "libaims_ops.so.9"}}, withoutDriver(needs.Missing), "a search path is not handed down")
	linked(t, filepath.Join(filepath.Dir(library), "libaims_lost.so.2"))
	needs, err = CUDANeeds(library)
	require.NoError(t, err)
	require.Empty(t, withoutDriver(needs.Missing))
	require.Len(t, ofTests(needs.Found), 4)
	require.NoError(t, preload(append(ofTests(needs.Found), plugin)))
	needs, err = CUDANeeds(library)
	require.NoError(t, err)
	require.Empty(t, ofTests(needs.Found), "they are loaded")
}

func TestALibraryWithoutTheProviderComesWithTheCommandThatFetchesIt(t *testing.T) {
	library := filepath.Join(t.TempDir(), "libonnxruntime.so")
	_, err := CUDANeeds(library)
	require.ErrorIs(t, err, ErrNoCUDA)
	require.ErrorContains(t, err, "make lib-cuda")
	for _, name := range []string{cudaPlugin, sharedPlugin} {
		require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(library), name), []byte("cut off"), 0o600))
	}
	_, err = CUDANeeds(library)
	require.ErrorIs(t, err, ErrNoCUDA)
	require.ErrorContains(t, err, "fetch it again")
}

func TestTheLinkersConfigurationIsReadWithWhatItIncludes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("ld.so.conf", "# a comment\ninclude *.d.conf\n/opt/last  \nhwcap 0 nosegneg\ninclude ld.so.conf\n")
	write("a.d.conf", "/opt/cuda/lib64/ # of CUDA\n\nrelative\n")
	write("b.d.conf", "/opt/cudnn")
	require.Equal(t, []string{"/opt/cuda/lib64", "/opt/cudnn", "/opt/last"}, configured(filepath.Join(dir, "ld.so.conf"), map[string]bool{}))
	require.Empty(t, configured(filepath.Join(dir, "none"), map[string]bool{}))
}

func TestWhatTheProcessHasLoadedIsKnown(t *testing.T) {
	require.True(t, loadedLibraries()["libc.so.6"])
}
