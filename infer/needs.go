package infer

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Files of the CUDA provider, beside ONNX Runtime's library.
const (
	cudaPlugin   = "libonnxruntime_providers_cuda.so"
	sharedPlugin = "libonnxruntime_providers_shared.so"
)

// Libraries that are opened by name when they are needed: the driver by the CUDA runtime, and the compiler by cuDNN,
// which does without.
const (
	cudaDriver   = "libcuda.so.1"
	cudaCompiler = "libnvrtc.so.12"
)

// Needs are the shared libraries that the CUDA provider needs, found and missing.
type Needs struct {
	Found    []string // paths of those that this process has not loaded, each after those that it needs
	Missing  []Missing
	Searched []string // folders, in their order; a library's own search path came before them
}

// Missing is a shared library that was not found.
type Missing struct {
	Name     string // its soname
	NeededBy string // base name of a file
}

// CUDANeeds resolves what the CUDA provider beside ONNX Runtime's library needs, as the dynamic linker would, but
// also in the folder of the library, and in nvidia/*/lib beside it as the packages of NVIDIA lay it out. It fails
// with ErrNoCUDA where there is no provider.
func CUDANeeds(library string) (*Needs, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("%w: it is supported on Linux only; use provider cpu", ErrNoCUDA)
	}
	if real, err := filepath.EvalSymlinks(library); err == nil {
		library = real
	}
	dir := filepath.Dir(library)
	for _, name := range []string{cudaPlugin, sharedPlugin} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return nil, fmt.Errorf("%w: %s is not beside %s; fetch both with %s", ErrNoCUDA, name, filepath.Base(library), FetchCUDACommand)
		}
	}
	r := newResolver(searchPath(dir), loadedLibraries())
	r.find(cudaDriver, nil, "the CUDA runtime", 0)
	if err := r.follow(filepath.Join(dir, cudaPlugin), 0); err != nil {
		return nil, fmt.Errorf("%w: %s: %w; fetch it again with %s", ErrNoCUDA, cudaPlugin, err, FetchCUDACommand)
	}
	r.locate(cudaCompiler, nil, 0)
	return &r.needs, nil
}

// lack is a line about what is missing.
func (n *Needs) lack() string {
	var names []string
	for _, m := range n.Missing {
		name := m.Name
		if name == cudaDriver {
			name += " (NVIDIA's driver)"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ") + " not found"
}

// maxNeedsDepth ends chains of libraries that need one another.
const maxNeedsDepth = 32

// resolver finds libraries.
type resolver struct {
	needs   Needs
	dirs    []string
	loaded  map[string]bool // base names
	seen    map[string]bool // sonames
	machine elf.Machine     // libraries for others are passed over
}

func newResolver(dirs []string, loaded map[string]bool) *resolver {
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	return &resolver{
		dirs: dirs, loaded: loaded, seen: map[string]bool{}, machine: machines[runtime.GOARCH],
		needs: Needs{Searched: dirs},
	}
}

// follow finds what a file needs.
func (r *resolver) follow(path string, depth int) error {
	f, err := elf.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.ImportedLibraries()
	if err != nil {
		return err
	}
	own := runPath(f, filepath.Dir(path))
	for _, needed := range names {
		r.find(needed, own, filepath.Base(path), depth+1)
	}
	return nil
}

// find finds one library, or notes that it is missing.
func (r *resolver) find(name string, own []string, by string, depth int) {
	if r.seen[name] || depth > maxNeedsDepth {
		return
	}
	r.seen[name] = true
	if !r.loaded[name] && !r.locate(name, own, depth) {
		r.needs.Missing = append(r.needs.Missing, Missing{name, by})
	}
}

// locate finds one library and what it needs.
func (r *resolver) locate(name string, own []string, depth int) bool {
	for _, dir := range slices.Concat(own, r.dirs) {
		path := filepath.Join(dir, name)
		if r.fits(path) && r.follow(path, depth+1) == nil {
			r.needs.Found = append(r.needs.Found, path)
			return true
		}
	}
	return false
}

// fits reports whether a path is a library for this processor.
func (r *resolver) fits(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return f.Type == elf.ET_DYN && (r.machine == elf.EM_NONE || f.Machine == r.machine)
}

// runPath is a file's own search path.
func runPath(f *elf.File, origin string) []string {
	var dirs []string
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		values, _ := f.DynString(tag) // a file without one has none
		for _, v := range values {
			for dir := range strings.SplitSeq(v, ":") {
				dir = strings.NewReplacer("${ORIGIN}", origin, "$ORIGIN", origin).Replace(dir)
				if filepath.IsAbs(dir) {
					dirs = append(dirs, filepath.Clean(dir))
				}
			}
		}
	}
	return dirs
}
