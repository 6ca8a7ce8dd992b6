package tiff

import (
	"context"
	"encoding/binary"
	"fmt"
)

// Rec. 601 luminance weights in 16-bit fixed point; they sum to 65536, so that grey stays grey.
const (
	weightR = 19595
	weightG = 38470
	weightB = 7471
)

// GreyBits is the depth to decode to: 8 (Gray8) for samples of up to 8 bits and for palettes, 16 (Gray16)
// for 16-bit samples. The error wraps ErrUnsupported and names the remedy.
func (r *Raster) GreyBits() (int, error) {
	const remedy = "re-save it as 8 or 16-bit grey"
	switch {
	case r.format == 2:
		return 0, fmt.Errorf("%w: signed samples; %s", ErrUnsupported, remedy)
	case r.format != 1:
		return 0, fmt.Errorf("%w: floating-point samples; %s", ErrUnsupported, remedy)
	case r.Bits > 16:
		return 0, fmt.Errorf("%w: %d bits per sample; %s", ErrUnsupported, r.Bits, remedy)
	}
	switch r.photometric {
	case photometricBlackIsZero, photometricWhiteIsZero:
		if r.Samples > 2 || r.Samples == 2 && r.Bits < 8 {
			return 0, fmt.Errorf("%w: %d channels; save the wanted channel as grey", ErrUnsupported, r.Samples)
		}
	case photometricPalette:
		if r.Samples > 2 || r.Samples == 2 && r.Bits < 8 || r.Bits > 8 {
			return 0, fmt.Errorf("%w: palette of %d-bit indices; %s", ErrUnsupported, r.Bits, remedy)
		}
	case photometricRGB:
		if r.Samples < 3 || r.Bits < 8 {
			return 0, fmt.Errorf("%w: RGB of %d samples of %d bits; %s", ErrUnsupported, r.Samples, r.Bits, remedy)
		}
	}
	if r.Bits == 16 {
		return 16, nil
	}
	return 8, nil
}

// Gray8 decodes into dst (Width*Height, row-major): min-is-white is inverted, palettes and RGB become Rec. 601
// luminance, 1, 2 and 4-bit grey is spread over 0..255, alpha is left out. On an error dst holds rubbish.
func (r *Raster) Gray8(ctx context.Context, dst []uint8) error {
	bits, err := r.GreyBits()
	if err != nil {
		return err
	}
	if bits != 8 {
		return fmt.Errorf("%w: 16-bit samples asked for as 8-bit", ErrUnsupported)
	}
	r.checkLen(len(dst))
	lut, err := r.lookup8()
	if err != nil {
		return err
	}
	step := r.Samples
	if r.planar {
		step = 1
	}
	rgb := r.photometric == photometricRGB
	plain := r.photometric == photometricBlackIsZero && r.Bits == 8
	return r.decode(ctx, func(x, y, px int, planes [][]byte) {
		out := dst[y*r.Width+x:][:px]
		src := planes[0]
		switch {
		case rgb && r.planar:
			luma8(out, src, planes[1], planes[2], 1)
		case rgb:
			luma8(out, src, src[1:], src[2:], step)
		case plain && step == 1:
			copy(out, src)
		case r.Bits == 8:
			for i := range out {
				out[i] = lut[src[i*step]]
			}
		default:
			unpackBits(out, src, r.Bits)
			for i, v := range out {
				out[i] = lut[v]
			}
		}
	})
}

