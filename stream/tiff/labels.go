package tiff

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
)

// LabelsOK reports whether Labels can read the pixels as ids. The error wraps ErrUnsupported.
func (r *Raster) LabelsOK() error {
	switch {
	case r.isJPEG():
		return fmt.Errorf("%w: JPEG alters label ids; save them as 16 or 32-bit grey", ErrUnsupported)
	case r.Samples != 1 || r.photometric == photometricRGB:
		return fmt.Errorf("%w: a label image has one channel of ids, this one is colour (%d channels); save the ids as 16 or 32-bit grey",
			ErrUnsupported, r.Samples)
	case r.format == formatFloat:
		return fmt.Errorf("%w: floating-point labels; save the ids as 16 or 32-bit integers", ErrUnsupported)
	}
	return nil
}

// Labels decodes a label image into dst (Width*Height, row-major): one integer sample per pixel, 1 to 64
// bits, the ids exactly as stored; a palette's indices are the ids, min-is-white is not inverted. Colour,
// floating point, negative ids and those above 2^31-1 are errors.
func (r *Raster) Labels(ctx context.Context, dst []int32) error {
	if err := r.LabelsOK(); err != nil {
		return err
	}
	r.checkLen(len(dst))
	shift := 0
	if r.format == formatSigned {
		shift = 64 - r.depth
	}
	var outside atomic.Pointer[string] // an id that is no label
	err := r.decode(ctx, nil, func(w *worker, x, y, px int, planes [][]byte) {
		out := dst[y*r.Width+x:][:px]
		w.levels.ints = grown(w.levels.ints, px)
		r.ints(w.levels.ints, planes[0])
		for i, v := range w.levels.ints {
			if shift > 0 {
				v = uint64(int64(v<<shift) >> shift)
			}
			if v > math.MaxInt32 {
				text := fmt.Sprint(v)
				if shift > 0 {
					text = fmt.Sprint(int64(v))
				}
				outside.Store(&text)
				return
			}
			out[i] = int32(v)
		}
	})
	if err != nil {
		return err
	}
	if v := outside.Load(); v != nil {
		return fmt.Errorf("%w: label %s; ids go from 0 (background) to %d, renumber them", ErrUnsupported, *v, math.MaxInt32)
	}
	return nil
}
