package infer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// LibraryEnv names the environment variable with the path of ONNX Runtime's shared library.
const LibraryEnv = "AIMSD_ORT_LIB"

// ErrNoLibrary says that ONNX Runtime's shared library was not found.
var ErrNoLibrary = errors.New("ONNX Runtime's shared library was not found")

// FetchCommand is the one command that fetches the library.
const FetchCommand = "scripts/fetch-ort.sh (make build does it too)"

// FindLibrary returns the path of ONNX Runtime's shared library: AIMSD_ORT_LIB, beside the resolved
// executable, in lib/ beside it, in the user's cache directory under aimsd/.
func FindLibrary() (string, error) {
	if path := os.Getenv(LibraryEnv); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("%w: %s is %q: %w; correct it or unset it", ErrNoLibrary, LibraryEnv, path, err)
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
	for _, dir := range dirs {
		for _, name := range libraryNames() {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%w in %s; fetch it with: %s", ErrNoLibrary, strings.Join(dirs, ", "), FetchCommand)
}

func libraryNames() []string {
	switch runtime.GOOS {
	case "windows":
		return []string{"onnxruntime.dll"}
	case "darwin":
		return []string{"libonnxruntime.dylib"}
	}
	return []string{"libonnxruntime.so", "libonnxruntime.so.1"}
}
