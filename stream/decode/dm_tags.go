package decode

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Limits of a DigitalMicrograph file's tag tree.
const (
	maxDMTags  = 200_000
	maxDMDepth = 64
	maxDMText  = 4 << 10 // UTF-16 units of a value that is kept
)

// dmArray is an array of numbers that stays in the file.
type dmArray struct {
	kind   int // of its elements, dmSize
	count  int64
	offset int64
}

// dmTree is a file's tags: numbers and texts, and where the arrays lie, by path: "ImageList.1.Name". Unnamed
// tags are counted from 0.
type dmTree struct {
	big    bool // byte order of the data; the structure is big-endian
	texts  map[string]string
	values map[string]float64
	arrays map[string]dmArray
}

// isDM reports whether head begins a DM3 or DM4 file: version, length, byte order of the data, root group.
func isDM(head []byte) bool {
	if len(head) < 18 {
		return false
	}
	rest := head[8:]
	switch binary.BigEndian.Uint32(head) {
	case 3:
	case 4:
		rest = head[12:]
	default:
		return false
	}
	return binary.BigEndian.Uint32(rest) <= 1 && rest[4] <= 1 && rest[5] <= 1
}

// dmSize is the length of an element of a kind, 0 for kinds that are none.
func dmSize(kind int) int64 {
	switch kind {
	case 2, 4: // int16, uint16
		return 2
	case 3, 5, 6: // int32, uint32, float32
		return 4
	case 7, 11, 12: // float64, int64, uint64
		return 8
	case 8, 9, 10: // bool, int8, uint8
		return 1
	}
	return 0
}

var errDM = errors.New("damaged tag")

// dmReader walks the tag tree. Layout after Bernhard Schaffer and the readers of NCEM and RosettaSciIO.
type dmReader struct {
	src   io.ReaderAt
	size  int64
	pos   int64
	buf   *bufio.Reader
	four  bool
	order binary.ByteOrder
	tags  int
	tree  *dmTree
}

// parseDM reads the tags of the DM3 or DM4 file in the first size bytes of r.
func parseDM(r io.ReaderAt, size int64) (*dmTree, error) {
	d := &dmReader{src: r, size: size, order: binary.LittleEndian, tree: &dmTree{
		texts: map[string]string{}, values: map[string]float64{}, arrays: map[string]dmArray{},
	}}
	d.seek(0)
	err := d.file()
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("%w DM file: its tags go on behind byte %d; wait until it is written or copy it again", ErrTruncated, size)
	case err != nil:
		return nil, fmt.Errorf("%w DM file: %w at byte %d; export the image again", ErrCorrupt, err, d.pos)
	}
	return d.tree, nil
}

func (d *dmReader) file() error {
	version, err := d.uint(4)
	if err != nil {
		return err
	}
	d.four = version == 4
	if _, err := d.word(); err != nil { // length of the tags
		return err
	}
	little, err := d.uint(4)
	if err != nil {
		return err
	}
	if d.tree.big = little == 0; d.tree.big {
		d.order = binary.BigEndian
	}
	return d.group("", 0)
}

// seek moves to a place in the file.
func (d *dmReader) seek(pos int64) {
	d.pos = pos
	s := io.NewSectionReader(d.src, pos, max(0, d.size-pos))
	if d.buf == nil {
		d.buf = bufio.NewReaderSize(s, 16<<10)
		return
	}
	d.buf.Reset(s)
}

// skip leaves out n bytes.
func (d *dmReader) skip(n int64) error {
	if n < 0 || n > d.size-d.pos {
		return io.ErrUnexpectedEOF
	}
	if n <= int64(d.buf.Buffered()) {
		_, err := d.buf.Discard(int(n))
		d.pos += n
		return err
	}
	d.seek(d.pos + n)
	return nil
}

func (d *dmReader) bytes(p []byte) error {
	n, err := io.ReadFull(d.buf, p)
	d.pos += int64(n)
	return err
}

// uint reads a big-endian number of n bytes.
func (d *dmReader) uint(n int) (uint64, error) {
	var b [8]byte
	err := d.bytes(b[8-n:])
	return binary.BigEndian.Uint64(b[:]), err
}

// word reads a count or length: 4 bytes in DM3, 8 in DM4.
func (d *dmReader) word() (int64, error) {
	n := 4
	if d.four {
		n = 8
	}
	v, err := d.uint(n)
	if err == nil && v > math.MaxInt64 {
		return 0, errDM
	}
	return int64(v), err
}

// group reads a group's tags; path ends in a dot or is empty.
func (d *dmReader) group(path string, depth int) error {
	if depth > maxDMDepth {
		return errDM
	}
	if err := d.skip(2); err != nil { // sorted, open
		return err
	}
	n, err := d.word()
	if err != nil {
		return err
	}
	unnamed := 0
	for range n {
		if d.tags++; d.tags > maxDMTags {
			return errDM
		}
		kind, err := d.uint(1)
		if err != nil {
			return err
		}
		length, err := d.uint(2)
		if err != nil {
			return err
		}
		label := make([]byte, length)
		if err := d.bytes(label); err != nil {
			return err
		}
		if d.four {
			if err := d.skip(8); err != nil { // length of the tag
				return err
			}
		}
		name := path + utf8Text(string(label))
		if length == 0 {
			name = path + strconv.Itoa(unnamed)
			unnamed++
		}
		const group, data = 20, 21
		switch kind {
		case group:
			err = d.group(name+".", depth+1)
		case data:
			err = d.data(name)
		default:
			err = errDM
		}
		if err != nil {
			return err
		}
	}
	return nil
}
