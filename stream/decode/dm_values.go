package decode

import (
	"encoding/binary"
	"io"
	"math"
	"unicode/utf16"
)

// data reads a tag's value, or notes where it is.
func (d *dmReader) data(name string) error {
	var mark [4]byte
	if err := d.bytes(mark[:]); err != nil {
		return err
	}
	n, err := d.word()
	if err != nil {
		return err
	}
	if string(mark[:]) != "%%%%" || n < 1 || n > 1<<12 {
		return errDM
	}
	info := make([]int64, n)
	for i := range info {
		if info[i], err = d.word(); err != nil {
			return err
		}
	}
	const structure, text, array = 15, 18, 20
	switch {
	case info[0] == array && n >= 3:
		return d.array(name, info)
	case info[0] == text && n >= 2:
		return d.skip(2 * min(info[1], d.size))
	case info[0] == structure:
		length, err := structSize(info)
		if err != nil {
			return err
		}
		return d.skip(length)
	case n == 1 && dmSize(int(info[0])) > 0:
		var b [8]byte
		p := b[:dmSize(int(info[0]))]
		if err := d.bytes(p); err != nil {
			return err
		}
		d.tree.values[name] = dmNumber(p, int(info[0]), d.order)
		return nil
	}
	return errDM
}

// structSize adds up the fields of a structure: 15, length of its name, number of fields, then for each the
// length of its name and its kind.
func structSize(info []int64) (int64, error) {
	if len(info) < 3 || info[2] < 0 || int64(len(info)) < 3+2*info[2] {
		return 0, errDM
	}
	var n int64
	for k := range info[2] {
		size := dmSize(int(info[4+2*k]))
		if size == 0 {
			return 0, errDM
		}
		n += size
	}
	return n, nil
}

// array notes where an array lies; texts, which are arrays of 16-bit units, are read.
func (d *dmReader) array(name string, info []int64) error {
	count := info[len(info)-1]
	size := dmSize(int(info[1]))
	const structure = 15
	if info[1] == structure {
		var err error
		if size, err = structSize(info[1 : len(info)-1]); err != nil {
			return err
		}
	}
	if size == 0 || count < 0 || count > (d.size-d.pos)/size {
		if size == 0 {
			return errDM
		}
		return io.ErrUnexpectedEOF
	}
	if info[1] != structure {
		d.tree.arrays[name] = dmArray{int(info[1]), count, d.pos}
	}
	if info[1] == 4 && count <= maxDMText { // a text, or an image of few pixels
		p := make([]byte, 2*count)
		if err := d.bytes(p); err != nil {
			return err
		}
		units := make([]uint16, count)
		for i := range units {
			units[i] = d.order.Uint16(p[2*i:])
		}
		d.tree.texts[name] = string(utf16.Decode(units))
		return nil
	}
	return d.skip(count * size)
}

func dmNumber(p []byte, kind int, order binary.ByteOrder) float64 {
	switch kind {
	case 2:
		return float64(int16(order.Uint16(p)))
	case 3:
		return float64(int32(order.Uint32(p)))
	case 4:
		return float64(order.Uint16(p))
	case 5:
		return float64(order.Uint32(p))
	case 6:
		return float64(math.Float32frombits(order.Uint32(p)))
	case 7:
		return math.Float64frombits(order.Uint64(p))
	case 9:
		return float64(int8(p[0]))
	case 11:
		return float64(int64(order.Uint64(p)))
	case 12:
		return float64(order.Uint64(p))
	}
	return float64(p[0])
}
