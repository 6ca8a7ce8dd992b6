package tiff

import (
	"errors"
	"fmt"
	"io"
)

// maxFaxPixels limits pages whose stored size says nothing about their pixels.
const maxFaxPixels = 1 << 28

// faxOptions are what T4Options and T6Options say.
type faxOptions struct {
	twoDim   bool // Group 3: rows may be coded against the one before
	unpacked bool // uncompressed mode, which nobody writes
}

// faxCoding reads the options of the CCITT schemes.
func (r *Raster) faxCoding() error {
	if r.Bits != 1 || r.Samples != 1 {
		return fmt.Errorf("%w: fax of %d samples of %d bits", ErrFormat, r.Samples, r.Bits)
	}
	tag, unpacked := uint16(TagT4Options), uint64(2)
	if r.compression == compressionFax4 {
		tag = TagT6Options
	}
	if r.compression != compressionFax3 && r.compression != compressionFax4 {
		return nil
	}
	v, err := r.page.Uint(tag, 0)
	if err != nil {
		return err
	}
	r.fax = faxOptions{twoDim: r.compression == compressionFax3 && v&1 != 0, unpacked: v&unpacked != 0}
	if r.fax.unpacked {
		return fmt.Errorf("%w: fax in uncompressed mode; re-save it with Deflate", ErrUnsupported)
	}
	return nil
}

var (
	errFaxCode = errors.New("no fax code")
	errFaxRun  = errors.New("fax run beyond the row")
)

// faxReader unpacks the CCITT schemes (ITU-T T.4 and T.6; TIFF 6.0, sections 10 and 11): rows of bits, 1 for
// black. golang.org/x/image/ccitt reads neither Group 3 with fill bits nor its second dimension, nor the
// modified Huffman scheme.
type faxReader struct {
	src     io.Reader
	in      [4096]byte
	unread  []byte
	srcErr  error
	acc     uint64
	have    int // bits of acc
	started int // bytes taken from src, for alignment

	scheme  uint64
	twoDim  bool
	width   int
	rows    int // still to come
	before  []int
	changes []int // where the colour changes: to black, to white, ... and width at the end
	row     []byte
	pending []byte // of row
}

func (f *faxReader) reset(r *Raster, i int, src io.Reader) {
	n := r.rowBytes()
	*f = faxReader{
		src: src, scheme: r.compression, twoDim: r.fax.twoDim, width: r.chunkW, rows: r.rows(i),
		before: f.before[:0], changes: f.changes[:0], row: grown(f.row, n),
	}
}

// Read implements io.Reader.
func (f *faxReader) Read(p []byte) (int, error) {
	if len(f.pending) == 0 {
		if f.rows == 0 {
			return 0, io.EOF
		}
		if err := f.decodeRow(); err != nil {
			return 0, err
		}
		f.rows--
		f.paint()
	}
	n := copy(p, f.pending)
	f.pending = f.pending[n:]
	return n, nil
}

// paint turns the changes into bits.
func (f *faxReader) paint() {
	clear(f.row)
	for k := 0; k+1 < len(f.changes); k += 2 {
		for x := f.changes[k]; x < f.changes[k+1]; {
			if x&7 == 0 && f.changes[k+1]-x >= 8 {
				f.row[x>>3] = 0xff
				x += 8
				continue
			}
			f.row[x>>3] |= 0x80 >> (x & 7)
			x++
		}
	}
	f.pending = f.row
}

func (f *faxReader) decodeRow() error {
	f.before, f.changes = f.changes, f.before[:0]
	switch f.scheme {
	case compressionFax4:
		return f.row2D()
	case compressionRLE, compressionRLEW:
		align := 8
		if f.scheme == compressionRLEW {
			align = 16
		}
		if used := f.started*8 - f.have; used%align != 0 {
			n := align - used%align
			f.peek(n)
			if err := f.skip(n); err != nil {
				return err
			}
		}
		return f.row1D()
	}
	oneDim := true
	if eol, err := f.endOfLine(); err != nil {
		return err
	} else if eol && f.twoDim {
		oneDim = f.peek(1) == 1
		if err := f.skip(1); err != nil {
			return err
		}
	}
	if oneDim {
		return f.row1D()
	}
	return f.row2D()
}

