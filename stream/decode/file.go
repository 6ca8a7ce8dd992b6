package decode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// Limits of the frames that can be analysed; see Validate.
const (
	MinSide = 64    // px
	MaxSide = 16384 // px
)

// File decodes the image at path: its first page as 8 or 16-bit grey, its metadata, the SHA-256 of its bytes.
// It accepts everything up to 32768 px per side; Validate narrows that down. The pixels return to a pool when
// the frame is released. An error names path, cause and remedy in one line.
func File(ctx context.Context, path string) (*stream.Frame, error) {
	f, err := file(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func file(ctx context.Context, path string) (*stream.Frame, error) {
	src, err := open(path)
	if err != nil {
		return nil, err
	}
	defer src.close()
	f := &stream.Frame{Path: path, Name: filepath.Base(path), ReceivedAt: time.Now()}
	sum := src.hash()
	if err = pixels(ctx, src, f); err == nil {
		FindDataBar(f)
	}
	var hashErr error
	if f.SHA256, hashErr = sum.wait(); err == nil {
		err = hashErr
	}
	if err != nil {
		f.Release()
		return nil, err
	}
	return f, nil
}

// pixels fills size, pixels and metadata.
func pixels(ctx context.Context, src *source, f *stream.Frame) error {
	switch sniff(src.head[:]) {
	case formatTIFF:
		return tiffPixels(ctx, src, f)
	case formatPNG, formatJPEG:
		return stdPixels(src, f)
	case formatPGM:
		return pgmPixels(src, f)
	}
	return foreign(src.head[:])
}

func tiffPixels(ctx context.Context, src *source, f *stream.Frame) error {
	t, err := tiff.Parse(src.readerAt(), src.size)
	if err != nil {
		return remedied(err)
	}
	page := t.Pages[0]
	r, err := page.Raster()
	if err != nil {
		return remedied(err)
	}
	bits, err := r.GreyBits()
	if err != nil {
		return err
	}
	alloc(f, r.Width, r.Height, bits)
	if bits == 16 {
		err = r.Gray16(ctx, f.Gray16)
	} else {
		err = r.Gray8(ctx, f.Gray8)
	}
	if err != nil {
		return remedied(err)
	}
	f.Meta = metadata(page, f)
	return nil
}

// alloc gives the frame pooled pixels that return with its release.
func alloc(f *stream.Frame, width, height, bits int) {
	f.Width, f.Height = width, height
	if bits == 16 {
		p := pool16.get(width * height)
		f.Gray16 = p
		f.OnRelease(func() { pool16.put(p) })
		return
	}
	p := pool8.get(width * height)
	f.Gray8 = p
	f.OnRelease(func() { pool8.put(p) })
}

// remedied adds what to do to a failure that comes without it.
func remedied(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, tiff.ErrUnsupported), errors.Is(err, tiff.ErrTooLarge):
		return err
	case errors.Is(err, tiff.ErrTruncated), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w; wait until it is written or copy it again", err)
	}
	return fmt.Errorf("%w; export the image again", err)
}

// Validate reports whether a frame can be analysed: 64 to 16384 px per side. The error names the file, its
// size and the remedy, and wraps ErrTooSmall or ErrTooLarge.
func Validate(f *stream.Frame) error {
	name := f.Path
	if name == "" {
		name = f.Name
	}
	switch {
	case f.Width < MinSide || f.Height < MinSide:
		return fmt.Errorf("%s: image %w: %d x %d px, at least %d x %d needed; give a larger frame",
			name, ErrTooSmall, f.Width, f.Height, MinSide, MinSide)
	case f.Width > MaxSide || f.Height > MaxSide:
		return fmt.Errorf("%s: image %w: %d x %d px, at most %d x %d possible; crop or downsample it",
			name, ErrTooLarge, f.Width, f.Height, MaxSide, MaxSide)
	}
	return nil
}
