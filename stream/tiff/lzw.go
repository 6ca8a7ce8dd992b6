package tiff

import (
	"errors"
	"io"
)

var errLZW = errors.New("no LZW code")

const (
	lzwClear = 256
	lzwEnd   = 257
	lzwFirst = 258 // code of the first string
	lzwCodes = 4096
)

// lzwReader unpacks LZW (TIFF 6.0, section 13) from memory: codes of 9 to 12 bits, most significant first, which
// grow one code early. Drafts of TIFF 5 wrote them as GIF does: least significant bit first, and not early. It
// is several times as fast as golang.org/x/image/tiff/lzw, which reads byte by byte and knows one kind.
type lzwReader struct {
	in    []byte
	acc   uint64
	have  uint // bits of acc
	draft bool

	prefix [lzwCodes]uint16 // a string is its prefix and a last byte
	last   [lzwCodes]byte
	first  [lzwCodes]byte
	length [lzwCodes]uint16
	next   int
	width  uint
	before int // the code before; -1 after a clear

	pending []byte // of long, still to be given out
	long    [lzwCodes]byte
	err     error
}

// reset begins the chunk in. Streams of the drafts begin with a clear code whose bits run the other way.
func (z *lzwReader) reset(in []byte) {
	z.in, z.acc, z.have, z.err, z.pending = in, 0, 0, nil, nil
	z.draft = len(in) > 1 && in[0] == 0 && in[1]&1 == 1
	if z.length[0] == 0 {
		for i := range lzwClear {
			z.last[i], z.first[i], z.length[i] = byte(i), byte(i), 1
		}
	}
	z.clear()
}

func (z *lzwReader) clear() { z.next, z.width, z.before = lzwFirst, 9, -1 }

// code reads the next code; -1 at the end of the data.
func (z *lzwReader) code() int {
	for z.have < z.width {
		if len(z.in) == 0 {
			return -1
		}
		b := uint64(z.in[0])
		z.in = z.in[1:]
		if z.draft {
			z.acc |= b << z.have
		} else {
			z.acc = z.acc<<8 | b
		}
		z.have += 8
	}
	z.have -= z.width
	mask := uint64(1)<<z.width - 1
	if z.draft {
		c := z.acc & mask
		z.acc >>= z.width
		return int(c)
	}
	return int(z.acc >> z.have & mask)
}

// Read implements io.Reader; it fills p unless the data end.
func (z *lzwReader) Read(p []byte) (int, error) {
	n := copy(p, z.pending)
	z.pending = z.pending[n:]
	for n < len(p) && z.err == nil {
		code := z.code()
		switch {
		case code < 0:
			z.err = io.ErrUnexpectedEOF
			continue
		case code == lzwClear:
			z.clear()
			continue
		case code == lzwEnd:
			z.err = io.EOF
			continue
		case z.before < 0 && code > lzwClear, code > z.next, code == z.next && z.next >= lzwCodes:
			z.err = errLZW
			continue
		}
		if z.before >= 0 && z.next < lzwCodes {
			from := code // whose first byte ends the new string
			if code == z.next {
				from = z.before
			}
			z.prefix[z.next], z.last[z.next] = uint16(z.before), z.first[from]
			z.first[z.next], z.length[z.next] = z.first[z.before], z.length[z.before]+1
			z.next++
			early := 1
			if z.draft {
				early = 0
			}
			if z.next+early >= 1<<z.width && z.width < 12 {
				z.width++
			}
		}
		z.before = code
		n += z.spell(p[n:], code)
	}
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, z.err
}

// spell writes a code's string to p, last byte first, and keeps what does not fit.
func (z *lzwReader) spell(p []byte, code int) int {
	n := int(z.length[code])
	out := p
	if n > len(p) {
		out = z.long[:]
	}
	for k := n - 1; k > 0; k-- {
		out[k] = z.last[code]
		code = int(z.prefix[code])
	}
	out[0] = byte(code)
	if n <= len(p) {
		return n
	}
	given := copy(p, out[:n])
	z.pending = out[given:n]
	return given
}
