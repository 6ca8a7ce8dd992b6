package tiff

import (
	"context"
	"encoding/binary"
	"math"
	"math/bits"
	"sync"
)

// scaling maps samples of more than 16 bits, and floats, to 0..65535: level = (value - low) * factor.
//
// Whole numbers that all lie within 0..65535 stay as they are. Floats that all lie within 0..1, and reach
// the upper half of it, are taken for fractions of full scale. Everything else is spread from the page's
// smallest to its largest finite value. NaN and -Inf become 0, +Inf becomes 65535. An image of one value
// becomes 0.
type scaling struct{ low, factor float64 }

// wide decodes such samples in two passes, the first of which finds their range: memory stays that of the
// result.
func (r *Raster) wide(ctx context.Context, dst []uint16) error {
	s, err := r.scaling(ctx)
	if err != nil {
		return err
	}
	step := r.interleaved()
	white := r.photometric == photometricWhiteIsZero && r.format == formatFloat
	if r.plainFloats() {
		big := r.bigEndian()
		return r.decode(ctx, nil, func(_ *worker, x, y, px int, planes [][]byte) {
			s.floats(dst[y*r.Width+x:][:px], planes[0], big)
		})
	}
	return r.decode(ctx, nil, func(w *worker, x, y, px int, planes [][]byte) {
		out := dst[y*r.Width+x:][:px]
		var p [4][]uint16
		for k, row := range planes {
			n := px * step
			w.levels.floats, w.levels.u16[k] = grown(w.levels.floats, n), grown(w.levels.u16[k], n)
			r.values(w.levels.floats, row, &w.levels.ints)
			s.levels(w.levels.u16[k], w.levels.floats, white)
			p[k] = w.levels.u16[k]
		}
		if len(planes) == 1 {
			for k := 1; k < r.used(); k++ {
				p[k] = p[0][k:]
			}
		}
		r.mix16(out, p, step)
	})
}

// scaling finds the range of the channels that make the grey value and chooses by the rule above.
func (r *Raster) scaling(ctx context.Context) (scaling, error) {
	lowest, highest := math.Inf(1), math.Inf(-1)
	var mu sync.Mutex
	step, used := r.interleaved(), r.used()
	plain, big := r.plainFloats(), r.bigEndian()
	if r.planes() > 1 {
		used = 1
	}
	err := r.decode(ctx, nil, func(w *worker, _, _, px int, planes [][]byte) {
		low, high := math.Inf(1), math.Inf(-1)
		if plain {
			low, high = floatRange(planes[0][:4*px], big)
			planes = nil
		}
		for _, row := range planes {
			w.levels.floats = grown(w.levels.floats, px*step)
			r.values(w.levels.floats, row, &w.levels.ints)
			for i := 0; i < len(w.levels.floats); i += step {
				for _, v := range w.levels.floats[i : i+used] {
					if v < low && v >= -math.MaxFloat64 {
						low = v
					}
					if v > high && v <= math.MaxFloat64 {
						high = v
					}
				}
			}
		}
		mu.Lock()
		defer mu.Unlock()
		lowest, highest = min(lowest, low), max(highest, high)
	})
	return choose(lowest, highest, r.format == formatFloat), err
}

func choose(low, high float64, float bool) scaling {
	switch {
	case low > high: // nothing is finite
		return scaling{}
	case !float && low >= 0 && high <= 65535:
		return scaling{0, 1}
	case float && low >= 0 && high >= 0.5 && high <= 1:
		return scaling{0, 65535}
	}
	factor := 65535 / (high/2 - low/2) / 2 // the range itself may overflow
	if math.IsInf(factor, 0) {
		factor = 0
	}
	return scaling{low, factor}
}

// levels maps a row; white inverts it but for NaN.
func (s scaling) levels(dst []uint16, values []float64, white bool) {
	for i, v := range values {
		level := (v-s.low)*s.factor + 0.5
		switch {
		case math.IsNaN(v): // nothing was measured here
			dst[i] = 0
			continue
		case level >= 65535 || v > math.MaxFloat64:
			level = 65535
		case !(level > 0):
			level = 0
		}
		dst[i] = uint16(level)
		if white {
			dst[i] = 65535 - dst[i]
		}
	}
}

// plainFloats reports the common case of 32-bit floats in one channel, which has loops of its own.
func (r *Raster) plainFloats() bool {
	return r.format == formatFloat && r.depth == 32 && r.interleaved() == 1 && r.used() == 1 && r.photometric != photometricWhiteIsZero
}

// floatRange returns the smallest and the largest finite value of a row.
func floatRange(row []byte, big bool) (low, high float64) {
	lowest, highest := float32(math.Inf(1)), float32(math.Inf(-1))
	for ; len(row) >= 4; row = row[4:] {
		u := binary.LittleEndian.Uint32(row)
		if big {
			u = bits.ReverseBytes32(u)
		}
		if u>>23&0xff == 0xff { // not finite
			continue
		}
		v := math.Float32frombits(u)
		lowest, highest = min(lowest, v), max(highest, v)
	}
	return float64(lowest), float64(highest)
}

// floats maps a row of 32-bit floats.
func (s scaling) floats(dst []uint16, row []byte, big bool) {
	row = row[:4*len(dst)]
	for i := range dst {
		u := binary.LittleEndian.Uint32(row[4*i : 4*i+4])
		if big {
			u = bits.ReverseBytes32(u)
		}
		v := math.Float32frombits(u)
		level := (float64(v)-s.low)*s.factor + 0.5
		switch {
		case level > 0 && level < 65535:
			dst[i] = uint16(level)
		case level >= 65535 || v > math.MaxFloat32:
			dst[i] = 65535
		default: // NaN, too
			dst[i] = 0
		}
	}
}
