package drift

import (
	"encoding/binary"
	"math"
)

const (
	blockPx     = 16  // side of the blocks that are compared for equality
	frozenShare = 0.5 // of the blocks equal: the frame, not an overlay, stands still
	leastUsable = 0.1 // share of the reduced frame
)

// still knows a frame's blocks again. Noise makes blocks of two exposures differ, so one that is equal to the bit was not
// exposed anew: a data bar, an overlay, or what an interrupted scan left of the frame before.
type still struct {
	*layout
	side          int
	columns, rows int
	hashes        []uint64 // 0: flat, tells nothing
}

func newStill(l *layout, img *Image, workers int) *still {
	s := &still{layout: l, side: max(blockPx, l.scale)}
	s.columns, s.rows = l.width*l.scale/s.side, l.height*l.scale/s.side
	s.hashes = make([]uint64, s.columns*s.rows)
	s.hash(s.hashes, img, workers)
	return s
}

// hash fills dst with a number for each block.
func (s *still) hash(dst []uint64, img *Image, workers int) {
	parallel(workers, s.rows, func(_, row int) {
		for column := range s.columns {
			x0, y0 := s.area.X0+column*s.side, s.area.Y0+row*s.side
			var h, differ uint64
			first := word(img, y0*img.Width+x0)
			for y := y0; y < y0+s.side; y++ {
				for x := x0; x < x0+s.side; x += wordPx {
					w := word(img, y*img.Width+x)
					differ |= w ^ first
					h = (h ^ w ^ h>>29) * 0x9e3779b97f4a7c15
				}
			}
			if differ == 0 {
				h = 0
			}
			dst[row*s.columns+column] = h
		}
	})
}

const wordPx = 4

// word is wordPx pixels from an index on as one number.
func word(img *Image, at int) uint64 {
	if img.Gray8 != nil {
		return uint64(binary.LittleEndian.Uint32(img.Gray8[at : at+wordPx]))
	}
	p := img.Gray16[at : at+wordPx]
	return uint64(p[0]) | uint64(p[1])<<16 | uint64(p[2])<<32 | uint64(p[3])<<48
}

// usableIn fills mask, one value per pixel of the reduced frame, with 1 for what can be compared: not excluded, not in a row
// without any signal, not standing still while the rest moves on. It returns mask, nil where everything is usable, and
// the usable share.
func (s *still) usableIn(mask []float64, img *Image, reduced []float64, hashes []uint64, workers int) ([]float64, float64) {
	for i := range mask {
		mask[i] = 1
	}
	if s.usable != nil {
		copy(mask, s.usable)
	}
	for y := range s.height {
		line := reduced[y*s.width : (y+1)*s.width]
		flat := true
		for _, v := range line {
			if math.Abs(v-line[0]) > 1e-9 {
				flat = false
				break
			}
		}
		if flat {
			for near := max(0, y-1); near <= min(s.height-1, y+1); near++ { // the scan ended inside the neighbour
				clear(mask[near*s.width : (near+1)*s.width])
			}
		}
	}
	s.hash(hashes, img, workers)
	equal, seen := 0, 0
	for i, h := range hashes {
		if h != 0 {
			seen++
			if h == s.hashes[i] {
				equal++
			}
		}
	}
	if equal > 0 && float64(equal) < frozenShare*float64(seen) {
		for i, h := range hashes {
			if h == 0 || h != s.hashes[i] {
				continue
			}
			n := s.side / s.scale
			x0, y0 := i%s.columns*n, i/s.columns*n
			for y := y0; y < y0+n; y++ {
				clear(mask[y*s.width+x0 : y*s.width+x0+n])
			}
		}
	}
	var sum float64
	for _, m := range mask {
		sum += m
	}
	if sum == float64(len(mask)) {
		return nil, 1
	}
	return mask, sum / float64(len(mask))
}
