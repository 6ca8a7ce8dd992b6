package tiff

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func raster(t testing.TB, data []byte) *Raster {
	t.Helper()
	f, err := Parse(Bytes(data), int64(len(data)))
	require.NoError(t, err)
	r, err := f.Pages[0].Raster()
	require.NoError(t, err)
	return r
}

func TestGreyImagesComeBackAsWritten(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range [][2]int{{1, 1}, {3, 5}, {640, 700}, {4099, 301}} {
		w, h := size[0], size[1]
		p8, p16 := make([]uint8, w*h), make([]uint16, w*h)
		for i := range p8 {
			p8[i], p16[i] = uint8(rng.Uint32()>>4), uint16(rng.Uint32())
		}
		for _, deflate := range []bool{false, true} {
			opts := GrayOptions{Deflate: deflate, Description: "made", ASCII: map[uint16]string{34682: "[Scan]\r\nPixelWidth=1e-9\r\n"}}
			var b bytes.Buffer
			require.NoError(t, EncodeGray8(&b, p8, w, h, opts))
			r := raster(t, b.Bytes())
			got8 := make([]uint8, w*h)
			require.NoError(t, r.Gray8(t.Context(), got8))
			require.Equal(t, p8, got8)
			text, err := r.page.ASCII(34682)
			require.NoError(t, err)
			require.Equal(t, opts.ASCII[34682], text)
			require.NoError(t, CheckComplete(bytes.NewReader(b.Bytes()), int64(b.Len())))

			b.Reset()
			require.NoError(t, EncodeGray16(&b, p16, w, h, opts))
			got16 := make([]uint16, w*h)
			require.NoError(t, raster(t, b.Bytes()).Gray16(t.Context(), got16))
			require.Equal(t, p16, got16)

			f, err := Parse(bytes.NewReader(b.Bytes()), int64(b.Len())) // through a plain reader
			require.NoError(t, err)
			r, err = f.Pages[0].Raster()
			require.NoError(t, err)
			clear(got16)
			require.NoError(t, r.Gray16(t.Context(), got16))
			require.Equal(t, p16, got16)
		}
	}
}

func TestLabelsKeepTheirIds(t *testing.T) {
	for _, highest := range []int32{0, 65535, 65536, math.MaxInt32} {
		labels := make([]int32, 700*401)
		for i := range labels {
			labels[i] = int32(i / 50)
		}
		labels[17] = highest
		var b bytes.Buffer
		require.NoError(t, EncodeLabels(&b, labels, 700, 401))
		r := raster(t, b.Bytes())
		require.Equal(t, highest > 65535, r.Bits == 32)
		got := make([]int32, len(labels))
		require.NoError(t, r.Labels(t.Context(), got))
		require.Equal(t, labels, got)
	}
	require.ErrorContains(t, EncodeLabels(&bytes.Buffer{}, []int32{-1}, 1, 1), "negative label -1")
}

func TestEveryCutIsIncomplete(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, EncodeGray8(&b, make([]uint8, 100*100), 100, 100, GrayOptions{Description: "a description"}))
	whole := b.Bytes()
	require.NoError(t, CheckComplete(bytes.NewReader(whole), int64(len(whole))))
	for n := range len(whole) - 1 {
		require.Error(t, CheckComplete(bytes.NewReader(whole[:n]), int64(n)), "cut at %d", n)
	}
}

func TestTailIsZeroTellsReservedFilesApart(t *testing.T) {
	pix := make([]uint8, 1000*1000)
	pix[0] = 1
	for _, want := range []bool{true, false} {
		if !want {
			pix[len(pix)-1] = 1
		}
		var b bytes.Buffer
		require.NoError(t, EncodeGray8(&b, pix, 1000, 1000, GrayOptions{}))
		got, err := TailIsZero(bytes.NewReader(b.Bytes()), int64(b.Len()))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

// build makes a TIFF in either byte order, classic or Big, from fields of unsigned integers and the bytes of
// its strips or tiles, whose offsets and counts are filled in.
func build(order binary.AppendByteOrder, big bool, fields map[uint16][]uint64, tiled bool, chunks ...[]byte) []byte {
	out := []byte("II")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		out = []byte("MM")
	}
	if big {
		out = order.AppendUint16(out, 43)
		out = order.AppendUint16(order.AppendUint16(out, 8), 0)
	} else {
		out = order.AppendUint16(out, 42)
	}
	word := func(b []byte, v uint64) []byte {
		if big {
			return order.AppendUint64(b, v)
		}
		return order.AppendUint32(b, uint32(v))
	}
	at := len(out)
	out = word(out, 0)
	offsets, counts := uint16(TagStripOffsets), uint16(TagStripByteCounts)
	if tiled {
		offsets, counts = TagTileOffsets, TagTileByteCounts
	}
	var o, c []uint64
	for _, p := range chunks {
		o, c = append(o, uint64(len(out))), append(c, uint64(len(p)))
		out = append(out, p...)
	}
	fields[offsets], fields[counts] = o, c
	type placed struct {
		id    uint16
		count int
		value uint64
	}
	var dir []placed
	for id := range uint16(1000) {
		v, ok := fields[id]
		if !ok {
			continue
		}
		if len(v) == 1 {
			dir = append(dir, placed{id, 1, v[0]})
			continue
		}
		dir = append(dir, placed{id, len(v), uint64(len(out))})
		for _, x := range v {
			out = word(out, x)
		}
	}
	start := word(nil, uint64(len(out)))
	copy(out[at:], start)
	typ := Long
	if big {
		out, typ = order.AppendUint64(out, uint64(len(dir))), Long8
	} else {
		out = order.AppendUint16(out, uint16(len(dir)))
	}
	for _, d := range dir {
		out = order.AppendUint16(order.AppendUint16(out, d.id), uint16(typ))
		out = word(word(out, uint64(d.count)), d.value)
	}
	return word(out, 0)
}

func plain(w, h, bits uint64) map[uint16][]uint64 {
	return map[uint16][]uint64{
		TagImageWidth: {w}, TagImageLength: {h}, TagBitsPerSample: {bits}, TagCompression: {1}, TagPhotometric: {1},
		TagRowsPerStrip: {h},
	}
}

func TestByteOrdersAndBigTIFF(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, big := range []bool{false, true} {
			pix := order.AppendUint16(order.AppendUint16(nil, 0x1234), 0xfffe)
			r := raster(t, build(order, big, plain(2, 1, 16), false, pix))
			got := make([]uint16, 2)
			require.NoError(t, r.Gray16(t.Context(), got))
			require.Equal(t, []uint16{0x1234, 0xfffe}, got)
			labels := make([]int32, 2)
			require.NoError(t, r.Labels(t.Context(), labels))
			require.Equal(t, []int32{0x1234, 0xfffe}, labels)
		}
	}
}

