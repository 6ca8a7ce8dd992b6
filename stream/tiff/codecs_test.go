package tiff

import (
	"bytes"
	"compress/lzw"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// codecs are lossless schemes with an encoder at hand.
func codecs(t testing.TB) map[uint64]func(p []byte) []byte {
	z, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return map[uint64]func(p []byte) []byte{
		compressionNone: func(p []byte) []byte { return p },
		compressionDeflate: func(p []byte) []byte {
			var b bytes.Buffer
			w := zlib.NewWriter(&b)
			_, _ = w.Write(p)
			_ = w.Close()
			return b.Bytes()
		},
		compressionLZW: func(p []byte) []byte { // as drafts of TIFF 5 had it, which is GIF's
			var b bytes.Buffer
			w := lzw.NewWriter(&b, lzw.LSB, 8)
			_, _ = w.Write(p)
			_ = w.Close()
			return b.Bytes()
		},
		compressionZstd: func(p []byte) []byte { return z.EncodeAll(p, nil) },
		compressionPackBits: func(p []byte) []byte {
			var out []byte
			for len(p) > 0 {
				n := min(len(p), 100)
				out = append(append(out, byte(n-1)), p[:n]...)
				p = p[n:]
			}
			return out
		},
	}
}

// Strips and tiles, interleaved and planar, of every lossless scheme, from memory and from a file, in either
// fill order.
func TestLayoutsTimesCodecs(t *testing.T) {
	const w, h, tile = 150, 70, 32
	rng := rand.New(rand.NewPCG(3, 4))
	channel := make([][]uint64, 3)
	for c := range channel {
		channel[c] = make([]uint64, w*h)
		for i := range channel[c] {
			channel[c][i] = rng.Uint64() & 0xffff
		}
	}
	want := make([]uint16, w*h)
	for i := range want {
		want[i] = uint16((weightR*channel[0][i] + weightG*channel[1][i] + weightB*channel[2][i] + 1<<15) >> 16)
	}
	part := func(x0, y0, tw, th int, cs ...int) []byte { // a chunk's bytes, padded
		var samples []uint64
		for y := y0; y < y0+th; y++ {
			for x := x0; x < x0+tw; x++ {
				for _, c := range cs {
					v := uint64(0)
					if x < w && y < h {
						v = channel[c][y*w+x]
					}
					samples = append(samples, v)
				}
			}
		}
		return pack(binary.LittleEndian, 16, samples)
	}
	for scheme, encode := range codecs(t) {
		for _, tiled := range []bool{false, true} {
			for _, planar := range []bool{false, true} {
				for _, lsb := range []bool{false, true} {
					fields := plain(w, h, 16)
					fields[TagPhotometric], fields[TagSamplesPerPixel], fields[TagCompression] = []uint64{2}, []uint64{3}, []uint64{scheme}
					fields[TagRowsPerStrip] = []uint64{20}
					groups := [][]int{{0, 1, 2}}
					if planar {
						fields[TagPlanarConfig] = []uint64{2}
						groups = [][]int{{0}, {1}, {2}}
					}
					cw, ch := w, 20
					if tiled {
						cw, ch = tile, tile
						fields[TagTileWidth], fields[TagTileLength] = []uint64{tile}, []uint64{tile}
					}
					var chunks [][]byte
					for _, g := range groups {
						for y := 0; y < h; y += ch {
							for x := 0; x < w; x += cw {
								rows := ch
								if !tiled {
									rows = min(ch, h-y)
								}
								p := encode(part(x, y, cw, rows, g...))
								if lsb {
									p = reversed(p)
								}
								chunks = append(chunks, p)
							}
						}
					}
					if lsb {
						fields[TagFillOrder] = []uint64{2}
					}
					name := fmt.Sprintf("scheme %d, tiled %v, planar %v, lsb %v", scheme, tiled, planar, lsb)
					data := build(binary.LittleEndian, true, fields, tiled, chunks...)
					require.Equal(t, want, grey(t, raster(t, data)), name)
					f, err := Parse(struct{ io.ReaderAt }{bytes.NewReader(data)}, int64(len(data)))
					require.NoError(t, err)
					r, err := f.Pages[0].Raster()
					require.NoError(t, err)
					require.Equal(t, want, grey(t, r), name+", not in memory")
				}
			}
		}
	}
}

func TestFloatPredictor(t *testing.T) {
	const w, h = 37, 3
	values := make([]uint64, w*h)
	want := make([]uint16, w*h)
	for i := range values {
		v := float32(i) / (w*h - 1)
		values[i] = uint64(math.Float32bits(v))
		want[i] = uint16(math.Floor(float64(v)*65535 + 0.5))
	}
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		var data []byte
		for y := range h {
			row := make([]byte, 4*w)
			for x, v := range values[y*w:][:w] {
				for b := range 4 {
					row[b*w+x] = byte(v >> (24 - 8*b))
				}
			}
			for i := len(row) - 1; i > 0; i-- {
				row[i] -= row[i-1]
			}
			data = append(data, row...)
		}
		fields := plain(w, h, 32)
		fields[TagSampleFormat], fields[TagPredictor], fields[TagCompression] = []uint64{3}, []uint64{3}, []uint64{compressionDeflate}
		require.Equal(t, want, grey(t, raster(t, build(order, false, fields, false, codecs(t)[compressionDeflate](data)))))
	}
}

