package decode

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream"
)

// A conformance collection of good, odd and hostile TIFFs: every file decodes as the reference decoders say,
// or fails in one clear line, in bounded time and memory. See testdata/variants.txt.
func TestEveryVariantDecodesAsTheReferencesSay(t *testing.T) {
	dir := shared(t, "tiff_variants")
	expected, err := os.ReadFile("testdata/variants.txt")
	require.NoError(t, err)
	decoded, listed := 0, 0
	for line := range strings.Lines(string(expected)) {
		name, want, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(name, "#") {
			continue
		}
		listed++
		path := filepath.Join(dir, name)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		got, err := summary(t, path, want)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		require.Less(t, took, 2*time.Second, name)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20), name)
		if reason, refused := strings.CutPrefix(want, "error "); refused {
			require.ErrorContains(t, err, reason, name)
			require.ErrorContains(t, err, path)
			require.NotContains(t, err.Error(), "\n")
		} else {
			require.NoError(t, err, name)
			require.Equal(t, want, got, name)
			decoded++
		}
		if _, _, _, err = Labels(path); err != nil {
			require.NotContains(t, err.Error(), "\n", name)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, files, listed, "every file has an expected outcome")
	t.Logf("%d of %d files decode", decoded, listed)
}

// summary decodes every frame of a file and describes it as testdata/variants.txt does.
func summary(t *testing.T, path, want string) (string, error) {
	n, err := Frames(path)
	if err != nil {
		return "", err
	}
	var d Decoder
	sum := crc32.NewIEEE()
	first, mean := "", 0.0
	for page := range n {
		f, err := d.Frame(t.Context(), path, page+1)
		if err != nil {
			return "", err
		}
		if page == 0 {
			first = fmt.Sprintf("%d %d %d %d", n, f.Width, f.Height, bitsOf(f))
			mean = meanOf(f)
		}
		require.NoError(t, binary.Write(sum, binary.LittleEndian, f.Gray8))
		require.NoError(t, binary.Write(sum, binary.LittleEndian, f.Gray16))
		f.Release()
	}
	if about, ok := strings.CutPrefix(want, first+" mean "); ok {
		v, err := strconv.ParseFloat(about, 64)
		require.NoError(t, err)
		require.InDelta(t, v, mean, 1, path)
		return want, nil
	}
	return fmt.Sprintf("%s %08x", first, sum.Sum32()), nil
}

func bitsOf(f *stream.Frame) int {
	if f.Gray16 != nil {
		return 16
	}
	return 8
}

func meanOf(f *stream.Frame) float64 {
	total := 0.0
	for _, v := range f.Gray8 {
		total += float64(v)
	}
	return total / float64(max(1, len(f.Gray8)))
}

// Files named seq-...-HASH of the collection hold the same pixels where the hash is the same, whatever their
// compression, byte order, predictor or tiling.
func TestVariantsOfOneImageAreEqual(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared(t, "tiff_variants"), "seq-*"))
	require.NoError(t, err)
	seen := map[string]*stream.Frame{}
	for _, path := range files {
		stem := strings.TrimSuffix(filepath.Base(path), ".tiff")
		id := stem[strings.LastIndexByte(stem, '-')+1:]
		f, err := File(t.Context(), path)
		require.NoError(t, err, path)
		if other := seen[id]; other != nil {
			require.Equal(t, other.Gray8, f.Gray8, path)
			require.Equal(t, other.Gray16, f.Gray16, path)
			continue
		}
		seen[id] = f
	}
	require.Greater(t, len(seen), 20)
}
