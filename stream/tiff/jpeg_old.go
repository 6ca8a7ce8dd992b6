package tiff

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

const jpegBaseline = 1

// wholeJPEG reports whether the page, of the JPEG scheme that TIFF 6.0 first had (section 22), is one JPEG
// stream with all its tables, and makes it the page's only chunk.
func (r *Raster) wholeJPEG() (bool, error) {
	proc, err := r.page.Uint(TagJPEGProc, jpegBaseline)
	if err != nil {
		return false, err
	}
	if proc != jpegBaseline {
		return false, fmt.Errorf("%w: lossless JPEG of the old scheme; re-save it with Deflate", ErrUnsupported)
	}
	off, err := r.page.Uint(TagJPEGOffset, 0)
	if err != nil || off == 0 {
		return false, err
	}
	n, err := r.page.Uint(TagJPEGLength, 0)
	if err != nil {
		return false, err
	}
	if n == 0 && off < uint64(r.page.file.size) {
		n = uint64(r.page.file.size) - off
	}
	var head [2]byte
	if n < 4 || !r.fits(off, n) || r.page.file.read(head[:], int64(off)) != nil || head != [2]byte{0xff, 0xd8} {
		return false, nil
	}
	if len(r.offsets) > 1 { // the stream may be the header only
		return false, nil
	}
	r.tiled, r.planar = false, false
	r.chunkW, r.chunkH, r.across, r.down = r.Width, r.Height, 1, 1
	r.offsets, r.counts = []uint64{off}, []uint64{n}
	return true, nil
}

// oldJPEG puts the tables, which stand in the file one by one, before the bare data of chunk i.
func (r *Raster) oldJPEG(stored []byte, i int) ([]byte, error) {
	if len(stored) > 2 && stored[0] == 0xff && stored[1] == 0xd8 {
		return stored, nil
	}
	components := r.Samples
	if r.planar {
		components = 1
	}
	out := []byte{0xff, 0xd8}
	var quant, dc, ac [4]byte // which tables the components use
	segment := func(marker byte, body ...byte) {
		out = append(out, 0xff, marker)
		out = binary.BigEndian.AppendUint16(out, uint16(len(body)+2))
		out = append(out, body...)
	}
	for _, kind := range []struct {
		tag    uint16
		marker byte
		class  byte
		used   *[4]byte
	}{{TagJPEGQTables, 0xdb, 0, &quant}, {TagJPEGDCTables, 0xc4, 0, &dc}, {TagJPEGACTables, 0xc4, 0x10, &ac}} {
		offsets, err := r.page.Uints(kind.tag)
		if err != nil {
			return nil, err
		}
		if len(offsets) < components {
			return nil, fmt.Errorf("%w: old JPEG without its tables (tag %d)", ErrFormat, kind.tag)
		}
		var known [][]byte // baseline JPEG has room for two Huffman tables of a class; equal ones are one
		for k, off := range offsets[:components] {
			table, err := r.oldTable(off, kind.tag == TagJPEGQTables)
			if err != nil {
				return nil, err
			}
			id := slices.IndexFunc(known, func(t []byte) bool { return bytes.Equal(t, table) })
			if id < 0 {
				id = len(known)
				known = append(known, table)
				segment(kind.marker, append([]byte{kind.class | byte(id)}, table...)...)
			}
			kind.used[k] = byte(id)
		}
	}
	h := r.rows(i)
	if r.tiled {
		h = r.chunkH
	}
	frame := []byte{8, byte(h >> 8), byte(h), byte(r.chunkW >> 8), byte(r.chunkW), byte(components)}
	scan := []byte{byte(components)}
	sub, err := r.page.Uints(TagYCbCrSubSampling)
	if err != nil {
		return nil, err
	}
	for k := range components {
		factors := byte(0x11)
		if k == 0 && components == 3 && r.photometric == photometricYCbCr {
			factors = 0x22
			if len(sub) >= 2 {
				factors = byte(sub[0]&7<<4 | sub[1]&7)
			}
		}
		frame = append(frame, byte(k+1), factors, quant[k])
		scan = append(scan, byte(k+1), dc[k]<<4|ac[k])
	}
	segment(0xc0, frame...)
	if restart, err := r.page.Uint(TagJPEGRestart, 0); err == nil && restart > 0 && restart < 1<<16 {
		segment(0xdd, byte(restart>>8), byte(restart))
	}
	segment(0xda, append(scan, 0, 63, 0)...)
	out = append(out, stored...)
	return append(out, 0xff, 0xd9), nil
}

// oldTable reads a quantisation table, 64 bytes, or a Huffman table, 16 counts and as many values.
func (r *Raster) oldTable(off uint64, quantisation bool) ([]byte, error) {
	n := uint64(16)
	if quantisation {
		n = 64
	}
	if !r.fits(off, n) {
		return nil, fmt.Errorf("%w: a JPEG table is at byte %d, the file ends at %d", ErrTruncated, off, r.page.file.size)
	}
	table := make([]byte, n, 16+16*255)
	if err := r.page.file.read(table, int64(off)); err != nil || quantisation {
		return table, err
	}
	values := 0
	for _, v := range table {
		values += int(v)
	}
	if !r.fits(off, 16+uint64(values)) {
		return nil, fmt.Errorf("%w: a JPEG table at byte %d has %d values", ErrTruncated, off, values)
	}
	table = table[:16+values]
	return table, r.page.file.read(table[16:], int64(off)+16)
}
