package stream

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// assembler turns the chunks of one streamed frame into grey pixels as they come: padding is dropped and
// colour reduced row by row, so the frame is never held twice.
type assembler struct {
	layout
	gray8  []uint8
	gray16 []uint16
	want   uint32 // CRC-32C as announced; 0 is not checked

	crc   uint32
	sum   hash.Hash
	table *crc32.Table
	got   int64
	row   int
	part  []byte // the beginning of the next row
}

// errCRC says that the pixels are not those that were sent.
var errCRC = errors.New("crc mismatch: the pixel bytes differ from those announced, send the frame again")

func newAssembler(l layout, crc uint32) *assembler {
	a := &assembler{layout: l, want: crc, sum: sha256.New(), table: crc32.MakeTable(crc32.Castagnoli)}
	if l.format == aimsv1.PixelFormat_GRAY16LE {
		a.gray16 = make([]uint16, l.width*l.height)
	} else {
		a.gray8 = make([]uint8, l.width*l.height)
	}
	return a
}

func (a *assembler) missing() int64 { return a.wireBytes() - a.got }

// add takes the next pixel bytes.
func (a *assembler) add(data []byte) error {
	if int64(len(data)) > a.missing() {
		return fmt.Errorf("wrong byte count: %d bytes or more, want %d (stride %d x height %d)",
			a.got+int64(len(data)), a.wireBytes(), a.stride, a.height)
	}
	a.got += int64(len(data))
	a.crc = crc32.Update(a.crc, a.table, data)
	_, _ = a.sum.Write(data) // never fails
	for len(data) > 0 {
		if len(a.part) == 0 && len(data) >= a.stride {
			a.put(data[:a.stride])
			data = data[a.stride:]
			continue
		}
		n := min(len(data), a.stride-len(a.part))
		a.part = append(a.part, data[:n]...)
		data = data[n:]
		if len(a.part) == a.stride {
			a.put(a.part)
			a.part = a.part[:0]
		}
	}
	return nil
}

// put converts one row as sent.
func (a *assembler) put(src []byte) {
	from, to := a.row*a.width, (a.row+1)*a.width
	a.row++
	switch a.format {
	case aimsv1.PixelFormat_GRAY16LE:
		dst := a.gray16[from:to]
		src = src[:2*len(dst)]
		for i := range dst {
			dst[i] = binary.LittleEndian.Uint16(src[2*i:])
		}
	case aimsv1.PixelFormat_RGB8:
		luminance(a.gray8[from:to], src)
	default:
		copy(a.gray8[from:to], src)
	}
}

// luminance reduces interleaved RGB to grey after ITU-R BT.601, rounded to nearest.
func luminance(dst []uint8, rgb []byte) {
	rgb = rgb[:3*len(dst)]
	for i := range dst {
		p := rgb[3*i : 3*i+3 : 3*i+3]
		dst[i] = uint8((299*uint32(p[0]) + 587*uint32(p[1]) + 114*uint32(p[2]) + 500) / 1000)
	}
}

// finish checks the frame as a whole and gives it its pixels.
func (a *assembler) finish() error {
	switch {
	case a.missing() != 0:
		return fmt.Errorf("wrong byte count: %d bytes, want %d (stride %d x height %d)", a.got, a.wireBytes(), a.stride, a.height)
	case a.want != 0 && a.want != a.crc:
		return errCRC
	}
	return nil
}

func (a *assembler) sha256() string { return fmt.Sprintf("%x", a.sum.Sum(nil)) }
