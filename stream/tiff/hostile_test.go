package tiff

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHostileFilesAreRefusedInOneLine(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		kind error
	}{
		"100 000 x 100 000":           {build(binary.LittleEndian, false, plain(100000, 100000, 8), false, []byte{0}), ErrTooLarge},
		"32768 x 32768 in a few byte": {deflated(32768, 32768), ErrTruncated},
		"strip outside the file":      {cutStrip(), ErrTruncated},
		"strip too short":             {build(binary.LittleEndian, false, plain(100, 100, 8), false, make([]byte, 99)), ErrTruncated},
		"JPEG 2000 inside":            {withTag(TagCompression, 34712), ErrUnsupported},
		"zero rows per strip":         {withTag(TagRowsPerStrip, 0), ErrFormat},
		"65 bits":                     {withTag(TagBitsPerSample, 65), ErrUnsupported},
		"no width":                    {withTag(TagImageWidth, 0), ErrFormat},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Parse(Bytes(c.data), int64(len(c.data)))
			require.NoError(t, err)
			var r *Raster
			bytesBefore := testing.AllocsPerRun(1, func() { r, err = f.Pages[0].Raster() })
			require.Less(t, bytesBefore, 100.0)
			require.Nil(t, r)
			require.ErrorIs(t, err, c.kind)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func withTag(id uint16, v uint64) []byte {
	f := plain(10, 10, 8)
	f[id] = []uint64{v}
	return build(binary.LittleEndian, false, f, false, make([]byte, 100))
}

func deflated(w, h uint64) []byte {
	f := plain(w, h, 8)
	f[TagCompression] = []uint64{8}
	return build(binary.LittleEndian, false, f, false, make([]byte, 1000))
}

func cutStrip() []byte {
	data := build(binary.LittleEndian, false, plain(10, 10, 8), false, make([]byte, 100))
	f, _ := Parse(Bytes(data), int64(len(data)))
	t, _ := f.Pages[0].Tag(TagStripOffsets)
	binary.LittleEndian.PutUint32(data[t.off:], uint32(len(data)-50))
	return data
}

func TestChainsThatLoopEnd(t *testing.T) {
	data := build(binary.LittleEndian, false, plain(10, 10, 8), false, make([]byte, 100))
	copy(data[len(data)-4:], data[4:8]) // the next directory is the first
	f, err := Parse(Bytes(data), int64(len(data)))
	require.NoError(t, err)
	require.Len(t, f.Pages, 1)
	binary.LittleEndian.PutUint32(data[len(data)-4:], 1<<30)
	f, err = Parse(Bytes(data), int64(len(data)))
	require.NoError(t, err, "the first page is readable all the same")
	require.ErrorIs(t, f.Complete(), ErrTruncated)
}

func TestDecodeStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var b bytes.Buffer
	require.NoError(t, EncodeGray8(&b, make([]uint8, 3000*3000), 3000, 3000, GrayOptions{Deflate: true}))
	require.ErrorIs(t, raster(t, b.Bytes()).Gray8(ctx, make([]uint8, 3000*3000)), context.Canceled)
}
