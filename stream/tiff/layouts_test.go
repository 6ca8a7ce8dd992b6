package tiff

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// pack writes samples of any number of bits as TIFF stores a row: whole 16, 32 and 64-bit samples in the byte
// order, others as bits.
func pack(order binary.AppendByteOrder, bitsPer int, samples []uint64) []byte {
	var out []byte
	if bitsPer%16 == 0 && bitsPer != 48 {
		for _, v := range samples {
			switch bitsPer {
			case 16:
				out = order.AppendUint16(out, uint16(v))
			case 32:
				out = order.AppendUint32(out, uint32(v))
			case 64:
				out = order.AppendUint64(out, v)
			}
		}
		return out
	}
	bit := 0
	for _, v := range samples {
		for k := bitsPer - 1; k >= 0; k-- {
			if bit%8 == 0 {
				out = append(out, 0)
			}
			out[bit/8] |= byte(v>>k&1) << (7 - bit%8)
			bit++
		}
	}
	return out
}

// Every integer depth, in both byte orders, with and without horizontal differences, comes to the level that
// the package documentation promises.
func TestIntegersOfEveryDepthBecomeTheirLevels(t *testing.T) {
	const w, h = 13, 5
	deflate := codecs(t)[compressionDeflate]
	rng := rand.New(rand.NewPCG(7, 7))
	for depth := 1; depth <= 64; depth++ {
		mask := uint64(math.MaxUint64) >> (64 - depth)
		values := make([]uint64, w*h)
		for i := range values {
			values[i] = rng.Uint64() & mask
		}
		values[0], values[1] = 0, mask
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			for _, predictor := range []uint64{1, 2} {
				var data []byte
				for y := range h {
					row := append([]uint64(nil), values[y*w:][:w]...)
					if predictor == 2 {
						for x := w - 1; x > 0; x-- {
							row[x] = (row[x] - row[x-1]) & mask
						}
					}
					data = append(data, pack(order, depth, row)...)
				}
				for _, white := range []uint64{0, 1} {
					fields := plain(w, h, uint64(depth))
					fields[TagPredictor], fields[TagPhotometric] = []uint64{predictor}, []uint64{white}
					stored := data
					if predictor == 2 {
						fields[TagCompression], stored = []uint64{compressionDeflate}, deflate(data)
					}
					r := raster(t, build(order, false, fields, false, stored))
					name := fmt.Sprintf("%d bits, predictor %d, photometric %d", depth, predictor, white)
					got := grey(t, r)
					for i, v := range values {
						if white == 0 {
							v = mask - v
						}
						require.EqualValues(t, level(v, mask), got[i], name)
					}
				}
			}
		}
	}
}

func TestPredictorsOfUncompressedBytesAreIgnoredAsEverywhere(t *testing.T) {
	fields := plain(3, 1, 8)
	fields[TagPredictor] = []uint64{2}
	require.Equal(t, []uint16{10, 20, 30}, grey(t, raster(t, build(binary.LittleEndian, false, fields, false, []byte{10, 20, 30}))))
}

// level is what an unsigned integer becomes.
func level(v, top uint64) uint64 {
	full := uint64(65535)
	switch {
	case top <= 255:
		full = 255
	case top > 65535: // the page's range is all of it
		return uint64(math.Floor(float64(v)/float64(top)*65535 + 0.5))
	}
	hi, lo := bits.Mul64(v, full)
	if hi != 0 {
		panic("small")
	}
	return (lo + top/2) / top
}

// grey decodes at either depth.
func grey(t testing.TB, r *Raster) []uint16 {
	t.Helper()
	n := r.Width * r.Height
	depth, err := r.GreyBits()
	require.NoError(t, err)
	out := make([]uint16, n)
	if depth == 16 {
		require.NoError(t, r.Gray16(t.Context(), out))
		return out
	}
	p := make([]uint8, n)
	require.NoError(t, r.Gray8(t.Context(), p))
	for i, v := range p {
		out[i] = uint16(v)
	}
	return out
}

func TestSignedIntegersMoveUpByHalfTheirRange(t *testing.T) {
	for depth, want := range map[uint64][]uint16{
		4: {0, 119, 136, 255}, 8: {0, 127, 128, 255}, 12: {0, 32759, 32776, 65535}, 16: {0, 32767, 32768, 65535},
	} {
		lowest := uint64(1) << (depth - 1)
		samples := []uint64{lowest, lowest<<1 - 1, 0, lowest - 1} // lowest, -1, 0, highest
		fields := plain(4, 1, depth)
		fields[TagSampleFormat] = []uint64{2}
		require.Equal(t, want, grey(t, raster(t, build(binary.LittleEndian, false, fields, false, pack(binary.LittleEndian, int(depth), samples)))), depth)
	}
	fields := plain(3, 1, 32)
	fields[TagSampleFormat] = []uint64{2}
	negative := int32(-100)
	data := pack(binary.LittleEndian, 32, []uint64{uint64(uint32(negative)), 0, 100})
	require.Equal(t, []uint16{0, 32768, 65535}, grey(t, raster(t, build(binary.LittleEndian, false, fields, false, data))))
}

