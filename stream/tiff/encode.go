package tiff

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

const stripBytes = 256 << 10 // of raw data per strip; libtiff, tifffile and ImageJ read any size

// GrayOptions say how a grey image is written. The zero value writes it uncompressed and without tags.
type GrayOptions struct {
	Deflate     bool              // zlib, fastest level
	Description string            // ImageDescription
	Software    string            // Software
	ASCII       map[uint16]string // further text tags by number, such as a vendor's private ones
}

// EncodeGray8 writes pix (width*height, row-major) as a single-page little-endian TIFF.
func EncodeGray8(w io.Writer, pix []uint8, width, height int, opts GrayOptions) error {
	return encode(w, picture{
		width: width, height: height, bytes: 1, opts: opts,
		fill: func(dst []byte, from int) { copy(dst, pix[from:]) },
	}, len(pix))
}

// EncodeGray16 writes pix (width*height, row-major) as a single-page little-endian TIFF.
func EncodeGray16(w io.Writer, pix []uint16, width, height int, opts GrayOptions) error {
	return encode(w, picture{
		width: width, height: height, bytes: 2, opts: opts,
		fill: func(dst []byte, from int) {
			for i, v := range pix[from:][:len(dst)/2] {
				binary.LittleEndian.PutUint16(dst[2*i:], v)
			}
		},
	}, len(pix))
}

// EncodeLabels writes labels (width*height, row-major, 0 background) as a single-page little-endian TIFF of
// unsigned 16-bit ids, 32-bit when an id exceeds 65535, with Deflate. A negative id is an error.
func EncodeLabels(w io.Writer, labels []int32, width, height int) error {
	var highest, lowest int32
	for _, v := range labels {
		highest, lowest = max(highest, v), min(lowest, v)
	}
	if lowest < 0 {
		return fmt.Errorf("encode labels: negative label %d; ids go from 0 (background) up", lowest)
	}
	m := picture{width: width, height: height, bytes: 2, opts: GrayOptions{Deflate: true}}
	m.fill = func(dst []byte, from int) {
		for i, v := range labels[from:][:len(dst)/2] {
			binary.LittleEndian.PutUint16(dst[2*i:], uint16(v))
		}
	}
	if highest > math.MaxUint16 {
		m.bytes = 4
		m.fill = func(dst []byte, from int) {
			for i, v := range labels[from:][:len(dst)/4] {
				binary.LittleEndian.PutUint32(dst[4*i:], uint32(v))
			}
		}
	}
	return encode(w, m, len(labels))
}

// picture is what the encoder needs of any pixel type.
type picture struct {
	width, height int
	bytes         int // per pixel
	opts          GrayOptions
	fill          func(dst []byte, from int) // little-endian bytes of the pixels from index from on
}

// encode writes header, strips, directory, in this order.
func encode(w io.Writer, m picture, pixels int) error {
	if m.width <= 0 || m.height <= 0 || m.width > MaxSide || m.height > MaxSide {
		return fmt.Errorf("encode: %w: %d x %d px, 1 to %d per side possible", ErrTooLarge, m.width, m.height, MaxSide)
	}
	if pixels != m.width*m.height {
		return fmt.Errorf("encode: %d px given for an image of %d x %d", pixels, m.width, m.height)
	}
	rowBytes := m.width * m.bytes
	rows := min(m.height, max(1, stripBytes/rowBytes))
	n := (m.height + rows - 1) / rows
	size := func(i int) int { return min(rows, m.height-i*rows) * rowBytes }

	var packed [][]byte
	counts := make([]uint32, n)
	total := uint64(8)
	if m.opts.Deflate {
		var err error
		if packed, err = m.deflate(n, rows, size); err != nil {
			return err
		}
	}
	offsets := make([]uint32, n)
	for i := range n {
		counts[i] = uint32(size(i))
		if packed != nil {
			counts[i] = uint32(len(packed[i]))
		}
		offsets[i] = uint32(total)
		total += uint64(counts[i]) + uint64(counts[i])&1 // strips begin on even bytes
	}
	dir := m.directory(offsets, counts, rows, uint32(total))
	if total+uint64(len(dir)) > math.MaxUint32 {
		return fmt.Errorf("encode: %w: more than 4 GiB; use Deflate", ErrTooLarge)
	}
	head := [8]byte{'I', 'I', 42}
	binary.LittleEndian.PutUint32(head[4:], uint32(total))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	var raw []byte
	if packed == nil {
		raw = make([]byte, rows*rowBytes)
	}
	for i := range n {
		part := raw[:min(len(raw), size(i))]
		if packed != nil {
			part = packed[i]
		} else {
			m.fill(part, i*rows*m.width)
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
		if len(part)&1 == 1 {
			if _, err := w.Write([]byte{0}); err != nil {
				return err
			}
		}
	}
	_, err := w.Write(dir)
	return err
}

// deflate compresses all strips, on all cores.
func (m picture) deflate(n, rows int, size func(int) int) ([][]byte, error) {
	packed := make([][]byte, n)
	var next atomic.Int64
	var g errgroup.Group
	for range min(n, runtime.GOMAXPROCS(0)) {
		g.Go(func() error {
			var buf bytes.Buffer
			z, err := zlib.NewWriterLevel(&buf, flate.BestSpeed)
			if err != nil {
				return err
			}
			raw := make([]byte, size(0))
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				part := raw[:size(i)]
				m.fill(part, i*rows*m.width)
				buf.Reset()
				z.Reset(&buf)
				if _, err := z.Write(part); err != nil {
					return err
				}
				if err := z.Close(); err != nil {
					return err
				}
				packed[i] = bytes.Clone(buf.Bytes())
			}
		})
	}
	return packed, g.Wait()
}

// directory builds the IFD and the values that do not fit into it, for a place at byte at of the file.
func (m picture) directory(offsets, counts []uint32, rows int, at uint32) []byte {
	compression := uint32(compressionNone)
	if m.opts.Deflate {
		compression = compressionDeflate
	}
	var d directoryWriter
	d.longs(TagNewSubfileType, 0)
	d.longs(TagImageWidth, uint32(m.width))
	d.longs(TagImageLength, uint32(m.height))
	d.short(TagBitsPerSample, uint16(8*m.bytes))
	d.short(TagCompression, uint16(compression))
	d.short(TagPhotometric, photometricBlackIsZero)
	d.ascii(TagImageDescription, m.opts.Description)
	d.longs(TagStripOffsets, offsets...)
	d.short(TagSamplesPerPixel, 1)
	d.longs(TagRowsPerStrip, uint32(rows))
	d.longs(TagStripByteCounts, counts...)
	d.rational(TagXResolution, 1, 1)
	d.rational(TagYResolution, 1, 1)
	d.short(TagResolutionUnit, 1) // none: 1/1 is no calibration
	d.ascii(TagSoftware, m.opts.Software)
	d.short(TagSampleFormat, 1)
	for id, text := range m.opts.ASCII {
		d.ascii(id, text)
	}
	return d.bytes(at)
}
