package infer

import "math"

// The packed form of a network (training/pack.py) takes the image as bytes and leaves the field channels last, so
// that no step inside it moves values about. Both are in blocks of 2x2 px, row by row.
const (
	packedIn  = 8            // bytes of a block: four coarse, four fine
	packedOut = 4 * Channels // values of a block: channel 4c + 2y + x is plane c of its px (y, x)

	// A grey value is coarseStep*(coarse-packedZero) + fineStep*(fine-packedZero).
	finePerCoarse = 16
	fineStep      = 1.0 / 512
	packedZero    = 102
)

// pack writes an image of w x h px, both even, as blocks to dst, w*h*2 bytes: each value to the nearest 1/512,
// those outside -3.2 .. 4.8 to the end of that range.
func pack(dst []uint8, image []float32, w, h int) {
	bands(h/2, func(from, to int) {
		for y := from; y < to; y++ {
			upper, lower := image[2*y*w:][:w], image[(2*y+1)*w:][:w]
			out := dst[y*w*packedIn/2:][:w*packedIn/2]
			for x := 0; x < w; x += 2 {
				b := out[:packedIn:packedIn]
				out = out[packedIn:]
				b[0], b[4] = split(upper[x])
				b[1], b[5] = split(upper[x+1])
				b[2], b[6] = split(lower[x])
				b[3], b[7] = split(lower[x+1])
			}
		}
	})
}

// split is the coarse and the fine byte of a grey value; NaN counts as the least.
func split(v float32) (coarse, fine uint8) {
	const least, most = -packedZero * finePerCoarse, (math.MaxUint8 - packedZero) * finePerCoarse
	steps := v * (1 / fineStep)
	if !(steps > least) {
		steps = least
	} else if steps > most {
		steps = most
	}
	// from here on whole, positive numbers of fine steps, counted from the least
	whole := uint32(steps + (0.5 - least))
	up := (whole + finePerCoarse/2) / finePerCoarse
	return uint8(up), uint8(packedZero + whole - up*finePerCoarse)
}

// unpack writes the planes of a field of w x h px, both even, to dst.
func unpack(dst, blocks []float32, w, h int) {
	area := w * h
	bands(h/2, func(from, to int) {
		for y := from; y < to; y++ {
			row := blocks[y*w/2*packedOut:][:w/2*packedOut]
			for c := range Channels {
				upper, lower := dst[c*area+2*y*w:][:w], dst[c*area+(2*y+1)*w:][:w]
				for x, at := 0, 4*c; x+1 < len(upper); x, at = x+2, at+packedOut {
					b := row[at:][:4:4]
					upper[x], upper[x+1], lower[x], lower[x+1] = b[0], b[1], b[2], b[3]
				}
			}
		}
	})
}
