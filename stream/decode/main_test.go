package decode

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/uni-aims/aimsd/stream/tiff"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shared returns a folder of the real data that lies beside the repository, or skips the test.
func shared(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		require.NotEqual(t, dir, parent, "no go.mod above the test")
		dir = parent
	}
	path := filepath.Join(dir, "..", "shared", "data", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("SKIPPED: real microscope files are not here (%s)", path)
	}
	return path
}

// write puts data into a new file of the given name.
func write(t testing.TB, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path
}

// ramp8 and ramp16 are images in which every pixel of a row differs from its neighbours.
func ramp8(w, h int) []uint8 {
	p := make([]uint8, w*h)
	for i := range p {
		p[i] = uint8(i%w*7 + i/w*3)
	}
	return p
}

func ramp16(w, h int) []uint16 {
	p := make([]uint16, w*h)
	for i := range p {
		p[i] = uint16(i%w*701 + i/w*303)
	}
	return p
}

func tiff8(t testing.TB, w, h int, opts tiff.GrayOptions) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, tiff.EncodeGray8(&b, ramp8(w, h), w, h, opts))
	return b.Bytes()
}
