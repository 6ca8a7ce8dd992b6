package tiff

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Raw describes grey pixels that stand uncompressed in a file of another format.
type Raw struct {
	Width, Height int   // px
	Bits          int   // per sample
	Signed, Float bool  // else unsigned integers
	BigEndian     bool  // byte order of the samples
	Samples       int   // per pixel: 1, or 3 and more for RGB; 0 is 1
	Offset        int64 // of the first pixel
}

// RawRaster makes a Raster of pixels in the first size bytes of r, so that every format's pixels become grey
// by the same rules and limits.
func RawRaster(r io.ReaderAt, size int64, raw Raw) (*Raster, error) {
	f := &File{r: r, size: size, order: binary.LittleEndian}
	if raw.BigEndian {
		f.order = binary.BigEndian
	}
	if raw.Width <= 0 || raw.Height <= 0 || raw.Offset < 0 {
		return nil, fmt.Errorf("%w: %d x %d px at byte %d", ErrFormat, raw.Width, raw.Height, raw.Offset)
	}
	if raw.Width > MaxSide || raw.Height > MaxSide || raw.Width*raw.Height > MaxPixels {
		return nil, fmt.Errorf("%w: %d x %d px, at most %d px per side and %d px in all; crop or downsample it",
			ErrTooLarge, raw.Width, raw.Height, MaxSide, MaxPixels)
	}
	out := &Raster{
		Width: raw.Width, Height: raw.Height, Bits: raw.Bits, Samples: max(1, raw.Samples), page: &Page{file: f},
		photometric: photometricBlackIsZero, format: formatUnsigned, compression: compressionNone, predictor: 1,
		depth: raw.Bits, channels: max(1, raw.Samples),
		chunkW: raw.Width, chunkH: raw.Height, across: 1, down: 1, offsets: []uint64{uint64(raw.Offset)},
	}
	switch {
	case raw.Float:
		out.format = formatFloat
	case raw.Signed:
		out.format = formatSigned
	case raw.Samples > 2:
		out.photometric = photometricRGB
	}
	out.counts = []uint64{out.need(0)}
	return out, out.bounds()
}

// Stored returns where in the file the grey pixels stand as Gray8 or Gray16 give them, in the byte order of
// this computer; false when they have to be decoded.
func (r *Raster) Stored() (offset, length int64, ok bool) {
	size := r.depth / 8
	if r.compression != compressionNone || r.lsbFirst || r.predictor != 1 || len(r.offsets) != 1 || !r.inPlace(size) || r.subX > 0 {
		return 0, 0, false
	}
	plain := r.format == formatUnsigned && r.photometric == photometricBlackIsZero
	if !plain || size != 1 && (size != 2 || r.bigEndian() != hostBigEndian()) {
		return 0, 0, false
	}
	return int64(r.offsets[0]), int64(r.need(0)), true
}

// After returns the n-th image of the same layout that follows this one without a gap, as ImageJ writes stacks of
// more than 4 GiB with a single directory. It fails when the file ends before, and for compressed images.
func (r *Raster) After(n int) (*Raster, error) {
	if r.compression != compressionNone || len(r.offsets) != 1 || r.planes() != 1 || n < 0 {
		return nil, fmt.Errorf("%w: a stack in one page that is not stored in one piece; save it with a page per image", ErrUnsupported)
	}
	next := *r
	next.offsets = []uint64{r.offsets[0] + uint64(n)*r.need(0)}
	next.counts = []uint64{r.need(0)}
	return &next, next.bounds()
}