func TestWideValuesFollowTheDocumentedRule(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for name, c := range map[string]struct {
		values []float64
		want   []uint16
	}{
		"fractions of full scale":      {[]float64{0, 0.25, 0.5, 1}, []uint16{0, 16384, 32768, 65535}},
		"a dark range is spread":       {[]float64{0, 0.001, 0.002, 0.004}, []uint16{0, 16384, 32768, 65535}},
		"counts are spread":            {[]float64{100, 200, 300, 500}, []uint16{0, 16384, 32768, 65535}},
		"negative ones too":            {[]float64{-2, -1, 0, 2}, []uint16{0, 16384, 32768, 65535}},
		"what is not finite":           {[]float64{nan, -inf, inf, 1}, []uint16{0, 0, 65535, 65535}},
		"beside a range":               {[]float64{nan, 10, inf, 20}, []uint16{0, 0, 65535, 65535}},
		"one value":                    {[]float64{7, 7, 7, 7}, []uint16{0, 0, 0, 0}},
		"nothing":                      {[]float64{nan, nan, nan, nan}, []uint16{0, 0, 0, 0}},
		"the whole range of the type":  {[]float64{-math.MaxFloat64, 0, 0, math.MaxFloat64}, []uint16{0, 32768, 32768, 65535}},
		"less than what can be spread": {[]float64{5e-324, 5e-324, 0, 0}, []uint16{0, 0, 0, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, depth := range []int{32, 64} {
				samples := make([]uint64, len(c.values))
				for i, v := range c.values {
					if samples[i] = math.Float64bits(v); depth == 32 {
						samples[i] = uint64(math.Float32bits(float32(v)))
					}
				}
				if depth == 32 && (math.Abs(c.values[0]) > math.MaxFloat32 || c.values[0] == 5e-324) {
					continue
				}
				fields := plain(uint64(len(samples)), 1, uint64(depth))
				fields[TagSampleFormat] = []uint64{3}
				require.Equal(t, c.want, grey(t, raster(t, build(binary.BigEndian, true, fields, false, pack(binary.BigEndian, depth, samples)))))
			}
		})
	}
	fields := plain(3, 1, 32)
	data := pack(binary.LittleEndian, 32, []uint64{0, 300, 65535})
	require.Equal(t, []uint16{0, 300, 65535}, grey(t, raster(t, build(binary.LittleEndian, false, fields, false, data))), "small integers stay")
}

func TestSmallFloats(t *testing.T) {
	for v, want := range map[uint64]float64{
		0: 0, 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0001: math.Ldexp(1, -24), 0x0400: math.Ldexp(1, -14), 0x7c00: math.Inf(1), 0xfc00: math.Inf(-1),
	} {
		require.Equal(t, want, smallFloat(v, 5, 10), "%#x", v)
	}
	require.True(t, math.IsNaN(smallFloat(0x7e00, 5, 10)))
	require.Equal(t, 1.0, smallFloat(0x3f0000, 7, 16))
}

func TestCMYKAndExtraChannels(t *testing.T) {
	fields := plain(3, 1, 8)
	fields[TagPhotometric], fields[TagSamplesPerPixel] = []uint64{5}, []uint64{4}
	data := []byte{0, 0, 0, 0, 255, 255, 255, 0, 0, 0, 0, 255}
	require.Equal(t, []uint16{255, 0, 0}, grey(t, raster(t, build(binary.LittleEndian, false, fields, false, data))))
	fields[TagBitsPerSample] = []uint64{16}
	data = pack(binary.LittleEndian, 16, []uint64{0, 0, 0, 0, 65535, 65535, 65535, 0, 0, 0, 0, 32768})
	require.Equal(t, []uint16{65535, 0, 32767}, grey(t, raster(t, build(binary.LittleEndian, false, fields, false, data))))

	fields = plain(2, 1, 8)
	fields[TagSamplesPerPixel] = []uint64{3} // grey and two channels more: they are left out
	require.Equal(t, []uint16{10, 20}, grey(t, raster(t, build(binary.LittleEndian, false, fields, false, []byte{10, 1, 2, 20, 3, 4}))))
}

func TestSubsampledYCbCrIsItsLuminance(t *testing.T) {
	const w, h = 5, 3
	fields := plain(w, h, 8)
	fields[TagPhotometric], fields[TagSamplesPerPixel], fields[TagYCbCrSubSampling] = []uint64{6}, []uint64{3}, []uint64{2, 2}
	var data []byte
	at := func(x, y int) byte { return byte(10*y + x) }
	for y := 0; y < h; y += 2 {
		for x := 0; x < w; x += 2 {
			data = append(data, at(x, y), at(x+1, y), at(x, y+1), at(x+1, y+1), 128, 128)
		}
	}
	got := grey(t, raster(t, build(binary.LittleEndian, false, fields, false, data)))
	for i, v := range got {
		require.EqualValues(t, at(i%w, i/w), v)
	}
}
