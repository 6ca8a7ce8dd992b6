package decode

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"strings"

	"github.com/uni-aims/aimsd/stream/tiff"
)

// Labels reads a label image made elsewhere: the ids exactly as stored, row-major, 0 background. It takes 1 to
// 32-bit integer TIFF, grey or palette PNG (the palette's indices are the ids) and PGM. Colour, floating
// point and lossy input are errors. An error names path, cause and remedy in one line.
func Labels(path string) (labels []int32, width, height int, err error) {
	src, err := open(path)
	if err == nil {
		defer src.close()
		if src.reserve() {
			err = src.load()
		}
	}
	if err == nil {
		labels, width, height, err = ids(src)
	}
	if err != nil {
		return nil, 0, 0, fmt.Errorf("%s: %w", path, err)
	}
	return labels, width, height, nil
}

func ids(src *source) ([]int32, int, int, error) {
	switch src.format() {
	case formatTIFF:
		t, err := tiff.Parse(src.readerAt(), src.size)
		if err != nil {
			return nil, 0, 0, remedied(err)
		}
		r, err := t.Frames()[0].Raster()
		if err != nil {
			return nil, 0, 0, labelled(remedied(err))
		}
		if err := r.LabelsOK(); err != nil {
			return nil, 0, 0, err
		}
		out := make([]int32, r.Width*r.Height)
		return out, r.Width, r.Height, remedied(r.Labels(context.Background(), out))
	case formatPNG:
		return pngIDs(src)
	case formatPGM:
		return pgmIDs(src)
	case formatJPEG:
		return nil, 0, 0, fmt.Errorf("%w: JPEG alters label ids; save them as 16-bit TIFF or PNG", ErrUnsupported)
	case formatBMP, formatMRC, formatDM:
		return nil, 0, 0, fmt.Errorf("%w: label images are not read from BMP, MRC and DM files; save the ids as 16 or 32-bit grey TIFF, 16-bit PNG or PGM",
			ErrUnsupported)
	}
	return nil, 0, 0, labelled(foreign(src.head))
}

// labelled gives an error about an image the remedy for label images: what suits pictures can spoil ids.
func labelled(err error) error {
	what, _, ok := strings.Cut(err.Error(), ";")
	if !ok || !errors.Is(err, ErrUnsupported) && !errors.Is(err, tiff.ErrUnsupported) && !errors.Is(err, ErrNotImage) {
		return err
	}
	return &relabelled{text: what + "; save the ids as 16 or 32-bit grey TIFF, 16-bit PNG or PGM", err: err}
}

// relabelled is an error in other words.
type relabelled struct {
	text string
	err  error
}

func (e *relabelled) Error() string { return e.text }
func (e *relabelled) Unwrap() error { return e.err }

func pngIDs(src *source) ([]int32, int, int, error) {
	img, err := stdImage(src)
	if err != nil {
		return nil, 0, 0, err
	}
	w, h := img.Bounds().Dx(), img.Bounds().Dy()
	out := make([]int32, w*h)
	switch m := img.(type) {
	case *image.Gray:
		step := int32(1) // image/png stretches 1, 2 and 4-bit grey to 0..255
		var depth [1]byte
		if _, err := src.readerAt().ReadAt(depth[:], 24); err != nil {
			return nil, 0, 0, err
		}
		if d := depth[0]; d < 8 {
			step = 255 / (1<<d - 1)
		}
		for y := range h {
			for i, v := range m.Pix[y*m.Stride:][:w] {
				out[y*w+i] = int32(v) / step
			}
		}
	case *image.Paletted:
		for y := range h {
			for i, v := range m.Pix[y*m.Stride:][:w] {
				out[y*w+i] = int32(v)
			}
		}
	case *image.Gray16:
		for y := range h {
			row := m.Pix[y*m.Stride:][:2*w]
			for i := range w {
				out[y*w+i] = int32(binary.BigEndian.Uint16(row[2*i:]))
			}
		}
	default:
		return nil, 0, 0, fmt.Errorf("%w: a label image has one channel of ids, this PNG is colour or has transparency; save the ids as 16-bit grey",
			ErrUnsupported)
	}
	return out, w, h, nil
}

func pgmIDs(src *source) ([]int32, int, int, error) {
	p, err := parsePGM(src.reader(), src.size)
	if err != nil {
		return nil, 0, 0, err
	}
	out := make([]int32, p.width*p.height)
	if p.plain {
		err := p.numbers(src.readerAt(), src.size, func(i, v int) { out[i] = int32(v) })
		return out, p.width, p.height, err
	}
	if p.bytes() == 2 {
		err := p.samples16(src, func(y int, row []byte) {
			for i := range p.width {
				out[y*p.width+i] = int32(binary.BigEndian.Uint16(row[2*i:]))
			}
		})
		return out, p.width, p.height, err
	}
	row := pool8.get(len(out))
	defer pool8.put(row)
	if _, err := src.readerAt().ReadAt(row, p.offset); endOK(err) != nil {
		return nil, 0, 0, err
	}
	for i, v := range row {
		out[i] = int32(v)
	}
	return out, p.width, p.height, nil
}
