package tiff

import (
	"fmt"
	"math"
	"strings"
)

// Tag is a directory entry. Its value is read when asked for.
type Tag struct {
	ID     uint16
	Type   Type
	Count  uint64  // of values
	off    uint64  // of the value's bytes in the file, checked when read
	inline [8]byte // the value, where it stands in the entry
	short  bool    // it does
}

// Page is one directory of a file.
type Page struct {
	file *File
	tags []Tag
}

// Tags returns the entries in file order. The slice must not be changed.
func (p *Page) Tags() []Tag { return p.tags }

// Tag finds an entry by its number. Of duplicates the first counts.
func (p *Page) Tag(id uint16) (Tag, bool) {
	for _, t := range p.tags {
		if t.ID == id {
			return t, true
		}
	}
	return Tag{}, false
}

// Bytes returns the bytes of a tag's value as they stand in the file; nil when the tag is absent.
func (p *Page) Bytes(id uint16) ([]byte, error) {
	t, ok := p.Tag(id)
	if !ok {
		return nil, nil
	}
	return p.value(t)
}

// value reads a tag's bytes.
func (p *Page) value(t Tag) ([]byte, error) {
	size := uint64(t.Type.Size())
	if t.Count > MaxTagBytes/size {
		return nil, fmt.Errorf("%w: tag %d has %d values, more than %d MiB", ErrTooLarge, t.ID, t.Count, MaxTagBytes>>20)
	}
	if t.short {
		return append([]byte(nil), t.inline[:t.Count*size]...), nil
	}
	off, err := p.file.offset(t.off, t.Count*size, fmt.Sprintf("tag %d", t.ID))
	if err != nil {
		return nil, err
	}
	b := make([]byte, t.Count*size)
	return b, p.file.read(b, off)
}

// ASCII returns a text tag (type ASCII, BYTE or UNDEFINED) without the NULs that end it; "" when the tag is
// absent. The text is in the writer's encoding, often Latin-1.
func (p *Page) ASCII(id uint16) (string, error) {
	t, ok := p.Tag(id)
	if !ok {
		return "", nil
	}
	if t.Type.Size() != 1 {
		return "", fmt.Errorf("%w: tag %d is no text", ErrFormat, id)
	}
	b, err := p.value(t)
	return strings.TrimRight(string(b), "\x00"), err
}

// Uints returns the values of an unsigned integer tag; nil when the tag is absent.
func (p *Page) Uints(id uint16) ([]uint64, error) {
	t, ok := p.Tag(id)
	if !ok {
		return nil, nil
	}
	switch t.Type {
	case Byte, Short, Long, IFD, Long8, IFD8:
	default:
		return nil, fmt.Errorf("%w: tag %d is no unsigned integer", ErrFormat, id)
	}
	b, err := p.value(t)
	if err != nil {
		return nil, err
	}
	v := make([]uint64, t.Count)
	o := p.file.order
	for i := range v {
		switch t.Type.Size() {
		case 1:
			v[i] = uint64(b[i])
		case 2:
			v[i] = uint64(o.Uint16(b[2*i:]))
		case 4:
			v[i] = uint64(o.Uint32(b[4*i:]))
		case 8:
			v[i] = o.Uint64(b[8*i:])
		}
	}
	return v, nil
}

// Uint returns the first value of an unsigned integer tag, or def when the tag is absent or empty.
func (p *Page) Uint(id uint16, def uint64) (uint64, error) {
	v, err := p.Uints(id)
	if err != nil || len(v) == 0 {
		return def, err
	}
	return v[0], nil
}

// Rationals returns the values of a RATIONAL, SRATIONAL, FLOAT or DOUBLE tag; nil when the tag is absent.
// A zero denominator gives NaN.
func (p *Page) Rationals(id uint16) ([]float64, error) {
	t, ok := p.Tag(id)
	if !ok {
		return nil, nil
	}
	switch t.Type {
	case Rational, SRational, Float, Double:
	default:
		return nil, fmt.Errorf("%w: tag %d is no fraction", ErrFormat, id)
	}
	b, err := p.value(t)
	if err != nil {
		return nil, err
	}
	v := make([]float64, t.Count)
	o := p.file.order
	for i := range v {
		switch t.Type {
		case Rational:
			v[i] = ratio(float64(o.Uint32(b[8*i:])), float64(o.Uint32(b[8*i+4:])))
		case SRational:
			v[i] = ratio(float64(int32(o.Uint32(b[8*i:]))), float64(int32(o.Uint32(b[8*i+4:]))))
		case Float:
			v[i] = float64(math.Float32frombits(o.Uint32(b[4*i:])))
		case Double:
			v[i] = math.Float64frombits(o.Uint64(b[8*i:]))
		}
	}
	return v, nil
}

func ratio(num, den float64) float64 {
	if den == 0 {
		return math.NaN()
	}
	return num / den
}

// At returns n bytes at an offset that a private tag points to. n must be bounded by the caller.
func (p *Page) At(offset uint64, n int) ([]byte, error) {
	off, err := p.file.offset(offset, uint64(n), "private data")
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	return b, p.file.read(b, off)
}
