package tiff

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"golang.org/x/image/tiff/lzw"
)

// unpacker reads a chunk's bytes in order and undoes its compression. It is reused from chunk to chunk.
type unpacker struct {
	raw  []byte // uncompressed bytes of the chunk still to come, when the file is in memory
	src  io.Reader
	zlib io.ReadCloser
	pack packBits
}

// open begins chunk i. Of an uncompressed chunk only the length bytes at skip will be read.
func (u *unpacker) open(r *Raster, i int, skip, length int64) error {
	f := r.page.file
	off, n := int64(r.offsets[i]), int64(r.counts[i])
	if r.compression == compressionNone {
		off, n = off+skip, min(n-skip, length)
	}
	u.raw, u.src = nil, nil
	var packed io.Reader
	if mem, ok := f.r.(Bytes); ok {
		if off+n > int64(len(mem)) {
			return fmt.Errorf("%w: %s %d ends after the data", ErrTruncated, r.chunkName(), i+1)
		}
		part := mem[off : off+n]
		if r.lsbFirst {
			part = reversed(part)
		}
		if r.compression == compressionNone {
			u.raw = part
			return nil
		}
		packed = bytes.NewReader(part)
	} else {
		packed = io.NewSectionReader(f.r, off, n)
		if r.lsbFirst {
			packed = bitReverser{packed}
		}
		if r.compression == compressionNone {
			u.src = packed
			return nil
		}
	}
	var err error
	switch r.compression {
	case compressionLZW:
		if err := r.lzwKind(i); err != nil {
			return err
		}
		u.src = lzw.NewReader(packed, lzw.MSB, 8)
	case compressionPackBits:
		u.pack.reset(packed)
		u.src = &u.pack
	case compressionDeflate, compressionDeflateOld:
		if u.zlib == nil {
			u.zlib, err = zlib.NewReader(packed)
		} else {
			err = u.zlib.(zlib.Resetter).Reset(packed, nil)
		}
		u.src = u.zlib
	}
	if err != nil {
		u.zlib = nil
		return chunkError(r, i, err)
	}
	return nil
}

// lzwKind refuses the LZW of TIFF 5 drafts, whose codes run the other way: it begins with 0x00 and an odd byte,
// where TIFF 6.0 begins with a clear code (0x80).
func (r *Raster) lzwKind(i int) error {
	var head [2]byte
	if r.counts[i] < 2 {
		return nil // too short, found later
	}
	if err := r.page.file.read(head[:], int64(r.offsets[i])); err != nil {
		return err
	}
	if head[0] == 0 && head[1]&1 == 1 && !r.lsbFirst {
		return fmt.Errorf("%w: old-style LZW compression; re-save it uncompressed or with LZW, Deflate or PackBits", ErrUnsupported)
	}
	return nil
}

// next returns the chunk's next n bytes, in scratch unless they stand in memory as they are.
func (u *unpacker) next(r *Raster, i, n int, scratch []byte) ([]byte, error) {
	if u.src == nil {
		if n > len(u.raw) {
			return nil, chunkError(r, i, io.ErrUnexpectedEOF)
		}
		part := u.raw[:n]
		u.raw = u.raw[n:]
		return part, nil
	}
	scratch = scratch[:n]
	if _, err := io.ReadFull(u.src, scratch); err != nil {
		return nil, chunkError(r, i, err)
	}
	return scratch, nil
}

// chunkError says which chunk failed and why.
func chunkError(r *Raster, i int, err error) error {
	kind := ErrFormat
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		kind = ErrTruncated
	}
	return fmt.Errorf("%w: %s %d of %d: %w", kind, r.chunkName(), i+1, len(r.offsets), err)
}

func reversed(p []byte) []byte {
	out := make([]byte, len(p))
	for i, b := range p {
		out[i] = bits.Reverse8(b)
	}
	return out
}

// bitReverser reads bytes whose bits are stored least significant first.
type bitReverser struct{ r io.Reader }

func (b bitReverser) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	for i, v := range p[:n] {
		p[i] = bits.Reverse8(v)
	}
	return n, err
}

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
