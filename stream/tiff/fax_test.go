package tiff

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// faxWriter encodes rows for the tests.
type faxWriter struct {
	bits []byte // one each
}

func (f *faxWriter) put(code uint16, length int) {
	for k := length - 1; k >= 0; k-- {
		f.bits = append(f.bits, byte(code>>k&1))
	}
}

func (f *faxWriter) align(n int) {
	for len(f.bits)%n != 0 {
		f.bits = append(f.bits, 0)
	}
}

// run writes a run of one colour.
func (f *faxWriter) run(colour, n int) {
	codes := [][]faxCode{faxWhite, faxBlack}[colour]
	put := func(list []faxCode, run int) {
		for _, c := range list {
			if int(c.run) == run {
				f.put(c.code, int(c.length))
			}
		}
	}
	for ; n >= 2560; n -= 2560 {
		put(faxLong, 2560)
	}
	if long := n / 64 * 64; long >= 1792 {
		put(faxLong, long)
	} else if long > 0 {
		put(codes, long)
	}
	put(codes, n%64)
}

// row writes runs of white and black in turn.
func (f *faxWriter) row(pixels []byte) {
	for x, colour := 0, 0; x < len(pixels); colour ^= 1 {
		n := 0
		for x+n < len(pixels) && int(pixels[x+n]) == colour {
			n++
		}
		f.run(colour, n)
		x += n
	}
}

func (f *faxWriter) bytes() []byte {
	f.align(8)
	out := make([]byte, len(f.bits)/8)
	for i, b := range f.bits {
		out[i/8] |= b << (7 - i%8)
	}
	return out
}

func TestFaxSchemes(t *testing.T) {
	const w, h = 2900, 12
	rng := rand.New(rand.NewPCG(5, 6))
	pixels := make([][]byte, h)
	for y := range pixels {
		pixels[y] = make([]byte, w)
		for x, colour := 0, byte(0); x < w; colour ^= 1 {
			n := 1 + int(rng.ExpFloat64()*float64(uint(1)<<(y)))
			for ; n > 0 && x < w; n-- {
				pixels[y][x] = colour
				x++
			}
		}
		if y == 7 {
			copy(pixels[y], pixels[y-1]) // for the second dimension
		}
	}
	for name, c := range map[string]struct {
		scheme, options uint64
		encode          func(f *faxWriter, y int)
	}{
		"modified Huffman":           {compressionRLE, 0, func(f *faxWriter, y int) { f.align(8); f.row(pixels[y]) }},
		"modified Huffman, words":    {compressionRLEW, 0, func(f *faxWriter, y int) { f.align(16); f.row(pixels[y]) }},
		"Group 3":                    {compressionFax3, 0, func(f *faxWriter, y int) { f.put(1, 12); f.row(pixels[y]) }},
		"Group 3 with fill bits":     {compressionFax3, 4, func(f *faxWriter, y int) { f.put(0, 4); f.align(8); f.put(1, 16); f.row(pixels[y]) }},
		"Group 3 without ends":       {compressionFax3, 0, func(f *faxWriter, y int) { f.row(pixels[y]) }},
		"Group 3 in two dimensions":  {compressionFax3, 1, twoDimensions(pixels)},
		"Group 4 of equal rows only": {compressionFax4, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			fields := plain(w, h, 1)
			fields[TagCompression], fields[TagPhotometric], fields[TagT4Options] = []uint64{c.scheme}, []uint64{0}, []uint64{c.options}
			f := &faxWriter{}
			want := pixels
			if c.encode == nil { // the first row against white by horizontal mode, the others are the same
				want = make([][]byte, h)
				for y := range want {
					want[y] = make([]byte, w)
					for x := 100; x < 250; x++ {
						want[y][x] = 1
					}
				}
				f.put(0b001, 3)
				f.run(0, 100)
				f.run(1, 150)
				f.put(1, 1) // the end of the row
				for range h - 1 {
					f.put(0b111, 3)
				}
			} else {
				for y := range h {
					c.encode(f, y)
				}
			}
			data := f.bytes()
			got := grey(t, raster(t, build(binary.LittleEndian, false, fields, false, data)))
			for i, v := range got {
				require.EqualValues(t, 255*(1-int(want[i/w][i%w])), v, "pixel %d of row %d", i%w, i/w)
			}
			r := raster(t, build(binary.LittleEndian, false, fields, false, data[:len(data)/2]))
			require.ErrorIs(t, decodeErr(t, r), ErrTruncated)
		})
	}
	fields := plain(w, h, 1)
	fields[TagCompression] = []uint64{compressionFax4}
	require.ErrorIs(t, decodeErr(t, raster(t, build(binary.LittleEndian, false, fields, false, []byte{0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}))), ErrFormat)
	fields[TagT6Options] = []uint64{2}
	_, err := parsed(t, build(binary.LittleEndian, false, fields, false, make([]byte, 99))).Raster()
	require.ErrorIs(t, err, ErrUnsupported)
}

// twoDimensions writes a row equal to the one before by vertical modes, others in one dimension.
func twoDimensions(pixels [][]byte) func(f *faxWriter, y int) {
	return func(f *faxWriter, y int) {
		f.put(1, 12)
		if y != 7 {
			f.put(1, 1)
			f.row(pixels[y])
			return
		}
		f.put(0, 1)
		before := byte(0)
		for _, v := range pixels[y] {
			if v != before {
				f.put(1, 1)
			}
			before = v
		}
		f.put(1, 1)
	}
}

func parsed(t testing.TB, data []byte) *Page {
	t.Helper()
	f, err := Parse(Bytes(data), int64(len(data)))
	require.NoError(t, err)
	return f.Pages[0]
}
