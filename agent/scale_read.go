package agent

import (
	"time"

	"github.com/uni-aims/aimsd/infer/scalebar"
	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// Reading is what a frame's scale amounts to.
type Reading struct {
	Scale reporting.Scale
	Area  Area
	Boxes []metrics.Rect // of the bar's label, for the overlay
	took  time.Duration
}

// Resolve finds a frame's scale and what of it is to be analysed. A frame without pixels has its metadata only.
func (p ScalePolicy) Resolve(f *stream.Frame) Reading {
	start := time.Now()
	return p.read(f, p.picture(f), start)
}

// read is Resolve for a picture that is known.
func (p ScalePolicy) read(f *stream.Frame, picture metrics.Rect, start time.Time) Reading {
	bar := readBar(f, picture)
	r := Reading{Scale: p.fuse(f, picture, bar), Area: Area{Rect: picture, Excluded: exclude(f, picture, bar.Bar)}}
	if b := bar.Bar; b != nil && b.TextBox != nil {
		r.Boxes = []metrics.Rect{{X0: int(b.TextBox.X0), Y0: int(b.TextBox.Y0), X1: int(b.TextBox.X1), Y1: int(b.TextBox.Y1)}}
	}
	r.took = time.Since(start)
	return r
}

// readBar reads the scale bar: in the panel where there is one, and if it tells no scale, in the picture. A bar
// without a scale is better than none.
func readBar(f *stream.Frame, picture metrics.Rect) scalebar.Result {
	if !hasPixels(f) {
		return scalebar.Result{}
	}
	image := barImage(f)
	best := scalebar.Result{Reason: scalebar.ReasonNoBar}
	for _, part := range []struct {
		y0, y1 int
		panel  bool
	}{{picture.Y1, f.Height, true}, {0, picture.Y0, true}, {picture.Y0, picture.Y1, false}} {
		if part.y0 >= part.y1 {
			continue
		}
		r, err := scalebar.ReadRows(image, part.y0, part.y1, part.panel)
		if err != nil {
			return scalebar.Result{Reason: err.Error()}
		}
		if r.Bar.NmPerPx() > 0 {
			return r
		}
		if best.Bar == nil {
			best = r
		}
	}
	return best
}
