package tiff

import (
	"fmt"
	"io"
)

// CheckComplete parses the TIFF in the first size bytes of r and reports whether it is completely written;
// see File.Complete.
func CheckComplete(r io.ReaderAt, size int64) error {
	f, err := Parse(r, size)
	if err != nil {
		return err
	}
	return f.Complete()
}

// Complete returns nil when every directory, every tag's value and every strip and tile lies inside the
// file, as it does once the writer is done. It reads directories and offset tables, no pixels.
func (f *File) Complete() error {
	if f.chainErr != nil {
		return f.chainErr
	}
	for i, p := range f.Pages {
		if err := p.complete(); err != nil {
			return fmt.Errorf("page %d: %w", i+1, err)
		}
	}
	return nil
}

func (p *Page) complete() error {
	for _, t := range p.tags {
		size := uint64(t.Type.Size())
		if t.Count > uint64(p.file.size)/size {
			return fmt.Errorf("%w: tag %d needs %d values, the file has %d bytes", ErrTruncated, t.ID, t.Count, p.file.size)
		}
		if _, err := p.file.offset(t.off, t.Count*size, fmt.Sprintf("tag %d", t.ID)); err != nil {
			return err
		}
	}
	for _, kind := range [][2]uint16{
		{TagStripOffsets, TagStripByteCounts},
		{TagTileOffsets, TagTileByteCounts},
		{TagJPEGOffset, TagJPEGLength},
	} {
		offsets, counts, err := p.extents(kind)
		if err != nil {
			return err
		}
		for i, off := range offsets {
			if off == 0 || counts[i] == 0 {
				return fmt.Errorf("%w: strip or tile %d of %d is not written yet", ErrTruncated, i+1, len(offsets))
			}
			if size := uint64(p.file.size); off > size || counts[i] > size-off {
				return fmt.Errorf("%w: strip or tile %d of %d ends after the file's %d bytes", ErrTruncated, i+1, len(offsets), size)
			}
		}
	}
	return nil
}

// extents reads where a page's strips or tiles lie. Absent byte counts are taken from the pixel layout.
func (p *Page) extents(kind [2]uint16) (offsets, counts []uint64, err error) {
	if offsets, err = p.Uints(kind[0]); err != nil || len(offsets) == 0 {
		return nil, nil, err
	}
	if counts, err = p.Uints(kind[1]); err != nil {
		return nil, nil, err
	}
	if len(counts) == 0 {
		if r, err := p.Raster(); err == nil {
			return r.offsets, r.counts, nil
		}
	}
	if len(counts) < len(offsets) {
		return nil, nil, fmt.Errorf("%w: %d of %d strips have a length", ErrTruncated, len(counts), len(offsets))
	}
	return offsets, counts, nil
}

// TailIsZero reports whether the last strip or tile of the first page ends in nothing but zero bytes: at
// most its last 64 KiB are read. A writer that reserves the whole file and fills it afterwards looks
// complete before it is; so does a black image, hence this is a reason to wait, not an error.
func (f *File) TailIsZero() (bool, error) {
	var first, end uint64
	for _, kind := range [][2]uint16{{TagStripOffsets, TagStripByteCounts}, {TagTileOffsets, TagTileByteCounts}} {
		offsets, counts, err := f.Pages[0].extents(kind)
		if err != nil {
			return false, err
		}
		for i, off := range offsets {
			if _, err := f.offset(off, counts[i], "strip"); err != nil {
				return false, err
			}
			if off+counts[i] > end {
				first, end = off, off+counts[i]
			}
		}
	}
	if end == first {
		return false, nil
	}
	buf := make([]byte, min(end-first, 64<<10))
	if err := f.read(buf, int64(end)-int64(len(buf))); err != nil {
		return false, err
	}
	for _, b := range buf {
		if b != 0 {
			return false, nil
		}
	}
	return true, nil
}

// TailIsZero parses the TIFF in the first size bytes of r and looks at its last strip; see File.TailIsZero.
func TailIsZero(r io.ReaderAt, size int64) (bool, error) {
	f, err := Parse(r, size)
	if err != nil {
		return false, err
	}
	return f.TailIsZero()
}
