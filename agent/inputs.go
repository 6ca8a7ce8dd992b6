package agent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/decode"
)

// input is one frame to analyse: a file, a page of one, or a path that cannot be.
type input struct {
	path        string
	page, pages int // from 1, in a file of several frames; 0 in others
	err         error
}

// name is what the input's output folder is called, id what the input is told apart by.
func (in input) name() string { return stream.PageName(filepath.Base(in.path), in.page, in.pages) }
func (in input) id() string   { return stream.PageID(fullPath(in.path), in.page) }

// label names the input in summaries: its path and page.
func (in input) label() string { return stream.PageID(in.path, in.page) }

// listInputs expands files and folders, in order, each file once. Folders are read recursively and yield
// images only: files that begin like one or are named like one. The output folder out, and every folder
// marked as aimsd's own output, is left out; "" is no folder.
func listInputs(paths []string, out string) []input {
	var inputs []input
	seen := map[string]bool{}
	add := func(path string, err error) {
		if abs := absolute(path); !seen[abs] {
			seen[abs] = true
			inputs = append(inputs, input{path: path, err: err})
		}
	}
	if out != "" {
		out = absolute(out)
	}
	for _, root := range paths {
		info, err := os.Stat(root)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			add(root, fmt.Errorf("%s: no such file or folder; check the path", root))
		case err != nil:
			add(root, cannotRead(root, err))
		case info.IsDir():
			listFolder(root, out, add)
		default:
			add(root, nil)
		}
	}
	return inputs
}

// everyFrame makes an input of every frame in the files. A file whose frames cannot be counted is one input,
// which fails when it is decoded.
func everyFrame(files []input) []input {
	var inputs []input
	for _, in := range files {
		n := 0
		if in.err == nil {
			n, _ = decode.Frames(in.path)
		}
		if n < 2 {
			inputs = append(inputs, in)
			continue
		}
		for page := range n {
			inputs = append(inputs, input{path: in.path, page: page + 1, pages: n})
		}
	}
	return inputs
}

func listFolder(root, out string, add func(string, error)) {
	var files []string
	err := filepath.WalkDir(root+string(filepath.Separator), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			add(path, cannotRead(path, err))
			return fs.SkipDir
		}
		if d.IsDir() {
			if absolute(path) == out || ownOutput(path) {
				return fs.SkipDir
			}
			return nil
		}
		if looksLikeImage(path) {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		add(root, cannotRead(root, err))
	}
	slices.Sort(files)
	for _, f := range files {
		add(f, nil)
	}
}

// cannotRead says why a path cannot be read.
func cannotRead(path string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		path, err = e.Path, e.Err
	}
	return fmt.Errorf("cannot read %s: %w; check the permissions", path, err)
}

// ownOutput reports whether a folder holds results of aimsd.
func ownOutput(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, stream.Marker))
	return err == nil
}

// looksLikeImage is true for content that begins like an image and for names that promise one: a broken
// .tif in a folder is an input that failed, not a file to pass over.
func looksLikeImage(path string) bool {
	if strings.HasPrefix(filepath.Base(path), ".") {
		return false
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".dm3", ".dm4", ".mrc":
		return true
	}
	return decode.IsImage(path)
}

// absolute resolves a path, through links where it exists, so that two names of one file are equal.
func absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		return real
	}
	return abs
}
