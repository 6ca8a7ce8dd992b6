package decode

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream/tiff"
)

func TestLabelsKeepIdsExactly(t *testing.T) {
	const w, h = 30, 20
	want := make([]int32, w*h)
	for i := range want {
		want[i] = int32(i % 251)
	}
	g8, g16 := image.NewGray(image.Rect(0, 0, w, h)), image.NewGray16(image.Rect(0, 0, w, h))
	palette := make(color.Palette, 256)
	for i := range palette {
		palette[i] = color.RGBA{uint8(i * 37), uint8(i * 91), uint8(255 - i), 255}
	}
	pal := image.NewPaletted(image.Rect(0, 0, w, h), palette)
	var be []byte
	plain := []byte("P2 # by hand\n30 20\n250\n")
	for i, v := range want {
		plain = fmt.Appendf(plain, "%d%c", v, " \n"[i%w/(w-1)])
		g8.Pix[i], pal.Pix[i] = uint8(v), uint8(v)
		binary.BigEndian.PutUint16(g16.Pix[2*i:], uint16(v))
		be = binary.BigEndian.AppendUint16(be, uint16(v))
	}
	var t16 bytes.Buffer
	require.NoError(t, tiff.EncodeLabels(&t16, want, w, h))
	for name, data := range map[string][]byte{
		"png8": pngOf(t, g8), "png16": pngOf(t, g16), "palette": pngOf(t, pal), "tiff16": t16.Bytes(),
		"pgm8": pgmOf(w, h, 255, g8.Pix), "pgm16": pgmOf(w, h, 65535, be), "pgm8 of few levels": pgmOf(w, h, 251, g8.Pix),
		"plain pgm": plain, "plain pgm without end": bytes.TrimSpace(plain),
	} {
		got, gw, gh, err := Labels(write(t, name, data))
		require.NoError(t, err, name)
		require.Equal(t, [2]int{w, h}, [2]int{gw, gh}, name)
		require.Equal(t, want, got, name)
	}

	want[5] = math.MaxInt32
	var t32 bytes.Buffer
	require.NoError(t, tiff.EncodeLabels(&t32, want, w, h))
	got, _, _, err := Labels(write(t, "tiff32", t32.Bytes()))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestLabelsRefuseWhatAltersIds(t *testing.T) {
	rgb := image.NewRGBA(image.Rect(0, 0, 70, 70))
	for i := range rgb.Pix {
		rgb.Pix[i] = 255
	}
	for name, data := range map[string][]byte{
		"colour.png": pngOf(t, rgb), "lossy.jpg": jpegOf(t, grey(70, 70)), "no.tif": []byte("no image here at all"),
		"65bit.tif": bytes.Replace(tiff8(t, 70, 70, tiff.GrayOptions{}), []byte("\x02\x01\x03\x00\x01\x00\x00\x00\x08"),
			[]byte("\x02\x01\x03\x00\x01\x00\x00\x00\x41"), 1), // BitsPerSample
	} {
		path := write(t, name, data)
		_, _, _, err := Labels(path)
		require.Error(t, err, name)
		require.ErrorContains(t, err, path)
		require.ErrorContains(t, err, "save")
		require.ErrorContains(t, err, "16-bit", "a picture format that spoils ids is no remedy")
		require.NotContains(t, err.Error(), "8 or 16")
	}
}

func TestLowBitPNGLabelsAreNotStretched(t *testing.T) {
	var idat bytes.Buffer
	z := zlib.NewWriter(&idat)
	_, err := z.Write([]byte{0, 0b00_01_10_11}) // no filter, four 2-bit samples
	require.NoError(t, err)
	require.NoError(t, z.Close())
	data := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, body []byte) {
		data = binary.BigEndian.AppendUint32(data, uint32(len(body)))
		data = append(append(data, kind...), body...)
		data = binary.BigEndian.AppendUint32(data, crc32.ChecksumIEEE(data[len(data)-len(body)-4:]))
	}
	chunk("IHDR", []byte{0, 0, 0, 4, 0, 0, 0, 1, 2, 0, 0, 0, 0})
	chunk("IDAT", idat.Bytes())
	chunk("IEND", nil)
	got, _, _, err := Labels(write(t, "a.png", data))
	require.NoError(t, err)
	require.Equal(t, []int32{0, 1, 2, 3}, got)
}
