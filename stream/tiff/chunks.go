package tiff

import "fmt"

// chunks reads where the strips or tiles lie.
func (r *Raster) chunks() error {
	offsets, counts := uint16(TagStripOffsets), uint16(TagStripByteCounts)
	if _, ok := r.page.Tag(TagTileOffsets); ok { // old writers list tiles as strips
		offsets, counts = TagTileOffsets, TagTileByteCounts
	}
	if err := r.chunkSize(); err != nil {
		return err
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
	if r.compression == compressionJPEGOld {
		if done, err := r.wholeJPEG(); done || err != nil {
			return err
		}
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
	if n == 1 && r.compression == compressionNone && r.counts[0] < r.need(0) && r.fits(r.offsets[0], r.need(0)) {
		r.counts[0] = r.need(0) // a count that is too small for one strip: libtiff corrects it, too
	}
	return nil
}

func (r *Raster) chunkSize() error {
	if _, r.tiled = r.page.Tag(TagTileWidth); !r.tiled {
		rows, err := r.page.Uint(TagRowsPerStrip, uint64(r.Height))
		if err != nil {
			return err
		}
		if rows == 0 {
			return fmt.Errorf("%w: strips of 0 rows", ErrFormat)
		}
		r.chunkW, r.chunkH = r.Width, int(min(rows, uint64(r.Height)))
		return nil
	}
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
	return nil
}

// fits reports whether n bytes at off lie inside the file.
func (r *Raster) fits(off, n uint64) bool {
	size := uint64(r.page.file.size)
	return off <= size && n <= size-off
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
	case compressionZstd, compressionZstdOld:
		ratio = 1 << 15 // blocks of 128 KiB of one byte take 4
	case compressionJPEG, compressionJPEGOld:
		ratio = 1024
	case compressionRLE, compressionRLEW, compressionFax3, compressionFax4:
		// A row of one colour takes a bit in Group 4, whatever its length.
		ratio = uint64(8 * r.rowBytes())
		if r.Width*r.Height > maxFaxPixels {
			return fmt.Errorf("%w: %d x %d px of fax, at most %d px in all; crop or downsample it",
				ErrTooLarge, r.Width, r.Height, maxFaxPixels)
		}
	}
	var stored, needed uint64
	for i, off := range r.offsets {
		n, need := r.counts[i], r.need(i)
		if !r.fits(off, n) {
			return fmt.Errorf("%w: %s %d of %d ends at byte %d, the file has %d",
				ErrTruncated, r.chunkName(), i+1, len(r.offsets), off+min(n, MaxPixels*64), r.page.file.size)
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

// coalesce joins uncompressed strips that follow one another in the file, so that writers of a strip per
// row (FEI, TESCAN) cost no more than others.
func (r *Raster) coalesce() {
	if r.compression != compressionNone || r.tiled || r.planar || r.subX > 0 || len(r.offsets) < 2 {
		return
	}
	for i := range r.offsets {
		if r.counts[i] != r.need(i) || i > 0 && r.offsets[i] != r.offsets[i-1]+r.counts[i-1] {
			return
		}
	}
	last := len(r.offsets) - 1
	r.counts = []uint64{r.offsets[last] + r.counts[last] - r.offsets[0]}
	r.offsets = r.offsets[:1]
	r.chunkH, r.down = r.Height, 1
}
