package tiff

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"sync/atomic"
)

// LabelsOK reports whether Labels can read the pixels as ids. The error wraps ErrUnsupported.
func (r *Raster) LabelsOK() error {
	switch {
	case r.Samples != 1 || r.photometric == photometricRGB:
		return fmt.Errorf("%w: a label image has one channel of ids, this one is colour (%d channels); save the ids as 16 or 32-bit grey",
			ErrUnsupported, r.Samples)
	case r.format != 1 && r.format != 2:
		return fmt.Errorf("%w: floating-point labels; save the ids as 16 or 32-bit integers", ErrUnsupported)
	}
	return nil
}

// Labels decodes a label image into dst (Width*Height, row-major): one integer sample per pixel, 1 to 32
// bits, the ids exactly as stored; a palette's indices are the ids, min-is-white is not inverted. Colour,
// floating point and negative ids are errors.
func (r *Raster) Labels(ctx context.Context, dst []int32) error {
	if err := r.LabelsOK(); err != nil {
		return err
	}
	r.checkLen(len(dst))
	big := r.bigEndian()
	signed := r.format == 2
	var outside atomic.Int64 // an id that is no label
	err := r.decode(ctx, func(x, y, px int, planes [][]byte) {
		out := dst[y*r.Width+x:][:px]
		src := planes[0]
		lowest := int32(0)
		switch r.Bits {
		case 8:
			for i := range out {
				out[i] = int32(src[i])
				if signed {
					out[i] = int32(int8(src[i]))
					lowest = min(lowest, out[i])
				}
			}
		case 16:
			for i := range out {
				v := binary.LittleEndian.Uint16(src[2*i:])
				if big {
					v = v<<8 | v>>8
				}
				out[i] = int32(v)
				if signed {
					out[i] = int32(int16(v))
					lowest = min(lowest, out[i])
				}
			}
		case 32:
			for i := range out {
				v := binary.LittleEndian.Uint32(src[4*i:])
				if big {
					v = binary.BigEndian.Uint32(src[4*i:])
				}
				out[i] = int32(v)
				lowest = min(lowest, out[i])
			}
		default:
			perByte := 8 / r.Bits
			for i := range out {
				out[i] = int32(src[i/perByte] >> (8 - r.Bits*(i%perByte+1)) & byte(1<<r.Bits-1))
			}
		}
		if lowest < 0 {
			outside.Store(int64(lowest))
		}
	})
	if err != nil {
		return err
	}
	if v := outside.Load(); v < 0 {
		if !signed {
			v += 1 << 32
		}
		return fmt.Errorf("%w: label %d; ids go from 0 (background) to %d, renumber them", ErrUnsupported, v, math.MaxInt32)
	}
	return nil
}
