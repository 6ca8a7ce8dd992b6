package tiff

import (
	"encoding/binary"
	"fmt"
)

// Raster is the pixel layout of a page, checked against the file's size and this package's limits before
// anything is allocated for pixels.
type Raster struct {
	Width, Height int // px
	Bits          int // per sample, as stored: 1, 2, 4, 8, 16 or 32
	Samples       int // per pixel, as stored

	page        *Page
	photometric uint64
	format      uint64 // sample format: 1 unsigned, 2 signed, 3 float
	compression uint64
	predictor   bool // horizontal differencing
	lsbFirst    bool // fill order 2
	planar      bool
	tiled       bool

	chunkW, chunkH int // of a strip or tile, px
	across, down   int // chunks per plane
	offsets        []uint64
	counts         []uint64
}

// Raster reads the layout of the page's pixels. Which conversions are possible, Gray8, Gray16 and Labels
// say. The errors wrap ErrFormat, ErrTruncated, ErrUnsupported or ErrTooLarge.
func (p *Page) Raster() (*Raster, error) {
	r := &Raster{page: p}
	if err := r.dimensions(); err != nil {
		return nil, err
	}
	if err := r.samples(); err != nil {
		return nil, err
	}
	if err := r.coding(); err != nil {
		return nil, err
	}
	if err := r.chunks(); err != nil {
		return nil, err
	}
	if err := r.bounds(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Raster) dimensions() error {
	w, err := r.page.Uint(TagImageWidth, 0)
	if err != nil {
		return err
	}
	h, err := r.page.Uint(TagImageLength, 0)
	if err != nil {
		return err
	}
	if w == 0 || h == 0 {
		return fmt.Errorf("%w: the first page holds no image (%d x %d px)", ErrFormat, w, h)
	}
	if w > MaxSide || h > MaxSide || w*h > MaxPixels {
		return fmt.Errorf("%w: %d x %d px, at most %d px per side and %d px in all; crop or downsample it",
			ErrTooLarge, w, h, MaxSide, MaxPixels)
	}
	r.Width, r.Height = int(w), int(h)
	return nil
}

func (r *Raster) samples() error {
	spp, err := r.page.Uint(TagSamplesPerPixel, 1)
	if err != nil {
		return err
	}
	bits, err := r.page.Uints(TagBitsPerSample)
	if err != nil {
		return err
	}
	if len(bits) == 0 {
		bits = []uint64{1}
	}
	if spp == 0 || spp > 64 {
		return fmt.Errorf("%w: %d samples per pixel; re-save it as 8 or 16-bit grey", ErrUnsupported, spp)
	}
	for _, b := range bits {
		if b != bits[0] {
			return fmt.Errorf("%w: samples of different depth %v; re-save it as 8 or 16-bit grey", ErrUnsupported, bits)
		}
	}
	switch bits[0] {
	case 1, 2, 4, 8, 16, 32:
	default:
		return fmt.Errorf("%w: %d bits per sample; re-save it as 8 or 16-bit grey", ErrUnsupported, bits[0])
	}
	r.Samples, r.Bits = int(spp), int(bits[0])
	byDefault := uint64(photometricBlackIsZero)
	if spp >= 3 {
		byDefault = photometricRGB
	}
	if r.photometric, err = r.page.Uint(TagPhotometric, byDefault); err != nil {
		return err
	}
	if r.photometric > photometricPalette {
		return fmt.Errorf("%w: %s pixels; re-save it as 8 or 16-bit grey", ErrUnsupported, photometricName(r.photometric))
	}
	if r.format, err = r.page.Uint(TagSampleFormat, 1); r.format == 4 { // 4: undefined
		r.format = 1
	}
	return err
}

func (r *Raster) coding() error {
	var err error
	if r.compression, err = r.page.Uint(TagCompression, compressionNone); err != nil {
		return err
	}
	switch r.compression {
	case compressionNone, compressionPackBits:
	case compressionLZW, compressionDeflate, compressionDeflateOld:
		predictor, err := r.page.Uint(TagPredictor, 1)
		if err != nil {
			return err
		}
		r.predictor = predictor == 2
		if predictor == 3 || predictor == 2 && r.Bits < 8 || predictor > 3 {
			return fmt.Errorf("%w: predictor %d with %d-bit samples; re-save it uncompressed", ErrUnsupported, predictor, r.Bits)
		}
	default:
		return fmt.Errorf("%w: %s compression; re-save it uncompressed or with LZW, Deflate or PackBits",
			ErrUnsupported, compressionName(r.compression))
	}
	fill, err := r.page.Uint(TagFillOrder, 1)
	if err != nil {
		return err
	}
	r.lsbFirst = fill == 2
	planar, err := r.page.Uint(TagPlanarConfig, 1)
	r.planar = planar == 2 && r.Samples > 1
	return err
}

func (r *Raster) chunks() error {
	offsets, counts := uint16(TagStripOffsets), uint16(TagStripByteCounts)
	if _, ok := r.page.Tag(TagTileOffsets); ok { // old writers list tiles as strips
		offsets, counts = TagTileOffsets, TagTileByteCounts
	}
	if _, r.tiled = r.page.Tag(TagTileWidth); r.tiled {
		w, err := r.page.Uint(TagTileWidth, 0)
		if err != nil {
			return err
		}
		h, err := r.page.Uint(TagTileLength, 0)
		if err != nil {
			return err
		}
		if w == 0 || h == 0 || w > 2*MaxSide || h > 2*MaxSide {
			return fmt.Errorf("%w: tiles of %d x %d px", ErrFormat, w, h)
		}
		r.chunkW, r.chunkH = int(w), int(h)
	} else {
		rows, err := r.page.Uint(TagRowsPerStrip, uint64(r.Height))
		if err != nil {
			return err
		}
		if rows == 0 {
			return fmt.Errorf("%w: strips of 0 rows", ErrFormat)
		}
		r.chunkW, r.chunkH = r.Width, int(min(rows, uint64(r.Height)))
	}
	r.across = (r.Width + r.chunkW - 1) / r.chunkW
	r.down = (r.Height + r.chunkH - 1) / r.chunkH
	n := r.across * r.down * r.planes()
	var err error
	if r.offsets, err = r.page.Uints(offsets); err != nil {
		return err
	}
	if r.counts, err = r.page.Uints(counts); err != nil {
		return err
	}
	if len(r.counts) == 0 && len(r.offsets) >= n { // TIFF before 1992 may leave them out
		r.counts = make([]uint64, n)
		for i := range r.counts {
			switch {
			case r.compression == compressionNone:
				r.counts[i] = r.need(i)
			case n == 1 && r.offsets[0] < uint64(r.page.file.size):
				r.counts[i] = uint64(r.page.file.size) - r.offsets[0]
			}
		}
	}
	if len(r.offsets) < n || len(r.counts) < n {
		return fmt.Errorf("%w: %d of %d %ss are listed", ErrTruncated, min(len(r.offsets), len(r.counts)), n, r.chunkName())
	}
	r.offsets, r.counts = r.offsets[:n], r.counts[:n]
	return nil
}

// bounds checks that every chunk lies in the file and can hold its pixels, so that a small file cannot
// make the decoder allocate a large image.
func (r *Raster) bounds() error {
	ratio := uint64(1) // largest expansion of the compression scheme
	switch r.compression {
	case compressionLZW:
		ratio = 4096
	case compressionDeflate, compressionDeflateOld:
		ratio = 1040
	case compressionPackBits:
		ratio = 64
	}
	var stored, needed uint64
	for i, off := range r.offsets {
		n, need := r.counts[i], r.need(i)
		if size := uint64(r.page.file.size); off > size || n > size-off {
			return fmt.Errorf("%w: %s %d of %d ends at byte %d, the file has %d",
				ErrTruncated, r.chunkName(), i+1, len(r.offsets), off+min(n, MaxPixels*64), size)
		}
		if n < (need+ratio-1)/ratio {
			return fmt.Errorf("%w: %s %d of %d holds %d bytes, too few for its pixels",
				ErrTruncated, r.chunkName(), i+1, len(r.offsets), n)
		}
		stored, needed = stored+n, needed+need
	}
	if stored = min(stored, uint64(r.page.file.size)); stored < needed/ratio {
		return fmt.Errorf("%w: %d bytes cannot hold %d x %d px", ErrTruncated, stored, r.Width, r.Height)
	}
	return nil
}

func (r *Raster) bigEndian() bool { return r.page.file.order == binary.ByteOrder(binary.BigEndian) }

func (r *Raster) chunkName() string {
	if r.tiled {
		return "tile"
	}
	return "strip"
}

// planes is the number of separately stored sample planes.
func (r *Raster) planes() int {
	if r.planar {
		return r.Samples
	}
	return 1
}

// rowBytes is the length of a chunk's row.
func (r *Raster) rowBytes() int {
	samples := r.chunkW
	if !r.planar {
		samples *= r.Samples
	}
	return (samples*r.Bits + 7) / 8
}

// rows is the number of image rows in chunk i, counted within its plane.
func (r *Raster) rows(i int) int {
	return min(r.chunkH, r.Height-i%(r.across*r.down)/r.across*r.chunkH)
}

// need is the number of decompressed bytes of chunk i that carry image rows.
func (r *Raster) need(i int) uint64 { return uint64(r.rowBytes()) * uint64(r.rows(i)) }
