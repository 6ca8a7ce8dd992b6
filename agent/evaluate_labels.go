package agent

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream/decode"
)

// labelFolder finds the label image of an image: NAME.labels.tif or NAME.tif (.tiff, .png, .pgm) for NAME.*, or
// labels.tif in a folder NAME.*, as analyze writes them.
type labelFolder struct {
	dir   string
	files map[string][]string // by stem, best first
}

func openLabelFolder(flag, dir string) (*labelFolder, error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, usagef("%s: there is no folder %s; check the path", flag, dir)
	case err != nil:
		return nil, usagef("%s: %w; name a folder of label images", flag, err)
	}
	l := &labelFolder{dir: dir, files: map[string][]string{}}
	for _, e := range entries {
		name := e.Name()
		ext := filepath.Ext(name)
		if slices.Contains(labelExtensions(), strings.ToLower(ext)) && !strings.HasPrefix(name, ".") {
			stem := strings.TrimSuffix(strings.TrimSuffix(name, ext), ".labels")
			l.files[stem] = append(l.files[stem], name)
		}
	}
	for _, names := range l.files {
		slices.SortFunc(names, func(a, b string) int { return cmp.Or(labelRank(a)-labelRank(b), cmp.Compare(a, b)) })
	}
	return l, nil
}

func labelExtensions() []string { return []string{".tif", ".tiff", ".png", ".pgm"} }

// labelRank orders files of one stem: those that say what they are first.
func labelRank(name string) int {
	ext := filepath.Ext(name)
	rank := slices.Index(labelExtensions(), strings.ToLower(ext))
	if !strings.HasSuffix(strings.TrimSuffix(name, ext), ".labels") {
		rank += len(labelExtensions())
	}
	return rank
}

// find returns the path of an image's label image, "" when there is none.
func (l *labelFolder) find(image string) string {
	base := filepath.Base(image)
	for _, name := range l.files[strings.TrimSuffix(base, filepath.Ext(base))] {
		path := filepath.Join(l.dir, name)
		info, err := os.Stat(path)
		if err != nil || sameFile(path, image) {
			continue
		}
		if !info.IsDir() {
			return path
		}
	}
	if path := filepath.Join(l.dir, base, reporting.LabelsFile); fileExists(path) {
		return path
	}
	return ""
}

// read returns an image's label image and its path.
func (l *labelFolder) read(image string) (labels []int32, width, height int, path string, err error) {
	path = l.find(image)
	if path == "" {
		base := filepath.Base(image)
		return nil, 0, 0, "", fmt.Errorf("%s: no label image in %s; put %s.png or .tif there", image, l.dir, strings.TrimSuffix(base, filepath.Ext(base)))
	}
	labels, width, height, err = decode.Labels(path)
	return labels, width, height, path, err
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func fileExists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// imagesOnly leaves out what listing folders found among the label images: files of these folders, unless an
// argument names one.
func imagesOnly(inputs []input, folders ...*labelFolder) []input {
	taken := map[string]bool{}
	for _, l := range folders {
		if l == nil {
			continue
		}
		for _, in := range inputs {
			if path := l.find(in.path); path != "" {
				taken[absolute(path)] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(inputs), func(in input) bool { return taken[absolute(in.path)] })
}
