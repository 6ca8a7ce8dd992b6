package tiff

import (
	"context"
	"fmt"
	"unsafe"
)

// Rec. 601 luminance weights in 16-bit fixed point; they sum to 65536, so that grey stays grey.
const (
	weightR = 19595
	weightG = 38470
	weightB = 7471
)

// GreyBits is the depth to decode to: 8 (Gray8) for integers of up to 8 bits and for palettes of them, else
// 16 (Gray16). The error wraps ErrUnsupported and names the remedy.
func (r *Raster) GreyBits() (int, error) {
	if r.photometric == photometricMask {
		return 0, fmt.Errorf("%w: a transparency mask is no image; give the page it belongs to", ErrUnsupported)
	}
	if r.depth <= 8 {
		return 8, nil
	}
	return 16, nil
}

// Gray8 decodes integers of up to 8 bits into dst (Width*Height, row-major): fewer bits are spread over
// 0..255, signed ones moved up by half their range, min-is-white is inverted; palettes, RGB and CMYK become
// Rec. 601 luminance, YCbCr is its Y; alpha and other extra channels are left out. On an error dst holds
// rubbish.
func (r *Raster) Gray8(ctx context.Context, dst []uint8) error {
	if bits, err := r.GreyBits(); err != nil || bits != 8 {
		return r.wrongDepth(err)
	}
	r.checkLen(len(dst))
	lut, err := r.lookup8()
	if err != nil {
		return err
	}
	colour := r.used() > 1
	plain := r.depth == 8 && lut.plain
	if !colour && r.inPlace(1) {
		return r.decode(ctx, dst, func(_ *worker, _, _, _ int, planes [][]byte) {
			if !plain {
				for i, v := range planes[0] {
					planes[0][i] = lut.grey[v]
				}
			}
		})
	}
	step := r.interleaved()
	return r.decode(ctx, nil, func(w *worker, x, y, px int, planes [][]byte) {
		out := dst[y*r.Width+x:][:px]
		switch {
		case colour:
			p := r.channels8(w, &lut.level, planes, px)
			if r.photometric == photometricSeparated {
				ink8(out, p, step)
			} else {
				luma8(out, p[0], p[1], p[2], step)
			}
		case r.depth == 8:
			src := planes[0]
			for i := range out {
				out[i] = lut.grey[src[i*step]]
			}
		default:
			w.levels.ints = grown(w.levels.ints, px*step)
			r.ints(w.levels.ints, planes[0])
			for i := range out {
				out[i] = lut.grey[w.levels.ints[i*step]]
			}
		}
	})
}

// channels8 returns a row's channels as levels 0..255, step samples from pixel to pixel. With one plane they
// begin one sample after another in the same row.
func (r *Raster) channels8(w *worker, level *[256]uint8, planes [][]byte, px int) [4][]uint8 {
	var p [4][]uint8
	step := r.interleaved()
	for k, row := range planes {
		if r.depth != 8 || r.format == formatSigned {
			n := px * step
			w.levels.ints, w.levels.u8[k] = grown(w.levels.ints, n), grown(w.levels.u8[k], n)
			r.ints(w.levels.ints, row)
			for i, v := range w.levels.ints {
				w.levels.u8[k][i] = level[v]
			}
			row = w.levels.u8[k]
		}
		p[k] = row
	}
	if len(planes) == 1 {
		for k := 1; k < r.used(); k++ {
			p[k] = p[0][k:]
		}
	}
	return p
}

// Gray16 decodes samples of more than 8 bits into dst (Width*Height, row-major), as Gray8 does the others.
// Integers of 9 to 16 bits are spread over 0..65535. Longer ones and floats are mapped by the rule of
// package documentation (see scaling).
func (r *Raster) Gray16(ctx context.Context, dst []uint16) error {
	if bits, err := r.GreyBits(); err != nil || bits != 16 {
		return r.wrongDepth(err)
	}
	r.checkLen(len(dst))
	if r.depth > 16 || r.format == formatFloat {
		return r.wide(ctx, dst)
	}
	lut, err := r.lookup16()
	if err != nil {
		return err
	}
	step := r.interleaved()
	colour := r.used() > 1
	if !colour && lut == nil && r.inPlace(2) && len(dst) > 0 {
		target := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(dst))), 2*len(dst))
		swap, flip := r.bigEndian() != hostBigEndian(), r.flip16()
		return r.decode(ctx, target, func(_ *worker, _, y, _ int, _ [][]byte) {
			if swap || flip != 0 {
				for i, v := range dst[y*r.Width:][:r.Width] {
					if swap {
						v = v<<8 | v>>8
					}
					dst[y*r.Width+i] = v ^ flip
				}
			}
		})
	}
	return r.decode(ctx, nil, func(w *worker, x, y, px int, planes [][]byte) {
		out := dst[y*r.Width+x:][:px]
		p := r.channels16(w, lut, planes, px)
		r.mix16(out, p, step)
	})
}

// mix16 turns the channels of a row into grey; p[k] has a sample in every step-th element.
func (r *Raster) mix16(out []uint16, p [4][]uint16, step int) {
	switch {
	case r.used() <= 1:
		for i := range out {
			out[i] = p[0][i*step]
		}
	case r.photometric == photometricSeparated:
		ink16(out, p, step)
	default:
		luma16(out, p[0], p[1], p[2], step)
	}
}

// channels16 is channels8 for samples of 9 to 16 bits; grey ones come as grey.
func (r *Raster) channels16(w *worker, lut []uint16, planes [][]byte, px int) [4][]uint16 {
	var p [4][]uint16
	n := px * r.interleaved()
	for k, row := range planes {
		w.levels.u16[k] = grown(w.levels.u16[k], n)
		p[k] = w.levels.u16[k]
		if lut == nil {
			grey16(p[k], row, r.bigEndian(), r.flip16())
			continue
		}
		w.levels.ints = grown(w.levels.ints, n)
		r.ints(w.levels.ints, row)
		for i, v := range w.levels.ints {
			p[k][i] = lut[v]
		}
	}
	if len(planes) == 1 {
		for k := 1; k < r.used(); k++ {
			p[k] = p[0][k:]
		}
	}
	return p
}

// flip16 is what 16-bit samples are combined with: half the range for signed ones, all for min-is-white.
func (r *Raster) flip16() uint16 {
	var flip uint16
	if r.format == formatSigned {
		flip = 0x8000
	}
	if r.photometric == photometricWhiteIsZero {
		flip ^= 0xffff
	}
	return flip
}

func (r *Raster) wrongDepth(err error) error {
	if err == nil {
		err = fmt.Errorf("%w: %d-bit samples asked for at another depth", ErrUnsupported, r.Bits)
	}
	return err
}

// hostBigEndian reports this computer's byte order.
func hostBigEndian() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 0
}
