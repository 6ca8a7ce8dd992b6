package tiff

import (
	"encoding/binary"
	"math"
)

// levels holds a worker's rows between unpacking and grey.
type levels struct {
	ints   []uint64
	floats []float64
	u8     [4][]uint8
	u16    [4][]uint16
	temp   []byte
}

// ints spreads a row's samples over dst as unsigned numbers. Samples that fill no whole bytes follow one
// another without gaps, most significant bit first; rows begin on bytes. Their differences are summed here.
func (r *Raster) ints(dst []uint64, row []byte) {
	big := r.bigEndian()
	switch r.depth {
	case 8:
		for i := range dst {
			dst[i] = uint64(row[i])
		}
	case 16:
		for i := range dst {
			if v := row[2*i : 2*i+2]; big {
				dst[i] = uint64(v[0])<<8 | uint64(v[1])
			} else {
				dst[i] = uint64(v[1])<<8 | uint64(v[0])
			}
		}
	case 24: // integers are written as bits, like those of other odd sizes, floats in the file's byte order
		for i := range dst {
			if v := row[3*i : 3*i+3]; big || r.format != formatFloat {
				dst[i] = uint64(v[0])<<16 | uint64(v[1])<<8 | uint64(v[2])
			} else {
				dst[i] = uint64(v[2])<<16 | uint64(v[1])<<8 | uint64(v[0])
			}
		}
	case 32:
		for i := range dst {
			if v := row[4*i : 4*i+4]; big {
				dst[i] = uint64(binary.BigEndian.Uint32(v))
			} else {
				dst[i] = uint64(binary.LittleEndian.Uint32(v))
			}
		}
	case 64:
		for i := range dst {
			if v := row[8*i : 8*i+8]; big {
				dst[i] = binary.BigEndian.Uint64(v)
			} else {
				dst[i] = binary.LittleEndian.Uint64(v)
			}
		}
	default:
		unpackBits(dst, row, r.depth)
	}
	if r.predictor == 2 && r.depth != 8 && r.depth != 16 && r.depth != 32 && r.depth != 64 {
		mask := uint64(1)<<r.depth - 1
		for i := r.interleaved(); i < len(dst); i++ {
			dst[i] = (dst[i] + dst[i-r.interleaved()]) & mask
		}
	}
}

// unpackBits spreads samples of any number of bits, most significant first, over dst.
func unpackBits(dst []uint64, src []byte, bits int) {
	mask := uint64(1)<<bits - 1
	if bits > 56 { // the accumulator holds 56 bits and one byte more
		unpackLongBits(dst, src, bits)
		return
	}
	var acc uint64
	have, at := 0, 0
	for i := range dst {
		for have < bits {
			acc = acc<<8 | uint64(src[at])
			at++
			have += 8
		}
		have -= bits
		dst[i] = acc >> have & mask
	}
}

// unpackLongBits is unpackBits for samples of 57 to 63 bits.
func unpackLongBits(dst []uint64, src []byte, bits int) {
	at := 0 // bit
	for i := range dst {
		var v uint64
		for k := range bits {
			bit := at + k
			v = v<<1 | uint64(src[bit>>3]>>(7-bit&7)&1)
		}
		dst[i] = v
		at += bits
	}
}

// values spreads a row's samples over dst as numbers of their own format, the higher the brighter but for
// floats that are min-is-white. temp is scratch.
func (r *Raster) values(dst []float64, row []byte, temp *[]uint64) {
	if r.format == formatFloat && r.depth == 32 { // the common case of its own
		if r.bigEndian() {
			for i := range dst {
				dst[i] = float64(math.Float32frombits(binary.BigEndian.Uint32(row[4*i:])))
			}
			return
		}
		for i := range dst {
			dst[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(row[4*i:])))
		}
		return
	}
	ints := grown(*temp, len(dst))
	*temp = ints
	r.ints(ints, row)
	if r.photometric == photometricWhiteIsZero && r.format != formatFloat { // 0 is the highest value
		mask := uint64(math.MaxUint64) >> (64 - r.depth)
		for i, v := range ints {
			ints[i] = ^v & mask
		}
	}
	switch {
	case r.format == formatUnsigned:
		for i, v := range ints {
			dst[i] = float64(v)
		}
	case r.format == formatSigned:
		shift := 64 - r.depth
		for i, v := range ints {
			dst[i] = float64(int64(v<<shift) >> shift)
		}
	case r.depth == 16:
		for i, v := range ints {
			dst[i] = smallFloat(v, 5, 10)
		}
	case r.depth == 24:
		for i, v := range ints {
			dst[i] = smallFloat(v, 7, 16)
		}
	default:
		for i, v := range ints {
			dst[i] = math.Float64frombits(v)
		}
	}
}

// smallFloat reads a floating-point number of a sign, exponent bits and mantissa bits, as IEEE 754 builds
// its 16-bit ones and Adobe the 24-bit ones.
func smallFloat(v uint64, exponent, mantissa int) float64 {
	m := float64(v & (1<<mantissa - 1))
	top := uint64(1)<<exponent - 1
	e := v >> mantissa & top
	bias := 1<<(exponent-1) - 1
	one := float64(uint64(1) << mantissa)
	var f float64
	switch {
	case e == top && m == 0:
		f = math.Inf(1)
	case e == top:
		return math.NaN()
	case e == 0:
		f = math.Ldexp(m/one, 1-bias)
	default:
		f = math.Ldexp(1+m/one, int(e)-bias)
	}
	if v>>(exponent+mantissa)&1 == 1 {
		return -f
	}
	return f
}
