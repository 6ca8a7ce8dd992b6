package decode

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// pgm is the header of a PGM. Binary ones (netpbm P5) have 8-bit samples up to a maximum of 255, else 16-bit
// big-endian; plain ones (P2) have decimal numbers.
type pgm struct {
	width, height, maximum int
	offset                 int64 // of the first sample
	plain                  bool
}

// bytes is the length of a sample.
func (p pgm) bytes() int {
	if p.maximum > 255 {
		return 2
	}
	return 1
}

// end is where the samples end, at the earliest.
func (p pgm) end() int64 {
	px := int64(p.width) * int64(p.height)
	if p.plain {
		return p.offset + 2*px - 1 // a digit and a space each
	}
	return p.offset + px*int64(p.bytes())
}

// parsePGM reads the header of the PGM of size bytes in r and checks that the file holds the pixels.
func parsePGM(r io.Reader, size int64) (pgm, error) {
	br := bufio.NewReader(io.LimitReader(r, 64<<10))
	var p pgm
	var magic [2]byte
	if _, err := io.ReadFull(br, magic[:]); err != nil || magic != [2]byte{'P', '5'} && magic != [2]byte{'P', '2'} {
		return p, fmt.Errorf("%w PGM: no P5 or P2 signature; export the image again", ErrCorrupt)
	}
	p.plain = magic[1] == '2'
	p.offset = 2
	for _, v := range []*int{&p.width, &p.height, &p.maximum} {
		n, used, err := pgmNumber(br)
		if err != nil {
			return p, err
		}
		*v = n
		p.offset += used
	}
	px := int64(p.width) * int64(p.height)
	switch {
	case p.width > tiff.MaxSide || p.height > tiff.MaxSide || px > tiff.MaxPixels:
		return p, fmt.Errorf("image %w: %d x %d px, at most %d px per side and %d px in all; crop or downsample it",
			ErrTooLarge, p.width, p.height, tiff.MaxSide, tiff.MaxPixels)
	case px == 0 || p.maximum == 0 || p.maximum > 65535:
		return p, fmt.Errorf("%w PGM: %d x %d px with a maximum of %d; export the image again", ErrCorrupt, p.width, p.height, p.maximum)
	case p.end() > size:
		return p, fmt.Errorf("%w PGM: %d bytes, %d needed for %d x %d px; wait until it is written or copy it again",
			ErrTruncated, size, p.end(), p.width, p.height)
	}
	return p, nil
}

func isSpace(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' }

// pgmNumber reads white space, comments, a decimal number and the one byte of white space after it.
func pgmNumber(br *bufio.Reader) (n int, used int64, err error) {
	comment, digits := false, 0
	for {
		b, err := br.ReadByte()
		if err != nil {
			if errors.Is(err, io.EOF) && digits > 0 {
				return n, used, nil
			}
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w PGM: it ends too early; wait until it is written or copy it again", ErrTruncated)
			}
			return 0, used, err
		}
		used++
		switch {
		case comment:
			comment = b != '\n' && b != '\r'
		case b >= '0' && b <= '9':
			n = n*10 + int(b-'0')
			if digits++; digits > 9 {
				return 0, used, fmt.Errorf("%w PGM: a number of more than 9 digits; export the image again", ErrCorrupt)
			}
		case isSpace(b) && digits > 0:
			return n, used, nil
		case isSpace(b):
		case b == '#' && digits == 0:
			comment = true
		default:
			return 0, used, fmt.Errorf("%w PGM: %q where a number belongs; export the image again", ErrCorrupt, b)
		}
	}
}

// pgmPixels fills the frame with the samples as stored; they are not stretched to the full range.
func pgmPixels(src *source, f *stream.Frame) error {
	p, err := parsePGM(src.reader(), src.size)
	if err != nil {
		return err
	}
	alloc(f, p.width, p.height, 8*p.bytes())
	switch {
	case p.plain && p.bytes() == 1:
		return p.numbers(src.readerAt(), src.size, func(i, v int) { f.Gray8[i] = uint8(v) })
	case p.plain:
		return p.numbers(src.readerAt(), src.size, func(i, v int) { f.Gray16[i] = uint16(v) })
	case p.bytes() == 1:
		_, err = src.readerAt().ReadAt(f.Gray8, p.offset)
		return endOK(err)
	}
	return p.samples16(src, func(i int, row []byte) {
		out := f.Gray16[i*p.width:][:p.width]
		for k := range out {
			out[k] = binary.BigEndian.Uint16(row[2*k:])
		}
	})
}

// numbers visits the samples of the plain PGM in the first size bytes of r.
func (p pgm) numbers(r io.ReaderAt, size int64, visit func(i, v int)) error {
	br := bufio.NewReaderSize(io.NewSectionReader(r, p.offset, size-p.offset), 64<<10)
	for i := range p.width * p.height {
		v, _, err := pgmNumber(br)
		if err != nil {
			return err
		}
		if v > p.maximum {
			return fmt.Errorf("%w PGM: sample %d is above its maximum of %d; export the image again", ErrCorrupt, v, p.maximum)
		}
		visit(i, v)
	}
	return nil
}

// samples16 visits the rows of a 16-bit PGM.
func (p pgm) samples16(src *source, visit func(y int, row []byte)) error {
	row := make([]byte, 2*p.width)
	for y := range p.height {
		if _, err := src.readerAt().ReadAt(row, p.offset+int64(y*len(row))); endOK(err) != nil {
			return err
		}
		visit(y, row)
	}
	return nil
}

// endOK drops the io.EOF of a read that ended with the file: its length was checked before.
func endOK(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
