package decode

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"github.com/uni-aims/aimsd/stream/tiff"
)

// Complete returns nil when the file at path is structurally whole: every part a TIFF speaks of lies inside
// it, a PNG has its IEND chunk, a JPEG its end marker (padding may follow), a PGM, BMP or MRC all its samples,
// a DM file all its tags. It reads headers and offset tables, no pixels, and does not say that the pixels are right. The error names path,
// cause and remedy in one line.
func Complete(path string) error {
	if err := complete(path); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func complete(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return plain(err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: it is a %s; name a file", ErrNotImage, kindOf(info.Mode()))
	}
	f, err := os.Open(path)
	if err != nil {
		return plain(err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return plain(err)
	}
	size := info.Size()
	var head [headBytes]byte
	n, err := f.ReadAt(head[:], 0)
	if err = endOK(err); err != nil {
		return plain(err)
	}
	if n == 0 {
		return fmt.Errorf("%w: the file is empty; wait until it is written", ErrTruncated)
	}
	switch sniff(head[:n], size) {
	case formatTIFF:
		return remedied(tiff.CheckComplete(f, size))
	case formatPNG:
		return pngComplete(f, size)
	case formatJPEG:
		return jpegComplete(f, size)
	case formatBMP:
		return bmpComplete(head[:n], size)
	case formatMRC:
		h, _ := parseMRC(head[:n], size)
		return h.check(size)
	case formatDM:
		_, err := parseDM(f, size)
		return err
	case formatPGM:
		p, err := parsePGM(io.NewSectionReader(f, 0, size), size)
		if err == nil && p.plain {
			err = p.numbers(f, size, func(int, int) {})
		}
		return err
	}
	return foreign(head[:n])
}

// pngComplete walks the chunks up to IEND; mostly it is found at the file's end at once.
func pngComplete(r io.ReaderAt, size int64) error {
	const iend = "\x00\x00\x00\x00IEND\xaeB`\x82"
	var tail [len(iend)]byte
	if size >= int64(len(tail)) {
		if _, err := r.ReadAt(tail[:], size-int64(len(tail))); endOK(err) != nil {
			return err
		}
		if string(tail[:]) == iend {
			return nil
		}
	}
	var head [8]byte
	for off := int64(8); off+12 <= size; {
		if _, err := r.ReadAt(head[:], off); err != nil {
			return err
		}
		off += 12 + int64(binary.BigEndian.Uint32(head[:]))
		if string(head[4:]) == "IEND" && off <= size {
			return nil
		}
	}
	return fmt.Errorf("%w PNG: no IEND chunk; wait until it is written or copy it again", ErrTruncated)
}

// jpegComplete looks for the end marker before the padding that some writers append.
func jpegComplete(r io.ReaderAt, size int64) error {
	tail := make([]byte, min(size, 64<<10))
	if _, err := r.ReadAt(tail, size-int64(len(tail))); endOK(err) != nil {
		return err
	}
	end := len(tail)
	for end > 0 && (tail[end-1] == 0 || isSpace(tail[end-1])) {
		end--
	}
	if bytes.HasSuffix(tail[:end], []byte{0xff, 0xd9}) {
		return nil
	}
	return fmt.Errorf("%w JPEG: no end marker; wait until it is written or copy it again", ErrTruncated)
}
