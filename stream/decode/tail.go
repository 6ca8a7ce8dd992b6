package decode

import (
	"bytes"
	"os"

	"github.com/uni-aims/aimsd/stream/tiff"
)

// tailBytes of a file's end are looked at.
const tailBytes = 64 << 10

// Unfilled reports whether the file at path, which is structurally whole, may only have been reserved so far:
// the last strip or tile of a TIFF, or the end of another uncompressed format, is nothing but zeros. A black
// image looks the same, hence this is a reason to wait, not an error. False where in doubt.
func Unfilled(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return false
	}
	size := info.Size()
	var head [headBytes]byte
	n, err := f.ReadAt(head[:], 0)
	if endOK(err) != nil {
		return false
	}
	switch sniff(head[:n], size) {
	case formatTIFF:
		zero, err := tiff.TailIsZero(f, size)
		return err == nil && zero
	case formatBMP, formatPGM, formatMRC, formatDM:
		tail := make([]byte, min(size, tailBytes))
		_, err := f.ReadAt(tail, size-int64(len(tail)))
		return endOK(err) == nil && len(bytes.TrimLeft(tail, "\x00")) == 0
	}
	return false // compressed formats end in a mark of their own
}
