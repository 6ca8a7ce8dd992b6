package agent

import (
	"github.com/uni-aims/aimsd/infer"
	"github.com/uni-aims/aimsd/infer/scalebar"
	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// minPictureRows is the least that must be left of a frame without its panel.
const minPictureRows = 64

// Area is what of a frame is analysed: a rectangle, without the boxes that a scale bar and its label take in it.
type Area struct {
	metrics.Rect
	Excluded []metrics.Rect
}

// analysed is the result's view of the area.
func (a Area) analysed() reporting.Analysed {
	opt := metrics.Options{Analysed: a.Rect, Excluded: a.Excluded}
	out := reporting.Analysed{X0: a.X0, Y0: a.Y0, X1: a.X1, Y1: a.Y1, AreaPx: opt.AnalysedArea(a.X1, a.Y1)}
	for _, r := range a.Excluded {
		out.Excluded = append(out.Excluded, reporting.Box(r))
	}
	return out
}

// whole tells whether the area is all of a frame.
func (a Area) whole(f *stream.Frame) bool {
	return a.Rect == metrics.Rect{X1: f.Width, Y1: f.Height} && len(a.Excluded) == 0
}

// picture is the frame without the vendor's panel, which the metadata tell of, or the pixels.
func (p ScalePolicy) picture(f *stream.Frame) metrics.Rect {
	r := metrics.Rect{X1: f.Width, Y1: f.Height}
	if rows := f.Meta.ImageRows; rows >= minPictureRows && rows < f.Height && !p.IgnoreMetadata {
		r.Y1 = rows
		return r
	}
	if !hasPixels(f) {
		return r
	}
	if y0, y1, err := scalebar.Rows(barImage(f)); err == nil && y1-y0 >= minPictureRows {
		r.Y0, r.Y1 = y0, y1
	}
	return r
}

// exclude are the boxes of a bar within the picture. A bar without a label is drawn over the picture only where
// there is no doubt that it is one.
func exclude(f *stream.Frame, picture metrics.Rect, b *scalebar.Bar) []metrics.Rect {
	if b == nil || b.Label == nil && b.Confidence < minBareConfidence {
		return nil
	}
	var out []metrics.Rect
	for _, c := range scalebar.Cover(barImage(f), b) {
		r := metrics.Rect{X0: int(c.X0), Y0: max(int(c.Y0), picture.Y0), X1: int(c.X1), Y1: min(int(c.Y1), picture.Y1)}
		if r.Area() > 0 {
			out = append(out, r)
		}
	}
	return out
}

// minBareConfidence is the confidence from which a bar without readable text is kept out of the analysis.
const minBareConfidence = 0.85

// image is the frame as the network sees it: the pixels of excluded boxes are replaced, in a copy, by what
// surrounds them. So neither the grey range nor an object depends on what is drawn there.
func (a Area) image(f *stream.Frame) infer.Image {
	m := infer.Image{Width: f.Width, Height: f.Height, Stride: f.Width, Gray8: f.Gray8, Gray16: f.Gray16}
	if len(a.Excluded) > 0 {
		m.Gray8, m.Gray16 = filled(f.Gray8, f.Width, a), filled(f.Gray16, f.Width, a)
	}
	return m
}

// minRemains is the share of an object that must lie outside the excluded boxes for it to be kept.
const minRemains = 0.25

// labels puts the labels of the analysed rectangle into the whole frame, without what lies in excluded boxes. Objects
// of which little remains are dropped; ids stay without gaps, and confidence follows them.
func (a Area) labels(f *stream.Frame, inside []int32, confidence []float64) ([]int32, []float64) {
	if a.whole(f) {
		return inside, confidence
	}
	all := make([]int32, f.Width*f.Height)
	w := a.X1 - a.X0
	for y := a.Y0; y < a.Y1; y++ {
		copy(all[y*f.Width+a.X0:][:w], inside[(y-a.Y0)*w:])
	}
	if len(a.Excluded) == 0 {
		return all, confidence
	}
	hidden := map[int32]int{}
	for _, r := range a.Excluded {
		for y := r.Y0; y < r.Y1; y++ {
			for x, id := range all[y*f.Width+r.X0 : y*f.Width+r.X1] {
				if id > 0 {
					hidden[id]++
					all[y*f.Width+r.X0+x] = 0
				}
			}
		}
	}
	if len(hidden) == 0 {
		return all, confidence
	}
	return dropped(all, confidence, hidden)
}

// dropped removes the objects of which too little is left and closes the gaps in the ids.
func dropped(labels []int32, confidence []float64, hidden map[int32]int) ([]int32, []float64) {
	left := make(map[int32]int, len(hidden))
	for _, id := range labels {
		if _, ok := hidden[id]; ok {
			left[id]++
		}
	}
	renamed := make([]int32, len(confidence)+1)
	var kept []float64
	for id := int32(1); int(id) < len(renamed); id++ {
		if n := hidden[id]; n > 0 && float64(left[id]) < minRemains*float64(n+left[id]) {
			continue
		}
		kept = append(kept, confidence[id-1])
		renamed[id] = int32(len(kept))
	}
	for k, id := range labels {
		labels[k] = renamed[id]
	}
	return labels, kept
}

func hasPixels(f *stream.Frame) bool { return f.Gray8 != nil || f.Gray16 != nil }

// barImage is a frame's pixels.
func barImage(f *stream.Frame) scalebar.Image {
	return scalebar.Image{Width: f.Width, Height: f.Height, Gray8: f.Gray8, Gray16: f.Gray16}
}
