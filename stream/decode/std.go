package decode

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// Rec. 601 luminance weights in 16-bit fixed point; they sum to 65536.
const (
	weightR = 19595
	weightG = 38470
	weightB = 7471
)

// stdImage decodes a PNG or JPEG with the standard library, a BMP with golang.org/x/image, after the header's
// size was found reasonable.
func stdImage(src *source) (image.Image, error) {
	config, dec, name, pxPerByte, whole := jpeg.DecodeConfig, jpeg.Decode, "JPEG", int64(1024), jpegComplete
	switch src.format() {
	case formatPNG:
		config, dec, name, whole = png.DecodeConfig, png.Decode, "PNG", pngComplete
		pxPerByte = 8 * 1040 // 1-bit samples at Deflate's largest expansion
	case formatBMP:
		config, dec, name, pxPerByte = bmp.DecodeConfig, bmp.Decode, "BMP", 8
		whole = func(_ io.ReaderAt, size int64) error { return bmpComplete(src.head, size) }
	}
	failed := func(err error) error {
		if cut := whole(src.readerAt(), src.size); cut != nil {
			return cut // says more than what the decoder stumbled over
		}
		return stdError(name, err)
	}
	c, err := config(bufio.NewReader(src.reader()))
	if err != nil {
		return nil, failed(err)
	}
	px := int64(c.Width) * int64(c.Height)
	switch {
	case c.Width > tiff.MaxSide || c.Height > tiff.MaxSide || px > tiff.MaxPixels:
		return nil, fmt.Errorf("image %w: %d x %d px, at most %d px per side and %d px in all; crop or downsample it",
			ErrTooLarge, c.Width, c.Height, tiff.MaxSide, tiff.MaxPixels)
	case px/pxPerByte > src.size:
		return nil, fmt.Errorf("%w %s: %d bytes cannot hold %d x %d px; wait until it is written or copy it again",
			ErrTruncated, name, src.size, c.Width, c.Height)
	case px > tiff.MaxPixels/4 && c.ColorModel != color.GrayModel && c.ColorModel != color.Gray16Model:
		return nil, fmt.Errorf("image %w: %d x %d px in colour, at most %d px; save it as grey",
			ErrTooLarge, c.Width, c.Height, tiff.MaxPixels/4)
	}
	img, err := dec(bufio.NewReaderSize(src.reader(), 64<<10))
	if err != nil {
		return nil, failed(err)
	}
	return img, nil
}

// stdError says what is wrong with a PNG or JPEG and what to do.
func stdError(name string, err error) error {
	var unsupportedPNG png.UnsupportedError
	var unsupportedJPEG jpeg.UnsupportedError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w %s: it ends too early; wait until it is written or copy it again", ErrTruncated, name)
	case errors.As(err, &unsupportedPNG), errors.As(err, &unsupportedJPEG), errors.Is(err, bmp.ErrUnsupported):
		return fmt.Errorf("%w %s: %w; save it as 8 or 16-bit grey TIFF", ErrUnsupported, name, err)
	}
	return fmt.Errorf("%w %s: %w; export the image again", ErrCorrupt, name, err)
}

func stdPixels(src *source, f *stream.Frame) error {
	img, err := stdImage(src)
	if err != nil {
		return err
	}
	b := img.Bounds()
	w, h := b.Dx(), b.Dy()
	switch m := img.(type) {
	case *image.Gray:
		if m.Stride == w { // taken over as it is
			f.Width, f.Height, f.Gray8 = w, h, m.Pix[:w*h]
			return nil
		}
		alloc(f, w, h, 8)
		rows(f.Gray8, w, m.Pix, m.Stride)
	case *image.YCbCr: // Y is Rec. 601 luminance already
		alloc(f, w, h, 8)
		rows(f.Gray8, w, m.Y, m.YStride)
	case *image.Gray16:
		alloc(f, w, h, 16)
		for y := range h {
			src := m.Pix[y*m.Stride:][:2*w]
			dst := f.Gray16[y*w:][:w]
			for i := range dst {
				dst[i] = binary.BigEndian.Uint16(src[2*i:])
			}
		}
	case *image.RGBA:
		alloc(f, w, h, 8)
		luma8(f.Gray8, w, m.Pix, m.Stride)
	case *image.NRGBA:
		alloc(f, w, h, 8)
		luma8(f.Gray8, w, m.Pix, m.Stride)
	case *image.RGBA64:
		alloc(f, w, h, 16)
		luma16(f.Gray16, w, m.Pix, m.Stride)
	case *image.NRGBA64:
		alloc(f, w, h, 16)
		luma16(f.Gray16, w, m.Pix, m.Stride)
	case *image.Paletted:
		var lut [256]uint8
		for i, c := range m.Palette {
			r, g, b, _ := color.NRGBAModel.Convert(c).(color.NRGBA).RGBA()
			lut[i] = uint8((weightR*(r>>8) + weightG*(g>>8) + weightB*(b>>8) + 1<<15) >> 16)
		}
		alloc(f, w, h, 8)
		for y := range h {
			src := m.Pix[y*m.Stride:][:w]
			for i, v := range src {
				f.Gray8[y*w+i] = lut[v]
			}
		}
	case *image.CMYK:
		alloc(f, w, h, 8)
		for y := range h {
			src := m.Pix[y*m.Stride:][:4*w]
			for i := range w {
				r, g, b := color.CMYKToRGB(src[4*i], src[4*i+1], src[4*i+2], src[4*i+3])
				f.Gray8[y*w+i] = uint8((weightR*uint32(r) + weightG*uint32(g) + weightB*uint32(b) + 1<<15) >> 16)
			}
		}
	default:
		return fmt.Errorf("%w: pixels of kind %T; save it as 8 or 16-bit grey", ErrUnsupported, img)
	}
	return nil
}

// rows copies rows of width bytes out of a plane with a wider stride.
func rows(dst []uint8, width int, src []uint8, stride int) {
	for y := range len(dst) / width {
		copy(dst[y*width:][:width], src[y*stride:])
	}
}

// luma8 reduces interleaved 8-bit RGBA to luminance; alpha is left out.
func luma8(dst []uint8, width int, src []uint8, stride int) {
	for y := range len(dst) / width {
		row, out := src[y*stride:][:4*width], dst[y*width:][:width]
		for i := range out {
			p := row[4*i : 4*i+4]
			out[i] = uint8((weightR*uint32(p[0]) + weightG*uint32(p[1]) + weightB*uint32(p[2]) + 1<<15) >> 16)
		}
	}
}

// luma16 is luma8 for big-endian 16-bit samples.
func luma16(dst []uint16, width int, src []uint8, stride int) {
	for y := range len(dst) / width {
		row, out := src[y*stride:][:8*width], dst[y*width:][:width]
		for i := range out {
			p := row[8*i : 8*i+8]
			r, g, b := binary.BigEndian.Uint16(p), binary.BigEndian.Uint16(p[2:]), binary.BigEndian.Uint16(p[4:])
			out[i] = uint16((weightR*uint64(r) + weightG*uint64(g) + weightB*uint64(b) + 1<<15) >> 16)
		}
	}
}
