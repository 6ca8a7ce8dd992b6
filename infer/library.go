package infer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// LibraryEnv names the environment variable with the path of ONNX Runtime's shared library.
const LibraryEnv = "AIMSD_ORT_LIB"

// ErrNoLibrary says that ONNX Runtime's shared library cannot be used: it is missing, or does not load.
var ErrNoLibrary = errors.New("no ONNX Runtime library that works")

// FetchCommand fetches the library: in a checkout, or anywhere with Python 3 and pip, whatever the version of
// Python, into a folder that FindLibrary searches.
const FetchCommand = "make lib (in a checkout), or anywhere: " + pipCommand

const pipCommand = "python3 -m pip install --no-deps --only-binary=:all: --python-version 3.11 --target ~/.cache/aimsd onnxruntime==1.24.1"

// FindLibrary returns the path of ONNX Runtime's shared library: AIMSD_ORT_LIB, beside the resolved
// executable, in lib/ beside it, in the user's cache directory under aimsd/ or in ~/.cache/aimsd, there also
// inside the Python package that FetchCommand installs.
func FindLibrary() (string, error) {
	if path := os.Getenv(LibraryEnv); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%w: %s names a file that cannot be read: %w; correct it or unset it", ErrNoLibrary, LibraryEnv, err)
		}
		return path, nil
	}
	var dirs []string
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		dirs = append(dirs, filepath.Dir(exe), filepath.Join(filepath.Dir(exe), "lib"))
	}
	if cache, err := os.UserCacheDir(); err == nil {
		dirs = append(dirs, filepath.Join(cache, "aimsd"))
	}
	if home, err := os.UserHomeDir(); err == nil {
		if dir := filepath.Join(home, ".cache", "aimsd"); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range dirs {
		for _, pattern := range libraryNames() {
			found, _ := filepath.Glob(filepath.Join(dir, pattern)) // fails for bad patterns only
			for _, path := range found {
				if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
					return path, nil
				}
			}
		}
	}
	return "", fmt.Errorf("%w: it is not in %s; fetch it with: %s", ErrNoLibrary, strings.Join(dirs, ", "), FetchCommand)
}

// libraryNames are patterns of the library's name, then its place in a Python package.
func libraryNames() []string {
	switch runtime.GOOS {
	case "windows":
		return []string{"onnxruntime.dll", "onnxruntime/capi/onnxruntime.dll"}
	case "darwin":
		return []string{"libonnxruntime.dylib", "onnxruntime/capi/libonnxruntime.*.dylib"}
	}
	return []string{"libonnxruntime.so", "libonnxruntime.so.1", "onnxruntime/capi/libonnxruntime.so.*"}
}
