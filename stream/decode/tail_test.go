package decode

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream/tiff"
)

func TestUnfilledIsAFileWhosePixelsEndInZeros(t *testing.T) {
	const side = 300
	pgm := func(pixels []byte) []byte { return append(fmt.Appendf(nil, "P5 %d %d 255\n", side, side), pixels...) }
	tif := func(pixels []byte) []byte {
		var b bytes.Buffer
		require.NoError(t, tiff.EncodeGray8(&b, pixels, side, side, tiff.GrayOptions{}))
		return b.Bytes()
	}
	grey, half := bytes.Repeat([]byte{9}, side*side), make([]byte, side*side)
	copy(half, grey[:100])
	for name, c := range map[string]struct {
		data []byte
		want bool
	}{
		"filled.tif":   {tif(grey), false},
		"reserved.tif": {tif(half), true},
		"filled.pgm":   {pgm(grey), false},
		"reserved.pgm": {pgm(half), true},
		"other.txt":    {half, false},
		"empty.tif":    {nil, false},
	} {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, c.data, 0o644))
		require.Equal(t, c.want, Unfilled(path), name)
	}
	require.False(t, Unfilled(t.TempDir()))
	require.False(t, Unfilled("missing"))
}
