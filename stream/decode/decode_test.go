package decode

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	return b.Bytes()
}

func jpegOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, m, &jpeg.Options{Quality: 100}))
	return b.Bytes()
}

func grey(w, h int) *image.Gray {
	return &image.Gray{Pix: ramp8(w, h), Stride: w, Rect: image.Rect(0, 0, w, h)}
}

func grey16Image(w, h int) *image.Gray16 {
	m := image.NewGray16(image.Rect(0, 0, w, h))
	for i, v := range ramp16(w, h) {
		binary.BigEndian.PutUint16(m.Pix[2*i:], v)
	}
	return m
}

func pgmOf(w, h, maximum int, pix []byte) []byte {
	return append(fmt.Appendf(nil, "P5\n# made by a test\n%d %d\n%d\n", w, h, maximum), pix...)
}

func TestFileDecidesByContentAndKeepsThePixels(t *testing.T) {
	const w, h = 97, 71
	be := make([]byte, 0, 2*w*h)
	for _, v := range ramp16(w, h) {
		be = binary.BigEndian.AppendUint16(be, v)
	}
	var t16 bytes.Buffer
	require.NoError(t, tiff.EncodeGray16(&t16, ramp16(w, h), w, h, tiff.GrayOptions{Deflate: true}))
	for name, c := range map[string]struct {
		data []byte
		bits int
	}{
		"tiff8.dat":  {tiff8(t, w, h, tiff.GrayOptions{}), 8},
		"tiff16.png": {t16.Bytes(), 16},
		"png8.tif":   {pngOf(t, grey(w, h)), 8},
		"png16.tif":  {pngOf(t, grey16Image(w, h)), 16},
		"pgm8":       {pgmOf(w, h, 255, ramp8(w, h)), 8},
		"pgm16":      {pgmOf(w, h, 65535, be), 16},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, name, c.data)
			require.True(t, IsImage(path))
			require.NoError(t, Complete(path))
			f, err := File(t.Context(), path)
			require.NoError(t, err)
			defer f.Release()
			require.Equal(t, [2]int{w, h}, [2]int{f.Width, f.Height})
			require.Equal(t, [2]string{path, name}, [2]string{f.Path, f.Name})
			sum := sha256.Sum256(c.data)
			require.Equal(t, hex.EncodeToString(sum[:]), f.SHA256)
			if c.bits == 8 {
				require.Equal(t, ramp8(w, h), f.Gray8)
				require.Nil(t, f.Gray16)
			} else {
				require.Equal(t, ramp16(w, h), f.Gray16)
				require.Nil(t, f.Gray8)
			}
		})
	}
}

func TestColourIsReducedToLuminance(t *testing.T) {
	rect := image.Rect(0, 0, 80, 66)
	fill := func(set func(x, y int)) {
		for y := range rect.Dy() {
			for x := range rect.Dx() {
				set(x, y)
			}
		}
	}
	red := color.NRGBA{200, 40, 10, 255}
	want := (19595*200 + 38470*40 + 7471*10 + 32768) >> 16
	rgba, nrgba := image.NewRGBA(rect), image.NewNRGBA(rect)
	pal := image.NewPaletted(rect, color.Palette{color.Black, red})
	deep := image.NewNRGBA64(rect)
	fill(func(x, y int) {
		rgba.Set(x, y, red)
		nrgba.Set(x, y, color.NRGBA{200, 40, 10, 99})
		pal.SetColorIndex(x, y, 1)
		deep.Set(x, y, red)
	})
	for name, data := range map[string][]byte{
		"rgb": pngOf(t, rgba), "rgba": pngOf(t, nrgba), "palette": pngOf(t, pal), "rgb16": pngOf(t, deep), "jpeg": jpegOf(t, rgba),
	} {
		f, err := File(t.Context(), write(t, name, data))
		require.NoError(t, err, name)
		if f.Gray16 != nil {
			require.InDelta(t, want*257, int(f.Gray16[1234]), 260, name)
		} else {
			require.InDelta(t, want, int(f.Gray8[1234]), 2, name)
		}
		f.Release()
	}
}