// endOfLine skips an end-of-line code, eleven zeros or more and a one, where there is one.
func (f *faxReader) endOfLine() (bool, error) {
	if f.peek(11) != 0 {
		return false, nil
	}
	for f.peek(1) == 0 {
		if f.exhausted() {
			return false, io.ErrUnexpectedEOF
		}
		if err := f.skip(1); err != nil {
			return false, err
		}
	}
	return true, f.skip(1)
}

// run reads a run of white (0) or black (1) pixels.
func (f *faxReader) run(colour int) (int, error) {
	table := &faxTable()[colour]
	total := 0
	for {
		entry := table[f.peek(faxCodeBits)]
		if entry == 0 {
			if f.exhausted() {
				return 0, io.ErrUnexpectedEOF
			}
			return 0, errFaxCode
		}
		if err := f.skip(int(entry & 15)); err != nil {
			return 0, err
		}
		n := int(entry >> 4)
		if total += n; total > f.width {
			return 0, errFaxRun
		}
		if n < 64 {
			return total, nil
		}
	}
}

// row1D reads runs of white and black in turn.
func (f *faxReader) row1D() error {
	x, colour := 0, 0
	for x < f.width {
		if len(f.changes) > f.width+2 {
			return errFaxRun
		}
		n, err := f.run(colour)
		if err != nil {
			return err
		}
		if x += n; x > f.width {
			return errFaxRun
		}
		f.changes = append(f.changes, x)
		colour ^= 1
	}
	return nil
}

// row2D reads a row that is coded against the one before (T.4, 4.2; T.6, 2.2).
func (f *faxReader) row2D() error {
	a0, colour, k := -1, 0, 0
	at := func(i int) int {
		if i < len(f.before) {
			return f.before[i]
		}
		return f.width
	}
	for a0 < f.width {
		if len(f.changes) > f.width+2 { // codes that do not get on
			return errFaxRun
		}
		// b1: the first change behind a0 to the colour other than the present one.
		for k > 0 && at(k-1) > a0 {
			k--
		}
		for k&1 != colour || k < len(f.before) && at(k) <= a0 {
			k++
		}
		b1, b2 := at(k), at(k+1)
		vertical := func(n, shift int) error {
			if err := f.skip(n); err != nil {
				return err
			}
			a1 := b1 + shift
			if a1 < max(a0, 0) || a1 > f.width {
				return errFaxRun
			}
			f.changes = append(f.changes, a1)
			a0, colour = a1, colour^1
			return nil
		}
		var err error
		switch code := f.peek(7); {
		case code>>6 == 1:
			err = vertical(1, 0)
		case code>>4 == 0b011:
			err = vertical(3, 1)
		case code>>4 == 0b010:
			err = vertical(3, -1)
		case code>>4 == 0b001: // horizontal
			if err = f.skip(3); err != nil {
				return err
			}
			a0 = max(a0, 0)
			for range 2 {
				n, err := f.run(colour)
				if err != nil {
					return err
				}
				if a0 += n; a0 > f.width {
					return errFaxRun
				}
				f.changes = append(f.changes, a0)
				colour ^= 1
			}
		case code>>3 == 0b0001: // pass
			err = f.skip(4)
			a0 = b2
		case code>>1 == 0b000011:
			err = vertical(6, 2)
		case code>>1 == 0b000010:
			err = vertical(6, -2)
		case code == 0b0000011:
			err = vertical(7, 3)
		case code == 0b0000010:
			err = vertical(7, -3)
		case f.exhausted():
			err = io.ErrUnexpectedEOF
		default:
			err = errFaxCode
		}
		if err != nil {
			return err
		}
	}
	return nil
}
