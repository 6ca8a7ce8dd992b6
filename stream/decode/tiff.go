package decode

import (
	"context"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// tiffPicture is a TIFF; its frames are the pages that are images of their own.
type tiffPicture struct {
	src   *source
	pages []*tiff.Page
}

func openTIFF(s *source) (picture, error) {
	if s.tiff != nil {
		s.tiff.Rebind(s.readerAt())
	} else {
		var err error
		if s.tiff, err = tiff.Parse(s.readerAt(), s.size); err != nil {
			return nil, remedied(err)
		}
	}
	return &tiffPicture{src: s, pages: s.tiff.Frames()}, nil
}

func (t *tiffPicture) frames() int { return len(t.pages) }

func (t *tiffPicture) frame(ctx context.Context, i int, f *stream.Frame) error {
	p := t.pages[i]
	r, err := p.Raster()
	if err != nil {
		return remedied(err)
	}
	b := builder{meta: &f.Meta, width: r.Width, height: r.Height}
	t.describe(&b, i) // before the file's memory becomes the frame's
	return rasterPixels(ctx, t.src, r, f)
}