func TestJPEGStripsBecomeLuminance(t *testing.T) {
	const w, h = 100, 48
	img := image.NewGray(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = uint8(i % w * 2)
	}
	encode := func(m image.Image) []byte {
		var b bytes.Buffer
		require.NoError(t, jpeg.Encode(&b, m, &jpeg.Options{Quality: 95}))
		return b.Bytes()
	}
	fields := plain(w, h, 8)
	fields[TagCompression], fields[TagRowsPerStrip] = []uint64{7}, []uint64{16}
	var strips [][]byte
	for y := 0; y < h; y += 16 {
		strips = append(strips, encode(img.SubImage(image.Rect(0, y, w, y+16))))
	}
	got := grey(t, raster(t, build(binary.LittleEndian, false, fields, false, strips...)))
	for i, v := range got {
		require.InDelta(t, img.Pix[i], v, 3)
	}
	require.ErrorIs(t, raster(t, build(binary.LittleEndian, false, fields, false, strips...)).LabelsOK(), ErrUnsupported)

	colour := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range colour.Pix {
		colour.Pix[i] = uint8(i / 4 % w)
	}
	fields[TagPhotometric], fields[TagSamplesPerPixel], fields[TagRowsPerStrip] = []uint64{6}, []uint64{3}, []uint64{h}
	got = grey(t, raster(t, build(binary.LittleEndian, false, fields, false, encode(colour))))
	for i, v := range got {
		require.InDelta(t, i%w, v, 4)
	}
	// A JPEG that is smaller than its strip, and one that is none.
	fields[TagImageWidth] = []uint64{200}
	require.ErrorIs(t, decodeErr(t, raster(t, build(binary.LittleEndian, false, fields, false, encode(colour)))), ErrFormat)
	require.ErrorIs(t, decodeErr(t, raster(t, build(binary.LittleEndian, false, fields, false, make([]byte, 999)))), ErrFormat)
}

func decodeErr(t testing.TB, r *Raster) error {
	t.Helper()
	return r.Gray8(t.Context(), make([]uint8, r.Width*r.Height))
}

// lzwEncode is a plain encoder of TIFF's own LZW.
func lzwEncode(p []byte) []byte {
	var out []byte
	var acc uint64
	have, width, next := 0, 9, lzwFirst
	put := func(code int) {
		acc = acc<<width | uint64(code)
		for have += width; have >= 8; have -= 8 {
			out = append(out, byte(acc>>(have-8)))
		}
	}
	put(lzwClear)
	table := map[string]int{}
	code := func(s string) int {
		if len(s) == 1 {
			return int(s[0])
		}
		return table[s]
	}
	s := ""
	for _, b := range p {
		longer := s + string([]byte{b})
		if _, ok := table[longer]; ok || len(longer) == 1 {
			s = longer
			continue
		}
		put(code(s))
		table[longer] = next
		if next++; next == 1<<width-1+1 && width < 12 {
			width++
		}
		if next == lzwCodes-2 {
			put(lzwClear)
			clear(table)
			width, next = 9, lzwFirst
		}
		s = string([]byte{b})
	}
	if s != "" {
		put(code(s))
	}
	put(lzwEnd)
	put(0) // padding
	return out
}

func TestLZWOfEveryWidth(t *testing.T) {
	const w, h = 400, 300
	rng := rand.New(rand.NewPCG(8, 9))
	pixels := make([]byte, w*h)
	for i := range pixels { // runs and noise: long strings and full tables
		if pixels[i] = byte(rng.Uint32() >> 29); i > w && i%700 < 350 {
			pixels[i] = pixels[i-1]
		}
	}
	fields := plain(w, h, 8)
	fields[TagCompression] = []uint64{compressionLZW}
	data := lzwEncode(pixels)
	got := make([]uint8, w*h)
	require.NoError(t, raster(t, build(binary.LittleEndian, false, fields, false, data)).Gray8(t.Context(), got))
	require.Equal(t, pixels, got)
	require.ErrorIs(t, decodeErr(t, raster(t, build(binary.LittleEndian, false, fields, false, data[:len(data)/2]))), ErrTruncated)
	for range 100 { // damaged data end in an error or in wrong pixels, never elsewhere
		bad := bytes.Clone(data)
		bad[rng.IntN(len(bad))] ^= byte(1 + rng.IntN(255))
		_ = raster(t, build(binary.LittleEndian, false, fields, false, bad)).Gray8(t.Context(), got)
	}
}
