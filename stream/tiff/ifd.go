package tiff

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// directoryWriter collects the entries of a classic little-endian directory.
type directoryWriter struct{ entries []entry }

type entry struct {
	id    uint16
	typ   Type
	count uint32
	value []byte
}

func (d *directoryWriter) add(id uint16, typ Type, count int, value []byte) {
	d.entries = append(d.entries, entry{id, typ, uint32(count), value})
}

func (d *directoryWriter) short(id, v uint16) {
	d.add(id, Short, 1, binary.LittleEndian.AppendUint16(nil, v))
}

func (d *directoryWriter) longs(id uint16, v ...uint32) {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, x)
	}
	d.add(id, Long, len(v), b)
}

func (d *directoryWriter) rational(id uint16, num, den uint32) {
	b := binary.LittleEndian.AppendUint32(nil, num)
	d.add(id, Rational, 1, binary.LittleEndian.AppendUint32(b, den))
}

// ascii adds a text; an empty one is left out.
func (d *directoryWriter) ascii(id uint16, text string) {
	if text != "" {
		d.add(id, ASCII, len(text)+1, append([]byte(text), 0))
	}
}

// bytes lays the directory out for a place at byte at of the file: entries in ascending order, then the
// values longer than four bytes.
func (d *directoryWriter) bytes(at uint32) []byte {
	slices.SortStableFunc(d.entries, func(a, b entry) int { return cmp.Compare(a.id, b.id) })
	head := binary.LittleEndian.AppendUint16(nil, uint16(len(d.entries)))
	var tail []byte
	tailAt := at + uint32(2+12*len(d.entries)+4)
	for _, e := range d.entries {
		head = binary.LittleEndian.AppendUint16(head, e.id)
		head = binary.LittleEndian.AppendUint16(head, uint16(e.typ))
		head = binary.LittleEndian.AppendUint32(head, e.count)
		if len(e.value) <= 4 {
			head = append(head, append(e.value, 0, 0, 0, 0)[:4]...)
			continue
		}
		head = binary.LittleEndian.AppendUint32(head, tailAt+uint32(len(tail)))
		tail = append(tail, e.value...)
		if len(tail)&1 == 1 {
			tail = append(tail, 0)
		}
	}
	head = binary.LittleEndian.AppendUint32(head, 0)
	return append(head, tail...)
}