// Gray16 decodes 16-bit samples into dst (Width*Height, row-major), as Gray8 does 8-bit ones.
func (r *Raster) Gray16(ctx context.Context, dst []uint16) error {
	bits, err := r.GreyBits()
	if err != nil {
		return err
	}
	if bits != 16 {
		return fmt.Errorf("%w: %d-bit samples asked for as 16-bit", ErrUnsupported, r.Bits)
	}
	r.checkLen(len(dst))
	step := 2 * r.Samples
	if r.planar {
		step = 2
	}
	big := r.bigEndian()
	var invert uint16
	if r.photometric == photometricWhiteIsZero {
		invert = 0xffff
	}
	rgb := r.photometric == photometricRGB
	return r.decode(ctx, func(x, y, px int, planes [][]byte) {
		out := dst[y*r.Width+x:][:px]
		src := planes[0]
		switch {
		case rgb && r.planar:
			luma16(out, src, planes[1], planes[2], 2, big)
		case rgb:
			luma16(out, src, src[2:], src[4:], step, big)
		default:
			grey16(out, src, step, big, invert)
		}
	})
}

// lookup8 maps a stored index or level of up to 8 bits to grey.
func (r *Raster) lookup8() (*[256]uint8, error) {
	lut := new([256]uint8)
	levels := 1 << min(r.Bits, 8)
	if r.photometric != photometricPalette {
		for v := range levels {
			lut[v] = uint8(v * 255 / (levels - 1))
			if r.photometric == photometricWhiteIsZero {
				lut[v] = 255 - lut[v]
			}
		}
		return lut, nil
	}
	cmap, err := r.page.Uints(TagColorMap)
	if err != nil {
		return nil, err
	}
	if len(cmap) < 3*levels {
		return nil, fmt.Errorf("%w: colour map of %d values, %d needed", ErrFormat, len(cmap), 3*levels)
	}
	shift := 0 // some writers fill the map with 8-bit values
	for _, v := range cmap {
		if v > 255 {
			shift = 8
			break
		}
	}
	for v := range levels {
		red, green, blue := cmap[v]>>shift, cmap[levels+v]>>shift, cmap[2*levels+v]>>shift
		lut[v] = uint8((weightR*red + weightG*green + weightB*blue + 1<<15) >> 16)
	}
	return lut, nil
}

// unpackBits spreads samples of 1, 2 or 4 bits, most significant first, over bytes.
func unpackBits(dst []uint8, src []byte, bits int) {
	perByte := 8 / bits
	mask := byte(1<<bits - 1)
	for i := range dst {
		shift := 8 - bits*(i%perByte+1)
		dst[i] = src[i/perByte] >> shift & mask
	}
}

// luma8 reduces 8-bit colour to luminance; r, g and b step through their samples.
func luma8(dst []uint8, r, g, b []byte, step int) {
	for i := range dst {
		k := i * step
		dst[i] = uint8((weightR*uint32(r[k]) + weightG*uint32(g[k]) + weightB*uint32(b[k]) + 1<<15) >> 16)
	}
}

// luma16 is luma8 for 16-bit samples; step is in bytes.
func luma16(dst []uint16, r, g, b []byte, step int, big bool) {
	for i := range dst {
		k := i * step
		var red, green, blue uint64
		if big {
			red, green, blue = uint64(binary.BigEndian.Uint16(r[k:])), uint64(binary.BigEndian.Uint16(g[k:])), uint64(binary.BigEndian.Uint16(b[k:]))
		} else {
			red, green, blue = uint64(binary.LittleEndian.Uint16(r[k:])), uint64(binary.LittleEndian.Uint16(g[k:])), uint64(binary.LittleEndian.Uint16(b[k:]))
		}
		dst[i] = uint16((weightR*red + weightG*green + weightB*blue + 1<<15) >> 16)
	}
}

// grey16 reads 16-bit samples, step bytes apart, and flips them where invert is 0xffff.
func grey16(dst []uint16, src []byte, step int, big bool, invert uint16) {
	switch {
	case big:
		for i := range dst {
			dst[i] = binary.BigEndian.Uint16(src[i*step:]) ^ invert
		}
	case step == 2:
		src = src[:2*len(dst)]
		for i := range dst {
			dst[i] = binary.LittleEndian.Uint16(src[2*i:2*i+2]) ^ invert
		}
	default:
		for i := range dst {
			dst[i] = binary.LittleEndian.Uint16(src[i*step:]) ^ invert
		}
	}
}
