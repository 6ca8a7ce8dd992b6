package agent

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/uni-aims/aimsd/infer/models"
)

// manifestSuffix is added to a model file's name to find the sums it must agree with, as sha256sum writes them.
const manifestSuffix = ".sha256"

// maxManifest is more than any manifest needs, bytes.
const maxManifest = 1 << 16

// checkManifest compares a model file that was read with the manifest beside it, where there is one: a file
// that is being copied, or was cut off, has another sum. sha256 is of the bytes that were read.
func checkManifest(model, sha256 string) error {
	if models.Embedded(model) {
		return nil
	}
	f, err := os.Open(model + manifestSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("model %s: its manifest cannot be read: %w", model, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() > maxManifest {
		return fmt.Errorf("model %s: %s is no manifest; write it with sha256sum", model, f.Name())
	}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		sum, name, ok := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		name = strings.TrimPrefix(strings.TrimSpace(name), "*") // sha256sum -b
		if !ok || filepath.Base(name) != filepath.Base(model) {
			continue
		}
		if !strings.EqualFold(sum, sha256) {
			return fmt.Errorf("model %s has sha256 %.12s, but %s says %.12s: it is being copied, was cut off, or the sums are of another version; copy both again",
				model, sha256, filepath.Base(f.Name()), sum)
		}
		return nil
	}
	return fmt.Errorf("model %s: %s has no line for %s; write it with sha256sum", model, f.Name(), filepath.Base(model))
}

// modelFiles are the files that a model is read from; none for an embedded one.
func modelFiles(model string) []string {
	if models.Embedded(model) {
		return nil
	}
	return []string{model, strings.TrimSuffix(model, filepath.Ext(model)) + ".json", model + manifestSuffix}
}
