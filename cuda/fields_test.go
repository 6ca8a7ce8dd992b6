package cuda

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fieldsVariable names a folder of NAME.field files: a line "width height", then the planes Dy, Dx, Logit and Size,
// float32 little-endian.
const fieldsVariable = "AIMSD_FIELDS"

// TestFieldsFromAFolder labels every field of the folder on all cores, once to warm up and three times for the clock, and
// writes NAME.labels (int32 little-endian) and NAME.ms (the median) beside it. infer/training/against_cellpose.py calls it.
func TestFieldsFromAFolder(t *testing.T) {
	folder := os.Getenv(fieldsVariable)
	if folder == "" {
		t.Skipf("NOT RUN: %s names no folder of NAME.field files (make -C infer/training against-cellpose makes them)", fieldsVariable)
	}
	names, err := filepath.Glob(filepath.Join(folder, "*.field"))
	require.NoError(t, err)
	require.NotEmpty(t, names, "%s has no NAME.field", folder)
	host := &Host{Params: DefaultParams()}
	for _, name := range names {
		f := readField(t, name)
		seg, err := host.Labels(t.Context(), f)
		require.NoError(t, err)
		var took []time.Duration
		for range 3 {
			start := time.Now()
			again, err := host.Labels(t.Context(), f)
			took = append(took, time.Since(start))
			require.NoError(t, err)
			require.True(t, slices.Equal(seg.Labels, again.Labels), "%s: labels differ from run to run", name)
		}
		slices.Sort(took)
		ms := float64(took[1]) / float64(time.Millisecond)
		t.Logf("%s: %dx%d px, %d objects, %.1f ms", filepath.Base(name), f.Width, f.Height, len(seg.Objects), ms)
		base := strings.TrimSuffix(name, ".field")
		labels, err := binary.Append(nil, binary.LittleEndian, seg.Labels)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(base+".labels", labels, 0o644))
		require.NoError(t, os.WriteFile(base+".ms", fmt.Appendf(nil, "%.3f\n", ms), 0o644))
	}
}

func readField(t *testing.T, name string) Field {
	t.Helper()
	file, err := os.Open(name)
	require.NoError(t, err)
	defer file.Close()
	info, err := file.Stat()
	require.NoError(t, err)
	r := bufio.NewReader(file)
	header, err := r.ReadString('\n')
	require.NoError(t, err, name)
	var f Field
	_, err = fmt.Sscanf(header, "%d %d\n", &f.Width, &f.Height)
	require.NoError(t, err, name)
	const most = 1 << 16 // px a side
	require.True(t, f.Width > 1 && f.Height > 1 && f.Width < most && f.Height < most, "%s: %dx%d px", name, f.Width, f.Height)
	n := f.Width * f.Height
	require.EqualValues(t, len(header)+4*4*n, info.Size(), "%s: bytes of a field of %dx%d px", name, f.Width, f.Height)
	for _, plane := range []*[]float32{&f.Dy, &f.Dx, &f.Logit, &f.Size} {
		*plane = make([]float32, n)
		require.NoError(t, binary.Read(r, binary.LittleEndian, *plane), name)
	}
	return f
}
