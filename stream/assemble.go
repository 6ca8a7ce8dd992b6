package stream

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"math/bits"
	"unsafe"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// assembler turns the chunks of one streamed frame into grey pixels as they come: padding is dropped and
// colour reduced row by row, so the frame is never held twice.
type assembler struct {
	layout
	gray8  []uint8
	gray16 []uint16
	bytes  []byte // the grey pixels as bytes; nil for colour
	want   uint32 // CRC-32C as announced; 0 is not checked

	crc     uint32
	sum     hash.Hash
	table   *crc32.Table
	got     int64
	part    []byte // colour: the beginning of the next row
	buffers *pixelBuffers
}

// errCRC says that the pixels are not those that were sent.
var errCRC = errors.New("crc mismatch: the pixel bytes differ from those announced, send the frame again")

func newAssembler(l layout, crc uint32, buffers *pixelBuffers) *assembler {
	a := &assembler{layout: l, want: crc, sum: sha256.New(), table: crc32.MakeTable(crc32.Castagnoli), buffers: buffers}
	switch l.format {
	case aimsv1.PixelFormat_GRAY16LE:
		a.gray16 = buffers.get16(l.width * l.height)
		a.bytes = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(a.gray16))), 2*len(a.gray16))
	case aimsv1.PixelFormat_RGB8:
		a.gray8 = buffers.get8(l.width * l.height)
	default:
		a.gray8 = buffers.get8(l.width * l.height)
		a.bytes = a.gray8
	}
	return a
}

// giveBack returns the pixels to where they came from; nobody may touch them any more.
func (a *assembler) giveBack() { a.buffers.put(a.gray8, a.gray16) }

func (a *assembler) missing() int64 { return a.wireBytes() - a.got }

// add takes the next pixel bytes.
func (a *assembler) add(data []byte) error {
	if int64(len(data)) > a.missing() {
		return fmt.Errorf("wrong byte count: %d bytes or more, want %d (stride %d x height %d)",
			a.got+int64(len(data)), a.wireBytes(), a.stride, a.height)
	}
	a.crc = crc32.Update(a.crc, a.table, data)
	_, _ = a.sum.Write(data) // never fails
	if a.bytes != nil {
		a.place(data)
	} else {
		a.reduce(data)
	}
	return nil
}

// place copies grey pixels, without the padding of rows, to where they belong.
func (a *assembler) place(data []byte) {
	width := a.width * a.bytesPerPx
	if a.stride == width {
		copy(a.bytes[a.got:], data)
		a.got += int64(len(data))
		return
	}
	for len(data) > 0 {
		row, column := int(a.got/int64(a.stride)), int(a.got%int64(a.stride))
		n := min(len(data), a.stride-column)
		if column < width {
			copy(a.bytes[row*width+column:(row+1)*width], data[:n])
		}
		data = data[n:]
		a.got += int64(n)
	}
}

// reduce turns whole rows of colour to grey.
func (a *assembler) reduce(data []byte) {
	for len(data) > 0 {
		row := int(a.got / int64(a.stride))
		n := min(len(data), a.stride-len(a.part))
		src := data[:n]
		if n < a.stride {
			a.part = append(a.part, src...)
			src = a.part
		}
		data = data[n:]
		a.got += int64(n)
		if len(src) == a.stride {
			luminance(a.gray8[row*a.width:(row+1)*a.width], src)
			a.part = a.part[:0]
		}
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
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 { // the computer is big-endian, the stream is not
		for i, v := range a.gray16 {
			a.gray16[i] = bits.ReverseBytes16(v)
		}
	}
	return nil
}

func (a *assembler) sha256() string { return fmt.Sprintf("%x", a.sum.Sum(nil)) }
