package decode

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/uni-aims/aimsd/stream/tiff"
)

type format int

const (
	unknown format = iota
	formatTIFF
	formatPNG
	formatJPEG
	formatPGM
	formatBMP
	formatMRC
	formatDM
)

// headBytes of a file decide its format: an MRC header is that long.
const headBytes = 1024

// sniff decides the format by a file's first bytes, headBytes of them where there are as many, and its size.
func sniff(head []byte, size int64) format {
	switch {
	case tiff.Sniff(head):
		return formatTIFF
	case bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")):
		return formatPNG
	case bytes.HasPrefix(head, []byte{0xff, 0xd8, 0xff}):
		return formatJPEG
	case len(head) > 2 && head[0] == 'P' && (head[1] == '5' || head[1] == '2') && (isSpace(head[2]) || head[2] == '#'):
		return formatPGM
	case isBMP(head):
		return formatBMP
	case isDM(head):
		return formatDM
	case isMRC(head, size):
		return formatMRC
	}
	return unknown
}

const formatNames = "TIFF, PNG, JPEG, BMP, PGM, MRC nor DM3/DM4"

// foreign says what a file that is not decoded here looks like, for the message.
func foreign(head []byte) error {
	const remedy = "save it as TIFF, PNG or JPEG"
	for _, k := range []struct{ magic, name string }{
		{"GIF8", "a GIF image"}, {"RIFF", "a WebP image or another RIFF file"},
		{"\x00\x00\x00\x0cjP", "a JPEG 2000 image"}, {"%PDF", "a PDF document"}, {"PK\x03\x04", "a ZIP archive"},
		{"\x89HDF", "an HDF5 file"}, {"II\x97\x01", "a TIA series (.ser)"}, {"P6", "a colour PPM image"},
	} {
		if bytes.HasPrefix(head, []byte(k.magic)) {
			return fmt.Errorf("%w: %s is not read here; %s", ErrUnsupported, k.name, remedy)
		}
	}
	return fmt.Errorf("%w: its content is neither %s; %s", ErrNotImage, formatNames, remedy)
}

// IsImage reports whether path is a regular file that begins like a format that is read here. It does not
// say that the file is whole.
func IsImage(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var head [headBytes]byte
	n, _ := io.ReadFull(f, head[:])
	return sniff(head[:n], info.Size()) != unknown
}