func TestColourBecomesLuminance(t *testing.T) {
	rgb := plain(2, 1, 8)
	rgb[TagPhotometric], rgb[TagSamplesPerPixel] = []uint64{2}, []uint64{3}
	got := make([]uint8, 2)
	require.NoError(t, raster(t, build(binary.LittleEndian, false, rgb, false, []byte{255, 0, 0, 77, 77, 77})).Gray8(t.Context(), got))
	require.Equal(t, []uint8{76, 77}, got)

	rgb[TagPlanarConfig] = []uint64{2}
	require.NoError(t, raster(t, build(binary.LittleEndian, false, rgb, false, []byte{255, 77}, []byte{0, 77}, []byte{0, 77})).Gray8(t.Context(), got))
	require.Equal(t, []uint8{76, 77}, got)

	white := plain(2, 1, 8)
	white[TagPhotometric] = []uint64{0}
	require.NoError(t, raster(t, build(binary.LittleEndian, false, white, false, []byte{0, 200})).Gray8(t.Context(), got))
	require.Equal(t, []uint8{255, 55}, got)

	palette := plain(2, 1, 8)
	cmap := make([]uint64, 768)
	for i := range cmap {
		cmap[i] = uint64(255-i%256) << 8
	}
	palette[TagPhotometric], palette[TagColorMap] = []uint64{3}, cmap
	r := raster(t, build(binary.LittleEndian, false, palette, false, []byte{0, 200}))
	require.NoError(t, r.Gray8(t.Context(), got))
	require.Equal(t, []uint8{255, 55}, got)
	ids := make([]int32, 2)
	require.NoError(t, r.Labels(t.Context(), ids))
	require.Equal(t, []int32{0, 200}, ids)
}

func TestTilesAreCutToTheImage(t *testing.T) {
	const w, h, tile = 40, 20, 16
	fields := plain(w, h, 8)
	delete(fields, TagRowsPerStrip)
	fields[TagTileWidth], fields[TagTileLength] = []uint64{tile}, []uint64{tile}
	want := make([]uint8, w*h)
	for i := range want {
		want[i] = uint8(i % 251)
	}
	var tiles [][]byte
	for y := 0; y < h; y += tile {
		for x := 0; x < w; x += tile {
			b := make([]byte, tile*tile)
			for i := range b {
				if u, v := x+i%tile, y+i/tile; u < w && v < h {
					b[i] = want[v*w+u]
				}
			}
			tiles = append(tiles, b)
		}
	}
	got := make([]uint8, w*h)
	require.NoError(t, raster(t, build(binary.BigEndian, true, fields, true, tiles...)).Gray8(t.Context(), got))
	require.Equal(t, want, got)
}

func TestPackBitsAndPredictor(t *testing.T) {
	fields := plain(6, 1, 8)
	fields[TagCompression] = []uint64{compressionPackBits}
	got := make([]uint8, 6)
	require.NoError(t, raster(t, build(binary.LittleEndian, false, fields, false, []byte{0xfd, 9, 0x80, 1, 7, 8})).Gray8(t.Context(), got))
	require.Equal(t, []uint8{9, 9, 9, 9, 7, 8}, got)

	row := []byte{10, 1, 255, 2}
	(&Raster{page: &Page{file: &File{order: binary.LittleEndian}}, depth: 8, channels: 1, predictor: 2}).undoPredictor(new(worker), row)
	require.Equal(t, []byte{10, 11, 10, 12}, row)
}

func TestLowBitDepthsSpreadOverTheRange(t *testing.T) {
	got := make([]uint8, 4)
	require.NoError(t, raster(t, build(binary.LittleEndian, false, plain(4, 1, 4), false, []byte{0x0f, 0x81})).Gray8(t.Context(), got))
	require.Equal(t, []uint8{0, 255, 136, 17}, got)
	require.NoError(t, raster(t, build(binary.LittleEndian, false, plain(4, 1, 1), false, []byte{0b0101_0000})).Gray8(t.Context(), got))
	require.Equal(t, []uint8{0, 255, 0, 255}, got)
}
