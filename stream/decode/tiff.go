package decode

import (
	"context"
	"strings"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// tiffPicture is a TIFF; its frames are the pages that are images of their own, or the images that ImageJ put
// behind its only page.
type tiffPicture struct {
	src    *source
	pages  []*tiff.Page
	behind int // images behind the only page's
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
	t := &tiffPicture{src: s, pages: large(s.tiff.Frames())}
	if len(t.pages) == 1 {
		t.behind = imageJSlices(t.pages[0]) - 1
	}
	return t, nil
}

func (t *tiffPicture) frames() int { return len(t.pages) + t.behind }

// large leaves out pages that are too small to be analysed where others are not: thumbnails without a mark.
func large(pages []*tiff.Page) []*tiff.Page {
	var out []*tiff.Page
	for _, p := range pages {
		w, _ := p.Uint(tiff.TagImageWidth, MinSide)
		h, _ := p.Uint(tiff.TagImageLength, MinSide)
		if w >= MinSide && h >= MinSide {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return pages
	}
	return out
}

// imageJSlices counts the images in a file whose single directory stands for a stack, 1 in others.
func imageJSlices(p *tiff.Page) int {
	s := text(p, tiff.TagImageDescription)
	if !strings.HasPrefix(s, "ImageJ=") {
		return 1
	}
	n := integer(parseINI(s, func(string, string) {})["images"])
	if n < 2 || n > maxSections {
		return 1
	}
	r, err := p.Raster()
	if err != nil {
		return 1
	}
	if _, err := r.After(n - 1); err != nil { // they are not there
		return 1
	}
	return n
}

func (t *tiffPicture) frame(ctx context.Context, i int, f *stream.Frame) error {
	page := min(i, len(t.pages)-1)
	r, err := t.pages[page].Raster()
	if err == nil && i > page {
		r, err = r.After(i - page)
	}
	if err != nil {
		return remedied(err)
	}
	b := builder{meta: &f.Meta, width: r.Width, height: r.Height}
	t.describe(&b, page) // before the file's memory becomes the frame's
	return rasterPixels(ctx, t.src, r, f)
}
