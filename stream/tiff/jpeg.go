package tiff

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
)

// jpegCoding prepares for strips or tiles that are JPEG streams (TIFF Technical Note 2): their tables may
// stand in a tag of their own. They are unpacked as luminance.
func (r *Raster) jpegCoding() error {
	if r.Bits != 8 {
		return fmt.Errorf("%w: JPEG of %d-bit samples; re-save it uncompressed or with Deflate", ErrUnsupported, r.Bits)
	}
	if r.Samples > 4 {
		return fmt.Errorf("%w: JPEG of %d channels; save the wanted channel as grey", ErrUnsupported, r.Samples)
	}
	r.channels, r.format = 1, formatUnsigned
	if r.compression == compressionJPEGOld {
		return nil
	}
	tables, err := r.page.Bytes(TagJPEGTables)
	if err != nil {
		return err
	}
	if len(tables) >= 4 && tables[0] == 0xff && tables[1] == 0xd8 {
		if bytes.HasSuffix(tables, []byte{0xff, 0xd9}) {
			tables = tables[:len(tables)-2]
		}
		r.jpegTables = tables
	}
	return nil
}

// unpackJPEG decodes chunk i to rows of chunkW bytes of luminance, in buf where it is long enough.
func (r *Raster) unpackJPEG(buf, stored []byte, i int) ([]byte, error) {
	if r.compression == compressionJPEGOld {
		var err error
		if stored, err = r.oldJPEG(stored, i); err != nil {
			return buf, err
		}
	}
	parts := [][]byte{stored}
	if r.jpegTables != nil && len(stored) > 2 {
		parts = [][]byte{r.jpegTables, stored[2:]} // one start of image is enough
	}
	stream := func() io.Reader {
		readers := make([]io.Reader, len(parts))
		for k, p := range parts {
			readers[k] = bytes.NewReader(p)
		}
		return bufio.NewReader(io.MultiReader(readers...))
	}
	fail := func(err error) ([]byte, error) {
		return buf, fmt.Errorf("%w: %s %d of %d: %w", kindOfJPEG(err), r.chunkName(), i+1, len(r.offsets), err)
	}
	c, err := jpeg.DecodeConfig(stream())
	if err != nil {
		return fail(err)
	}
	rows := r.rows(i)
	if c.Width < r.chunkW || c.Height < rows {
		return buf, fmt.Errorf("%w: %s %d of %d is a JPEG of %d x %d px, %d x %d needed",
			ErrFormat, r.chunkName(), i+1, len(r.offsets), c.Width, c.Height, r.chunkW, rows)
	}
	if px := uint64(c.Width) * uint64(c.Height); px > MaxPixels || px/1024 > uint64(len(stored)) {
		return buf, fmt.Errorf("%w: %s %d of %d is a JPEG of %d x %d px in %d bytes",
			ErrFormat, r.chunkName(), i+1, len(r.offsets), c.Width, c.Height, len(stored))
	}
	img, err := jpeg.Decode(stream())
	if err != nil {
		return fail(err)
	}
	buf = grown(buf, rows*r.chunkW)
	return buf, r.jpegGrey(buf, img)
}

// jpegGrey reduces a decoded JPEG to luminance. What the photometric tag says about its channels counts.
func (r *Raster) jpegGrey(dst []byte, img image.Image) error {
	w := r.chunkW
	rows := len(dst) / w
	switch m := img.(type) {
	case *image.Gray:
		for y := range rows {
			copy(dst[y*w:][:w], m.Pix[y*m.Stride:])
		}
	case *image.YCbCr:
		if r.photometric == photometricRGB { // stored without a colour transform
			for y := range rows {
				for x := range w {
					c := m.COffset(x, y)
					dst[y*w+x] = luma(m.Y[m.YOffset(x, y)], m.Cb[c], m.Cr[c])
				}
			}
			return nil
		}
		for y := range rows {
			copy(dst[y*w:][:w], m.Y[y*m.YStride:])
		}
		if r.compression == compressionJPEGOld && r.photometric == photometricYCbCr {
			level := r.lumaLevels()
			for i, v := range dst {
				dst[i] = level[v]
			}
		}
	case *image.RGBA:
		for y := range rows {
			luma8(dst[y*w:][:w], m.Pix[y*m.Stride:], m.Pix[y*m.Stride+1:], m.Pix[y*m.Stride+2:], 4)
		}
	case *image.CMYK:
		for y := range rows {
			for x := range w {
				p := m.Pix[y*m.Stride+4*x:]
				dst[y*w+x] = luma(color.CMYKToRGB(p[0], p[1], p[2], p[3]))
			}
		}
	default:
		return fmt.Errorf("%w: JPEG of kind %T; re-save it uncompressed", ErrUnsupported, img)
	}
	return nil
}

func luma(r, g, b uint8) uint8 {
	return uint8((weightR*uint32(r) + weightG*uint32(g) + weightB*uint32(b) + 1<<15) >> 16)
}

// kindOfJPEG says which kind of failure a decoder's error is.
func kindOfJPEG(err error) error {
	var unsupported jpeg.UnsupportedError
	switch {
	case errors.As(err, &unsupported):
		return ErrUnsupported
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ErrTruncated
	}
	return ErrFormat
}
