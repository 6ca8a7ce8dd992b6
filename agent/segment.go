package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// segmented is a frame's labels with what was found out on the way.
type segmented struct {
	Reading
	labels     []int32
	confidence []float64
	look
	timings reporting.Timings
}

// segment reads the scale and finds the objects.
//
// On a frame with a panel, or with a pixel size in its metadata, both run side by side, because the scale bar is in the
// panel, or there is none. Should it lie on the picture after all, the objects are sought again, without it. On other
// frames, exported with the bar drawn on the picture, it is read first, because it must be known to be left out.
func (a *Analyser) segment(ctx context.Context, f *stream.Frame) (*segmented, error) {
	start := time.Now()
	picture := a.Scale.picture(f)
	whole := Area{Rect: picture}
	if whole.whole(f) && f.Meta.NmPerPx == 0 {
		r := a.Scale.read(f, picture, start)
		return a.segmentArea(ctx, f, r.Area, func() Reading { return r })
	}
	first, stop := context.WithCancel(ctx)
	defer stop()
	read := make(chan Reading, 1)
	go func() {
		r := a.Scale.read(f, picture, start)
		if len(r.Area.Excluded) > 0 {
			stop()
		}
		read <- r
	}()
	s, err := a.segmentArea(first, f, whole, func() Reading { return <-read })
	if err == nil && len(s.Area.Excluded) == 0 {
		return s, nil
	}
	if s == nil || ctx.Err() != nil {
		return nil, err
	}
	r := s.Reading
	return a.segmentArea(ctx, f, r.Area, func() Reading { return r })
}

// segmentArea finds the objects of an area; then it asks for the reading of the scale. With an error it returns no
// labels but the reading. The picture is judged beside the network.
func (a *Analyser) segmentArea(ctx context.Context, f *stream.Frame, area Area, reading func() Reading) (*segmented, error) {
	image := area.image(f)
	s := &segmented{}
	looked := make(chan look, 1)
	go func() { looked <- lookAt(image, area.Rect) }()
	if metrics.Blank(image.Gray8, image.Gray16, f.Width, f.Height, area.Rect) {
		// A constant image has no objects, whatever its noise looks like stretched.
		s.labels = make([]int32, f.Width*f.Height)
		s.Reading, s.look = reading(), <-looked
		return s, nil
	}
	seg, err := a.Segmenter.Segment(ctx, image.Crop(area.X0, area.Y0, area.X1, area.Y1))
	s.Reading, s.look = reading(), <-looked
	if err != nil {
		return s, fmt.Errorf("segment %s: %w", f.Name, err)
	}
	s.labels, s.confidence = area.labels(f, seg.Labels, seg.Confidence)
	s.timings.Normalise, s.timings.Infer = ms(time.Duration(seg.Timings.Normalise)), ms(time.Duration(seg.Timings.Infer))
	s.timings.Stitch, s.timings.Dynamics = ms(time.Duration(seg.Timings.Stitch)), ms(time.Duration(seg.Timings.Dynamics))
	return s, nil
}