func TestBadFilesGiveOneLineWithPathCauseAndRemedy(t *testing.T) {
	whole := tiff8(t, 200, 200, tiff.GrayOptions{})
	wholePNG, wholeJPEG := pngOf(t, grey(200, 200)), jpegOf(t, grey(200, 200))
	huge := bytes.Clone(whole)
	for _, id := range []uint16{tiff.TagImageWidth, tiff.TagImageLength} {
		at := bytes.Index(huge, binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(nil, id), uint16(tiff.Long)))
		binary.LittleEndian.PutUint32(huge[at+8:], 100000)
	}
	hugePNG := bytes.Clone(wholePNG)
	binary.BigEndian.PutUint32(hugePNG[16:], 100000)
	binary.BigEndian.PutUint32(hugePNG[29:], crc32.ChecksumIEEE(hugePNG[12:29]))
	emptyPNG := bytes.Clone(hugePNG)
	binary.BigEndian.PutUint32(emptyPNG[16:], 32768)
	binary.BigEndian.PutUint32(emptyPNG[20:], 32768)
	binary.BigEndian.PutUint32(emptyPNG[29:], crc32.ChecksumIEEE(emptyPNG[12:29]))
	for name, c := range map[string]struct {
		data   []byte
		kind   error
		remedy string
	}{
		"empty.tif":     {nil, ErrTruncated, "copy it again"},
		"text.tif":      {[]byte("hello, microscope"), ErrNotImage, "save it as"},
		"cut.tif":       {whole[:len(whole)/2], tiff.ErrTruncated, "copy it again"},
		"cut.png":       {wholePNG[:len(wholePNG)/2], ErrTruncated, "copy it again"},
		"cut.jpg":       {wholeJPEG[:len(wholeJPEG)/2], ErrTruncated, "copy it again"},
		"cut.pgm":       {pgmOf(100, 100, 255, make([]byte, 9000)), ErrTruncated, "copy it again"},
		"plain.pgm":     {[]byte("P2 9 3 99 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26"), ErrTruncated, "copy it again"},
		"above.pgm":     {[]byte("P2 2 1 99 5 100"), ErrCorrupt, "export the image again"},
		"header.pgm":    {[]byte("P5 10"), ErrTruncated, "copy it again"},
		"100000.tif":    {huge, tiff.ErrTooLarge, "crop or downsample"},
		"100000.png":    {hugePNG, ErrTooLarge, "crop or downsample"},
		"32768.png":     {emptyPNG, ErrTruncated, "copy it again"},
		"100000.pgm":    {pgmOf(100000, 100000, 255, nil), ErrTooLarge, "crop or downsample"},
		"32768.pgm":     {pgmOf(32768, 32768, 255, nil), ErrTruncated, "copy it again"},
		"picture.tif":   {[]byte("GIF89a0123456789012345"), ErrUnsupported, "save it as"},
		"signature.tif": {[]byte("II*\x00"), tiff.ErrTruncated, "copy it again"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, name, c.data)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f, err := File(t.Context(), path)
			runtime.ReadMemStats(&after)
			require.Nil(t, f)
			require.Error(t, err)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), "allocated for a bad file")
			if c.kind != nil {
				require.ErrorIs(t, err, c.kind)
			}
			require.True(t, strings.HasPrefix(err.Error(), path+": "), err.Error())
			require.NotContains(t, err.Error(), "\n")
			require.Contains(t, err.Error(), c.remedy)
			require.Equal(t, 1, strings.Count(err.Error(), path))
		})
	}
	_, err := File(t.Context(), filepath.Join(t.TempDir(), "missing.tif"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "; check the path")
	_, err = File(t.Context(), t.TempDir())
	require.ErrorIs(t, err, ErrNotImage)
}

