package decode

import (
	"encoding/binary"
	"fmt"
)

// isBMP reports whether head begins a Windows bitmap: signature, and a header length that exists.
func isBMP(head []byte) bool {
	if len(head) < 18 || head[0] != 'B' || head[1] != 'M' {
		return false
	}
	switch binary.LittleEndian.Uint32(head[14:]) {
	case 12, 40, 52, 56, 64, 108, 124:
		return true
	}
	return false
}

// bmpComplete compares the file's length with its header's, which some writers leave 0.
func bmpComplete(head []byte, size int64) error {
	if want := int64(binary.LittleEndian.Uint32(head[2:])); want > size {
		return fmt.Errorf("%w BMP: %d of %d bytes; wait until it is written or copy it again", ErrTruncated, size, want)
	}
	return nil
}
