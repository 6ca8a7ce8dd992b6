package decode

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// mrcHeader is the 1024-byte header of an MRC/CCP4 file (MRC2014, doi:10.1016/j.jsb.2015.04.002).
type mrcHeader struct {
	width, height, sections int
	mode                    int
	big                     bool
	intervals               [3]int     // along x, y, z of the cell
	cell                    [3]float64 // Å
	offset                  int64      // of the first pixel
	unsignedBytes           bool       // IMOD's mode 0
	labels                  []string
	extended                string // kind of the extended header
}

// mrcBits is the depth of the modes that are read: integers of 8 and 16 bits, floats, half floats.
func mrcBits(mode int) int {
	switch mode {
	case 0:
		return 8
	case 1, 6, 12:
		return 16
	case 2:
		return 32
	}
	return 0
}

// parseMRC reads a header; false when it is none. Files that do not say "MAP " are taken when their size is
// exactly what the header promises.
func parseMRC(head []byte, size int64) (mrcHeader, bool) {
	if len(head) < headBytes {
		return mrcHeader{}, false
	}
	stamped := string(head[208:211]) == "MAP"
	for _, big := range []bool{head[212] == 0x11, head[212] != 0x11} {
		order := binary.ByteOrder(binary.LittleEndian)
		if big {
			order = binary.BigEndian
		}
		word := func(i int) int { return int(int32(order.Uint32(head[4*i:]))) }
		float := func(i int) float64 { return float64(math.Float32frombits(order.Uint32(head[4*i:]))) }
		h := mrcHeader{width: word(0), height: word(1), sections: word(2), mode: word(3), big: big, offset: 1024 + int64(word(23))}
		h.intervals = [3]int{word(7), word(8), word(9)}
		h.cell = [3]float64{float(10), float(11), float(12)}
		if h.width < 1 || h.height < 1 || h.sections < 1 || h.width > 1<<20 || h.height > 1<<20 || h.sections > 1<<20 ||
			h.mode < 0 || h.mode > 101 || word(23) < 0 || h.offset > size {
			continue
		}
		if !stamped && (mrcBits(h.mode) == 0 || h.end() != size) {
			continue
		}
		const imodStamp, bytesSigned = 1146047817, 1
		h.unsignedBytes = word(38) == imodStamp && word(39)&bytesSigned == 0
		h.extended = strings.TrimRight(string(head[104:108]), "\x00 ")
		for k := range min(max(word(55), 0), 10) {
			label := strings.TrimSpace(utf8Text(string(bytes.TrimRight(head[224+80*k:][:80], "\x00 "))))
			if label != "" {
				h.labels = append(h.labels, label)
			}
		}
		return h, true
	}
	return mrcHeader{}, false
}

func isMRC(head []byte, size int64) bool {
	_, ok := parseMRC(head, size)
	return ok
}

// sectionBytes is the length of a section.
func (h mrcHeader) sectionBytes() int64 {
	return int64(h.width) * int64(h.height) * int64(mrcBits(h.mode)/8)
}

func (h mrcHeader) end() int64 { return h.offset + int64(h.sections)*h.sectionBytes() }

// check says what keeps the sections from being read.
func (h mrcHeader) check(size int64) error {
	switch {
	case mrcBits(h.mode) == 0 && (h.mode == 3 || h.mode == 4):
		return fmt.Errorf("%w MRC: mode %d holds complex numbers; save their modulus as mode 2", ErrUnsupported, h.mode)
	case mrcBits(h.mode) == 0:
		return fmt.Errorf("%w MRC: mode %d is not read here; save it as mode 0, 1, 2, 6 or 12", ErrUnsupported, h.mode)
	case h.sections > maxSections:
		return fmt.Errorf("image %w: %d sections, at most %d possible; split the stack", ErrTooLarge, h.sections, maxSections)
	case h.end() > size:
		return fmt.Errorf("%w MRC: %d sections of %d x %d px need %d bytes, the file has %d; wait until it is written or copy it again",
			ErrTruncated, h.sections, h.width, h.height, h.end(), size)
	}
	return nil
}

// maxSections is the largest number of frames in a stack.
const maxSections = tiff.MaxPages

type mrcPicture struct {
	src  *source
	head mrcHeader
}

func openMRC(s *source) (picture, error) {
	h, ok := parseMRC(s.head, s.size)
	if !ok {
		return nil, foreign(s.head)
	}
	return &mrcPicture{s, h}, h.check(s.size)
}

func (p *mrcPicture) frames() int { return p.head.sections }

// frame decodes section i as it is stored, first row first; programs that put the origin at the lower left show
// it upside down.
func (p *mrcPicture) frame(ctx context.Context, i int, f *stream.Frame) error {
	h := p.head
	r, err := tiff.RawRaster(p.src.readerAt(), p.src.size, tiff.Raw{
		Width: h.width, Height: h.height, Bits: mrcBits(h.mode), BigEndian: h.big, Offset: h.offset + int64(i)*h.sectionBytes(),
		Signed: h.mode == 0 && !h.unsignedBytes || h.mode == 1, Float: h.mode == 2 || h.mode == 12,
	})
	if err != nil {
		return remedied(err)
	}
	b := builder{meta: &f.Meta, width: h.width, height: h.height}
	b.mrc(h)
	b.sidecar(p.src.path)
	f.Meta = *b.finish()
	return rasterPixels(ctx, p.src, r, f)
}

// mrc takes the pixel size from the cell: its length in Å by the number of intervals along it, which is not
// always the image's size. Programs that know of no calibration write 1 Å along every axis: that is none.
func (b *builder) mrc(h mrcHeader) {
	b.meta.Vendor = "MRC"
	if strings.HasPrefix(h.extended, "FEI") {
		b.meta.Vendor = "FEI"
	}
	size := func(axis, px int) float64 {
		if h.intervals[axis] > 0 {
			px = h.intervals[axis]
		}
		return h.cell[axis] / float64(px) // Å
	}
	x, y, z := size(0, h.width), size(1, h.height), size(2, h.sections)
	if x != 1 || y != 1 || z != 1 {
		b.pixel(x*1e-10, y*1e-10)
	}
	for k, label := range h.labels {
		b.raw(fmt.Sprintf("Label%d", k+1), label)
	}
}