func TestValidateNamesSizeAndRemedy(t *testing.T) {
	require.NoError(t, Validate(&stream.Frame{Width: 64, Height: 16384}))
	err := Validate(&stream.Frame{Path: "d/a.tif", Width: 63, Height: 900})
	require.ErrorIs(t, err, ErrTooSmall)
	require.ErrorContains(t, err, "d/a.tif: image too small: 63 x 900 px, at least 64 x 64 needed")
	require.ErrorIs(t, Validate(&stream.Frame{Name: "s", Width: 16385, Height: 900}), ErrTooLarge)
}

func TestCompleteSeesEveryCut(t *testing.T) {
	for name, data := range map[string][]byte{
		"a.tif": tiff8(t, 100, 90, tiff.GrayOptions{Deflate: true}),
		"a.png": pngOf(t, grey(100, 90)),
		"a.jpg": jpegOf(t, grey(100, 90)),
		"a.pgm": pgmOf(100, 90, 255, ramp8(100, 90)),
		"b.pgm": []byte("P2 9 3 99\n" + strings.Repeat("11 12 13 ", 9)),
	} {
		path := write(t, name, data)
		require.NoError(t, Complete(path), name)
		for _, n := range []int{0, 1, 7, 20, len(data) / 2, len(data) - 3} {
			require.NoError(t, os.Truncate(path, 0))
			require.NoError(t, os.WriteFile(path, data[:n], 0o600))
			err := Complete(path)
			require.Error(t, err, "%s cut at %d", name, n)
			require.NotContains(t, err.Error(), "\n")
		}
	}
	padded := append(jpegOf(t, grey(100, 90)), make([]byte, 500)...)
	require.NoError(t, Complete(write(t, "padded.jpg", padded)))
	padded = append(pngOf(t, grey(100, 90)), "trailer"...)
	require.NoError(t, Complete(write(t, "padded.png", padded)))
}

func TestReleasedPixelsAreLentAgain(t *testing.T) {
	path := write(t, "a.tif", tiff8(t, 1024, 1024, tiff.GrayOptions{}))
	decodeOnce := func() {
		f, err := File(t.Context(), path)
		require.NoError(t, err)
		f.Release()
		f.Release() // harmless
	}
	decodeOnce()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const n = 20
	for range n {
		decodeOnce()
	}
	runtime.ReadMemStats(&after)
	// The collector may empty the pool once in a while, and the race detector drops at random.
	require.Less(t, (after.TotalAlloc-before.TotalAlloc)/n, uint64(1<<20))
}

func TestSizeClassesWasteAQuarterAtMost(t *testing.T) {
	for n := 1; n < 1<<20; n += 1 + n/7 {
		_, size := class(n)
		require.GreaterOrEqual(t, size, n)
		require.LessOrEqual(t, size, max(64, n+n/4+1))
		c, again := class(size)
		require.Equal(t, size, again)
		first, _ := class(n)
		require.Equal(t, first, c)
	}
	c, _ := class(1 << 36)
	require.Less(t, c, len(pool8.classes))
}

func BenchmarkFileTIFF8(b *testing.B) {
	path := write(b, "a.tif", tiff8(b, 1024, 1024, tiff.GrayOptions{}))
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		f, err := File(b.Context(), path)
		if err != nil {
			b.Fatal(err)
		}
		f.Release()
	}
}

func BenchmarkFileTIFF8Deflate(b *testing.B) {
	path := write(b, "a.tif", tiff8(b, 1024, 1024, tiff.GrayOptions{Deflate: true}))
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		f, err := File(b.Context(), path)
		if err != nil {
			b.Fatal(err)
		}
		f.Release()
	}
}

func BenchmarkFilePNG8(b *testing.B) {
	path := write(b, "a.png", pngOf(b, grey(1024, 1024)))
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		f, err := File(b.Context(), path)
		if err != nil {
			b.Fatal(err)
		}
		f.Release()
	}
}
