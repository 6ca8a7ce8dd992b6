package tiff

import (
	"errors"
	"io"
)

// packBits undoes the PackBits run-length coding (TIFF 6.0, section 9).
type packBits struct {
	src  io.Reader
	buf  [4096]byte
	in   []byte // of buf, unread
	run  int    // bytes left of the current run or literal
	fill byte
	same bool // run repeats fill
	err  error
}

func (p *packBits) reset(src io.Reader) { p.src, p.in, p.run, p.err = src, nil, 0, nil }

// more makes sure that p.in holds a byte.
func (p *packBits) more() bool {
	for len(p.in) == 0 && p.err == nil {
		var n int
		n, p.err = p.src.Read(p.buf[:])
		p.in = p.buf[:n]
	}
	return len(p.in) > 0
}

func (p *packBits) byte() (byte, bool) {
	if !p.more() {
		return 0, false
	}
	b := p.in[0]
	p.in = p.in[1:]
	return b, true
}

// Read implements io.Reader.
func (p *packBits) Read(dst []byte) (int, error) {
	n := 0
	for n < len(dst) {
		if p.run == 0 {
			code, ok := p.byte()
			if !ok {
				return n, p.err
			}
			switch c := int8(code); {
			case c == -128: // no operation
				continue
			case c >= 0:
				p.run, p.same = int(c)+1, false
			default:
				if p.fill, ok = p.byte(); !ok {
					return n, unexpected(p.err)
				}
				p.run, p.same = 1-int(c), true
			}
		}
		part := dst[n:min(len(dst), n+p.run)]
		if p.same {
			for i := range part {
				part[i] = p.fill
			}
		} else {
			if !p.more() {
				return n, unexpected(p.err)
			}
			part = part[:copy(part, p.in)]
			p.in = p.in[len(part):]
		}
		n, p.run = n+len(part), p.run-len(part)
	}
	return n, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
