package decode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// Limits of the frames that can be analysed; see Validate.
const (
	MinSide = 64    // px
	MaxSide = 16384 // px
)

// Decoder turns files into frames. The zero value is ready; it may be used by several goroutines. It
// remembers the hash and the directories of the last file of several pages, so that its next page costs no
// second reading.
type Decoder struct {
	mu   sync.Mutex
	last known
}

// known is what was found out about a file as it was.
type known struct {
	path    string
	size    int64
	modTime time.Time
	sum     string
	tiff    *tiff.File // nil for other formats
}

// File decodes the first frame of the image at path; see Decoder.Frame.
func File(ctx context.Context, path string) (*stream.Frame, error) {
	return new(Decoder).Frame(ctx, path, 0)
}

// Frame decodes the image at path: one page as 8 or 16-bit grey, what its metadata and those in a file beside
// it say, and the SHA-256 of the file's bytes. Pages count from 1 and are those that Frames counts; 0 is the
// first, or only one, of a file that is taken as a single image. Everything up to 32768 px per side is
// accepted; Validate narrows that down. The pixels return to a pool when the frame is released. An error
// names path, cause and remedy in one line.
func (d *Decoder) Frame(ctx context.Context, path string, page int) (*stream.Frame, error) {
	f, err := d.frame(ctx, path, page)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", stream.PageID(path, page), err)
	}
	return f, nil
}

func (d *Decoder) frame(ctx context.Context, path string, page int) (*stream.Frame, error) {
	src, err := open(path)
	if err != nil {
		return nil, err
	}
	defer src.close()
	f := &stream.Frame{Path: path, Name: filepath.Base(path), ReceivedAt: time.Now()}
	k := d.recall(src, page)
	sum := k.sum
	src.tiff = k.tiff
	var hash *hashing
	if sum == "" {
		if page == 0 {
			src.reserve()
		}
		hash = src.hash()
	}
	if src.data != nil {
		err = src.load()
	}
	if err == nil {
		err = decode(ctx, src, f, page)
	}
	if hash != nil {
		var hashErr error
		if sum, hashErr = hash.wait(); err == nil {
			err = hashErr
		}
	}
	if err != nil {
		f.Release()
		return nil, err
	}
	f.SHA256 = sum
	if page > 0 {
		d.remember(known{src.path, src.size, src.modTime, sum, src.tiff})
	}
	return f, nil
}

// recall takes out what is known of a file whose page before was decoded last; nothing when it is another.
func (d *Decoder) recall(src *source, page int) known {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.last
	if page == 0 || k.path != src.path || k.size != src.size || !k.modTime.Equal(src.modTime) {
		return known{}
	}
	d.last = known{} // its directories are read by one at a time
	return k
}

func (d *Decoder) remember(k known) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last = k
}

// Frames counts the frames in the image at path: the pages of a TIFF that are no thumbnails or masks, the
// sections of an MRC or DM stack, else 1. It reads headers, no pixels.
func Frames(path string) (int, error) {
	src, err := open(path)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	defer src.close()
	p, err := src.picture()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return p.frames(), nil
}

// picture is an opened image of any format.
type picture interface {
	frames() int
	// frame fills size, pixels and metadata of frame i, counted from 0.
	frame(ctx context.Context, i int, f *stream.Frame) error
}

func (s *source) picture() (picture, error) {
	switch s.format() {
	case formatTIFF:
		return openTIFF(s)
	case formatMRC:
		return openMRC(s)
	case formatDM:
		return openDM(s)
	case formatPNG, formatJPEG, formatBMP:
		return single(func(f *stream.Frame) error { return s.described(f, stdPixels(s, f)) }), nil
	case formatPGM:
		return single(func(f *stream.Frame) error { return s.described(f, pgmPixels(s, f)) }), nil
	}
	return nil, foreign(s.head)
}

// single is a format of one image per file.
type single func(f *stream.Frame) error

func (single) frames() int { return 1 }

func (s single) frame(_ context.Context, _ int, f *stream.Frame) error { return s(f) }

// decode fills size, pixels and metadata.
func decode(ctx context.Context, src *source, f *stream.Frame, page int) error {
	p, err := src.picture()
	if err != nil {
		return err
	}
	n := p.frames()
	if page > n {
		return fmt.Errorf("%w: it has no page %d, only %d; it was written anew", ErrTruncated, page, n)
	}
	if page > 0 && n > 1 {
		f.Page, f.Pages = page, n
		f.Name = stream.PageName(f.Name, page, n)
	}
	return p.frame(ctx, max(0, page-1), f)
}

// rasterPixels decodes uncompressed or TIFF pixels, in place where they stand in memory as they should.
func rasterPixels(ctx context.Context, src *source, r *tiff.Raster, f *stream.Frame) error {
	bits, err := r.GreyBits()
	if err != nil {
		return err
	}
	if off, n, ok := r.Stored(); ok && src.lend(f, r.Width, r.Height, bits, off, n) {
		return nil
	}
	alloc(f, r.Width, r.Height, bits)
	if bits == 16 {
		return remedied(r.Gray16(ctx, f.Gray16))
	}
	return remedied(r.Gray8(ctx, f.Gray8))
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
	name := stream.PageID(f.Path, f.Page)
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
