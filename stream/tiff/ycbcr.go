package tiff

import (
	"fmt"
	"io"
	"math"
)

// ycbcr reads how the chroma of YCbCr samples is stored beside the luminance, which alone is decoded.
func (r *Raster) ycbcr() error {
	sub, err := r.page.Uints(TagYCbCrSubSampling)
	if err != nil {
		return err
	}
	x, y := uint64(2), uint64(2)
	if len(sub) >= 2 {
		x, y = sub[0], sub[1]
	}
	for _, v := range []uint64{x, y} {
		if v != 1 && v != 2 && v != 4 {
			return fmt.Errorf("%w: chroma subsampling of %d x %d", ErrFormat, x, y)
		}
	}
	r.subX, r.subY, r.channels = int(x), int(y), 1
	return nil
}

// lumaLevels maps stored Y to 0..255 as ReferenceBlackWhite says (TIFF 6.0, section 21). Streams of the
// present JPEG scheme use the whole range whatever the tag says.
func (r *Raster) lumaLevels() *[256]byte {
	black, white := 0.0, 255.0
	ref, err := r.page.Rationals(TagReferenceBW)
	if whole, errUint := r.page.Uints(TagReferenceBW); errUint == nil && len(whole) >= 2 {
		ref, err = []float64{float64(whole[0]), float64(whole[1])}, nil
	}
	if err == nil && len(ref) >= 2 && ref[0] >= 0 && ref[1] > ref[0] && ref[1] <= 255 {
		black, white = ref[0], ref[1]
	}
	level := new([256]byte)
	for v := range level {
		level[v] = uint8(math.Round(min(max((float64(v)-black)*255/(white-black), 0), 255)))
	}
	return level
}

// lumaReader takes the luminance out of units of YCbCr: subX*subY values of Y, row by row, a Cb and a Cr.
type lumaReader struct {
	src        io.Reader
	unit       []byte // a row of units
	rows       []byte // subY rows of Y
	left       []byte // of rows
	width      int
	subX, subY int
	level      [256]byte
}

func (l *lumaReader) reset(r *Raster, src io.Reader) {
	l.src, l.width, l.subX, l.subY, l.left = src, r.chunkW, r.subX, r.subY, nil
	l.unit = grown(l.unit, (r.chunkW+r.subX-1)/r.subX*(r.subX*r.subY+2))
	l.rows = grown(l.rows, r.chunkW*r.subY)
	l.level = *r.lumaLevels()
}

// Read implements io.Reader.
func (l *lumaReader) Read(p []byte) (int, error) {
	if len(l.left) == 0 {
		if _, err := io.ReadFull(l.src, l.unit); err != nil {
			return 0, err
		}
		size := l.subX*l.subY + 2
		for y := range l.subY {
			row := l.rows[y*l.width:][:l.width]
			for x := range row {
				row[x] = l.level[l.unit[x/l.subX*size+y*l.subX+x%l.subX]]
			}
		}
		l.left = l.rows
	}
	n := copy(p, l.left)
	l.left = l.left[n:]
	return n, nil
}
