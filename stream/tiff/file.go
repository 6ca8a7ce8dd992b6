package tiff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Bytes is a TIFF held in memory. Given as reader to Parse, its strips are decoded in place, without a copy.
type Bytes []byte

var _ io.ReaderAt = Bytes(nil)

// ReadAt implements io.ReaderAt.
func (b Bytes) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// File is a parsed TIFF: its directories, not yet its pixels.
type File struct {
	Pages []*Page // in file order, at least one
	Big   bool    // BigTIFF

	r     io.ReaderAt
	size  int64
	order binary.ByteOrder
	// chainErr says why the directory chain ended early. The first page can be read all the same.
	chainErr error
	frames   []*Page // see Frames
}

// Sniff reports whether head, the first four bytes of a file or more, begins a TIFF.
func Sniff(head []byte) bool {
	if len(head) < 4 {
		return false
	}
	switch string(head[:4]) {
	case "II*\x00", "MM\x00*", "II+\x00", "MM\x00+":
		return true
	}
	return false
}

// Parse reads the directories of the TIFF in the first size bytes of r. r must stay readable as long as the
// file is used. It fails when the header or the first directory cannot be read; damage further down the
// chain is left to Complete. The errors are ErrFormat and ErrTruncated.
func Parse(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, size: size}
	first, err := f.header()
	if err != nil {
		return nil, err
	}
	entries := 0
	seen := map[int64]bool{}
	for off := first; off != 0 && !seen[off]; {
		seen[off] = true
		p, next, err := f.directory(off)
		if err == nil && len(f.Pages) > 0 {
			entries += cap(p.tags)
			if len(f.Pages) == MaxPages || entries > maxChainEntries {
				err = fmt.Errorf("%w: more than %d pages or %d tags; split the stack", ErrTooLarge, MaxPages, maxChainEntries)
			}
		}
		if err != nil {
			if len(f.Pages) == 0 {
				return nil, err
			}
			f.chainErr = err
			break
		}
		f.Pages = append(f.Pages, p)
		off = next
	}
	return f, nil
}

// Rebind makes the file read from r, another reader of the same bytes.
func (f *File) Rebind(r io.ReaderAt) { f.r = r }

// header reads byte order and version and returns the offset of the first directory.
func (f *File) header() (int64, error) {
	var b [16]byte
	n := min(f.size, int64(len(b)))
	if n < 8 {
		return 0, fmt.Errorf("%w: %d bytes are too few for a header", ErrTruncated, max(0, f.size))
	}
	if err := f.read(b[:n], 0); err != nil {
		return 0, err
	}
	if !Sniff(b[:]) {
		return 0, fmt.Errorf("%w: no TIFF signature", ErrFormat)
	}
	f.order = binary.LittleEndian
	if b[0] == 'M' {
		f.order = binary.BigEndian
	}
	var off uint64
	if f.Big = f.order.Uint16(b[2:]) == 43; f.Big {
		if n < 16 {
			return 0, fmt.Errorf("%w: %d bytes are too few for a BigTIFF header", ErrTruncated, n)
		}
		if f.order.Uint16(b[4:]) != 8 || f.order.Uint16(b[6:]) != 0 {
			return 0, fmt.Errorf("%w: BigTIFF with offsets of other than 8 bytes", ErrFormat)
		}
		off = f.order.Uint64(b[8:])
	} else {
		off = uint64(f.order.Uint32(b[4:]))
	}
	if off == 0 {
		return 0, fmt.Errorf("%w: no directory yet; the file was not closed by its writer", ErrTruncated)
	}
	return f.offset(off, 1, "directory")
}

// offset checks that n bytes at off lie inside the file.
func (f *File) offset(off, n uint64, what string) (int64, error) {
	size := uint64(f.size)
	if off > size || n > size-off {
		if off >= size {
			return 0, fmt.Errorf("%w: its %s is at byte %d, the file ends at %d", ErrTruncated, what, off, f.size)
		}
		return 0, fmt.Errorf("%w: %s at byte %d needs %d bytes, the file has %d", ErrTruncated, what, off, n, f.size)
	}
	return int64(off), nil
}

// read fills p from off.
func (f *File) read(p []byte, off int64) error {
	n, err := f.r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %d bytes at byte %d, %d needed", ErrTruncated, n, off, len(p))
	}
	return err
}

// directory reads the directory at off and returns it with the offset of the next one.
func (f *File) directory(off int64) (*Page, int64, error) {
	countLen, entryLen, inline := int64(2), int64(12), int64(4)
	if f.Big {
		countLen, entryLen, inline = 8, 20, 8
	}
	if _, err := f.offset(uint64(off), uint64(countLen), "directory"); err != nil {
		return nil, 0, err
	}
	var b [8]byte
	if err := f.read(b[:countLen], off); err != nil {
		return nil, 0, err
	}
	n := uint64(f.order.Uint16(b[:]))
	if f.Big {
		n = f.order.Uint64(b[:])
	}
	if n == 0 || n > MaxEntries {
		return nil, 0, fmt.Errorf("%w: directory at byte %d has %d entries, 1 to %d expected", ErrFormat, off, n, MaxEntries)
	}
	body := int64(n)*entryLen + inline // the next offset is as long as an inline value
	if _, err := f.offset(uint64(off+countLen), uint64(body), "directory"); err != nil {
		return nil, 0, err
	}
	buf := make([]byte, body)
	if err := f.read(buf, off+countLen); err != nil {
		return nil, 0, err
	}
	p := &Page{file: f, tags: make([]Tag, 0, n)}
	for i := range int64(n) {
		e := buf[i*entryLen:]
		t := Tag{ID: f.order.Uint16(e), Type: Type(f.order.Uint16(e[2:]))}
		valueAt := off + countLen + i*entryLen + 8
		value := uint64(f.order.Uint32(e[8:]))
		if t.Count = uint64(f.order.Uint32(e[4:])); f.Big {
			t.Count, value = f.order.Uint64(e[4:]), f.order.Uint64(e[12:])
			valueAt += 4
		}
		size := uint64(t.Type.Size())
		if size == 0 {
			continue // unknown type: skip the field, as TIFF 6.0 asks
		}
		if t.Count <= uint64(inline)/size {
			value, t.short = uint64(valueAt), true
			copy(t.inline[:], e[valueAt-off-countLen-i*entryLen:])
		}
		t.off = value
		p.tags = append(p.tags, t)
	}
	next := uint64(f.order.Uint32(buf[int64(n)*entryLen:]))
	if f.Big {
		next = f.order.Uint64(buf[int64(n)*entryLen:])
	}
	if next > uint64(f.size) {
		next = uint64(f.size) // reported when it is read
	}
	return p, int64(next), nil
}
