package tiff

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// maxPacked is the longest stored chunk that is read into memory at once when the file is not; longer ones
// are read as they are unpacked.
const maxPacked = 4 << 20

// unpacker reads a chunk's bytes in order and undoes its compression. It is reused from chunk to chunk.
type unpacker struct {
	raw    []byte // unpacked bytes of the chunk still to come, where they stand in memory
	src    io.Reader
	packed []byte // the stored chunk, where the file is not in memory
	mem    bytes.Reader
	file   *bufio.Reader
	zlib   io.ReadCloser
	zstd   *zstd.Decoder
	pack   packBits
	whole  []byte // an unpacked chunk
	luma   lumaReader
	lzw    *lzwReader
	fax    faxReader
}

// open begins chunk i. Of an uncompressed chunk only the length bytes at skip will be read.
func (u *unpacker) open(r *Raster, i int, skip, length int64) error {
	u.raw, u.src = nil, nil
	off, n := int64(r.offsets[i]), int64(r.counts[i])
	plain := r.compression == compressionNone && r.subX == 0
	if plain {
		off, n = off+skip, min(n-skip, length)
		if _, ok := r.page.file.r.(Bytes); !ok && !r.lsbFirst {
			u.src = io.NewSectionReader(r.page.file.r, off, n)
			return nil
		}
	}
	if r.isJPEG() {
		stored, err := u.stored(r, i, off, n)
		if err != nil {
			return err
		}
		u.whole, err = r.unpackJPEG(u.whole, stored, i)
		u.raw = u.whole
		return err
	}
	packed, err := u.read(r, i, off, n)
	if err != nil || plain {
		return err
	}
	if err := u.codec(r, i, packed); err != nil {
		return chunkError(r, i, err)
	}
	if r.subX > 0 && !r.planar {
		u.luma.reset(r, u.src)
		u.src = &u.luma
	}
	return nil
}

// read returns a reader of the stored chunk and, where it stands in memory, sets raw.
func (u *unpacker) read(r *Raster, i int, off, n int64) (io.Reader, error) {
	if _, ok := r.page.file.r.(Bytes); !ok && n > maxPacked && r.compression != compressionLZW {
		src := io.Reader(io.NewSectionReader(r.page.file.r, off, n))
		if r.lsbFirst {
			src = bitReverser{src}
		}
		if u.file == nil {
			u.file = bufio.NewReaderSize(src, 256<<10)
		}
		u.file.Reset(src)
		u.src = u.file
		return u.file, nil
	}
	stored, err := u.stored(r, i, off, n)
	if err != nil {
		return nil, err
	}
	if r.lsbFirst {
		stored = reversed(stored)
	}
	u.raw = stored
	u.mem.Reset(stored)
	return &u.mem, nil
}

// stored returns the bytes of a chunk as they stand in the file.
func (u *unpacker) stored(r *Raster, i int, off, n int64) ([]byte, error) {
	if mem, ok := r.page.file.r.(Bytes); ok {
		if off+n > int64(len(mem)) {
			return nil, fmt.Errorf("%w: %s %d ends after the data", ErrTruncated, r.chunkName(), i+1)
		}
		return mem[off : off+n], nil
	}
	u.packed = grown(u.packed, int(n))
	return u.packed, r.page.file.read(u.packed, off)
}

// codec sets src to a reader that undoes the compression of packed.
func (u *unpacker) codec(r *Raster, i int, packed io.Reader) error {
	raw := u.raw
	u.raw = nil
	switch r.compression {
	case compressionNone:
		u.src = packed
	case compressionLZW:
		if u.lzw == nil {
			u.lzw = new(lzwReader)
		}
		u.lzw.reset(raw)
		u.src = u.lzw
	case compressionPackBits:
		u.pack.reset(packed)
		u.src = &u.pack
	case compressionDeflate, compressionDeflateOld:
		var err error
		if u.zlib == nil {
			u.zlib, err = zlib.NewReader(packed)
		} else {
			err = u.zlib.(zlib.Resetter).Reset(packed, nil)
		}
		if err != nil {
			u.zlib = nil
			return err
		}
		u.src = u.zlib
	case compressionZstd, compressionZstdOld:
		return u.openZstd(r, i, raw, packed)
	default:
		u.fax.reset(r, i, packed)
		u.src = &u.fax
	}
	return nil
}

// openZstd unpacks a Zstandard chunk: at once where it is short, because a stream needs a window of many
// times its size.
func (u *unpacker) openZstd(r *Raster, i int, raw []byte, packed io.Reader) error {
	size := uint64(r.rowBytes()*r.chunkH) + 1<<10
	if r.subX > 0 {
		size *= 3
	}
	var err error
	if raw != nil && size <= maxPacked {
		if u.zstd == nil {
			u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true))
			if err != nil {
				return err
			}
		}
		u.whole, err = u.zstd.DecodeAll(raw, grown(u.whole, int(size))[:0])
		if uint64(len(u.whole)) >= r.need(i) {
			err = nil // what follows the pixels does not matter
		}
		u.mem.Reset(u.whole)
		u.src = &u.mem
		return err
	}
	if u.zstd == nil { // one goroutine: chunks are decoded in parallel already
		u.zstd, err = zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(64<<20))
	} else {
		err = u.zstd.Reset(packed)
	}
	u.src = u.zstd
	return err
}

// next returns the chunk's next n bytes: in into, or, unless they must be copied, where they stand.
func (u *unpacker) next(r *Raster, i, n int, into []byte, must bool) ([]byte, error) {
	if u.src == nil {
		if n > len(u.raw) {
			return nil, chunkError(r, i, io.ErrUnexpectedEOF)
		}
		part := u.raw[:n]
		u.raw = u.raw[n:]
		if must || r.predictor != 1 { // which is undone in place
			return into[:copy(into[:n], part)], nil
		}
		return part, nil
	}
	into = into[:n]
	if _, err := io.ReadFull(u.src, into); err != nil {
		return nil, chunkError(r, i, err)
	}
	return into, nil
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
