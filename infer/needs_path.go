package infer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// linkerConfig is the dynamic linker's list of folders.
const linkerConfig = "/etc/ld.so.conf"

// searchPath are the folders where libraries are looked for, beside those in dir: of LD_LIBRARY_PATH, of NVIDIA's
// packages, of the system.
func searchPath(dir string) []string {
	var dirs []string
	add := func(more ...string) {
		for _, d := range more {
			if info, err := os.Stat(d); err == nil && info.IsDir() && !slices.Contains(dirs, d) {
				dirs = append(dirs, d)
			}
		}
	}
	for d := range strings.SplitSeq(os.Getenv("LD_LIBRARY_PATH"), ":") {
		if d != "" {
			add(filepath.Clean(d))
		}
	}
	add(dir)
	// beside the library, or beside the Python package that it is in (onnxruntime/capi)
	for _, packages := range []string{dir, filepath.Join(dir, "..", "..")} {
		found, _ := filepath.Glob(filepath.Join(packages, "nvidia", "*", "lib")) // fails for bad patterns only
		add(found...)
	}
	add(configured(linkerConfig, map[string]bool{})...)
	add("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/lib/wsl/lib")
	return dirs
}

// configured reads the dynamic linker's configuration with the files that it includes.
func configured(file string, read map[string]bool) []string {
	if read[file] {
		return nil
	}
	read[file] = true
	text, err := os.ReadFile(file)
	if err != nil {
		return nil // there need not be one
	}
	var dirs []string
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case fields[0] == "include":
			for _, pattern := range fields[1:] {
				if !filepath.IsAbs(pattern) {
					pattern = filepath.Join(filepath.Dir(file), pattern)
				}
				found, _ := filepath.Glob(pattern)
				for _, f := range found {
					dirs = append(dirs, configured(f, read)...)
				}
			}
		case filepath.IsAbs(fields[0]):
			dirs = append(dirs, filepath.Clean(fields[0]))
		}
	}
	return dirs
}

// loadedLibraries are the base names of the files in this process's memory.
func loadedLibraries() map[string]bool {
	loaded := map[string]bool{}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return loaded
	}
	for line := range strings.Lines(string(maps)) {
		if _, path, ok := strings.Cut(strings.TrimSpace(line), "/"); ok {
			loaded[filepath.Base(path)] = true
		}
	}
	return loaded
}
