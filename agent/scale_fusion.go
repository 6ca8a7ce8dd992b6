package agent

import (
	"fmt"
	"math"

	"github.com/uni-aims/aimsd/infer/scalebar"
	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// maxScaleMismatch is how far two pixel sizes may be apart and still agree.
const maxScaleMismatch = 0.02

// Names and states of the checks of a scale.
const (
	checkMatch     = "scale_match"
	checkBar       = "scale_bar"
	checkImageSize = "image_size"
	checkPlausible = "metadata_plausible"
	checkSquare    = "square_pixels"

	checkOK, checkWarn, checkFail = "ok", "warn", "fail"
)

// fusion combines what metadata, scale bar and configuration say about one frame.
type fusion struct {
	policy   ScalePolicy
	meta     stream.Metadata
	frame    metrics.Rect
	picture  metrics.Rect // the frame without its panel
	bar      scalebar.Result
	metadata float64 // plausible pixel size of the metadata as written, 0: none
	resize   float64 // by how much a pixel grew since then, if the frame was resized; else 1
	scale    reporting.Scale
}

// fuse decides a frame's scale. A configured pixel size comes first, then the metadata's, then the scale bar's.
// Metadata and bar further apart than 2 % fail scale_match; then the bar is believed where the frame's size
// differs from the one in the metadata, because that shows that somebody changed the image, else the metadata.
func (p ScalePolicy) fuse(frame *stream.Frame, picture metrics.Rect, bar scalebar.Result) reporting.Scale {
	f := fusion{policy: p, meta: frame.Meta, frame: metrics.Rect{X1: frame.Width, Y1: frame.Height}, picture: picture, bar: bar}
	if p.IgnoreMetadata {
		f.meta = stream.Metadata{}
	}
	f.scale = reporting.Scale{Source: ScaleNone, Bar: barOf(bar.Bar), Checks: []reporting.Check{}}
	f.readMetadata()
	f.readBar()
	f.decide()
	return f.scale
}

func (f *fusion) check(name, status, format string, args ...any) {
	f.scale.Checks = append(f.scale.Checks, reporting.Check{Name: name, Status: status, Detail: fmt.Sprintf(format, args...)})
}

func (f *fusion) use(source string, nmPerPx float64) {
	f.scale.Source, f.scale.NmPerPx = source, &nmPerPx
}

// readMetadata takes the metadata's pixel size and compares the sizes that metadata and frame have.
func (f *fusion) readMetadata() {
	known := f.meta.NmPerPx
	f.resize = 1
	switch {
	case known == 0:
		return
	case !validNmPerPx(known):
		f.check(checkPlausible, checkFail, "pixel size %g nm in the metadata is outside 1 pm .. 1 mm and is not used", known)
		return
	}
	f.metadata = known
	if y := f.meta.NmPerPxY; y > 0 && math.Abs(y/known-1) > 1e-3 {
		f.check(checkSquare, checkWarn, "pixels are %.6g x %.6g nm; the width is used for both", known, y)
	}
	w, h := f.picture.X1-f.picture.X0, f.picture.Y1-f.picture.Y0
	kx := float64(f.meta.Width) / float64(w)
	switch {
	case f.meta.Width <= 0 || f.meta.Height <= 0:
	case f.meta.Width == w:
		f.check(checkImageSize, checkOK, "%d px wide, as the metadata say", w)
	case f.bar.Bar.NmPerPx() > 0 && agree(f.bar.Bar.NmPerPx(), known):
		f.check(checkImageSize, checkWarn, "%dx%d px, but the metadata speak of %dx%d: cropped, because the scale bar agrees with the metadata", w, h, f.meta.Width, f.meta.Height)
	case !f.proportional():
		f.check(checkImageSize, checkWarn, "%dx%d px, but the metadata speak of %dx%d: taken as cropped, not resized", w, h, f.meta.Width, f.meta.Height)
	default:
		f.resize = kx
		f.check(checkImageSize, checkWarn, "%dx%d px, but the metadata speak of %dx%d: taken as resized by %.4g", w, h, f.meta.Width, f.meta.Height, 1/kx)
	}
}

// proportional tells whether the picture, or the frame with its panel, has the proportions of the metadata's size.
func (f *fusion) proportional() bool {
	want := float64(f.meta.Width) / float64(f.meta.Height)
	for _, r := range []metrics.Rect{f.picture, f.frame} {
		if math.Abs(float64(r.X1-r.X0)/float64(r.Y1-r.Y0)/want-1) <= 0.02 {
			return true
		}
	}
	return false
}

// otherSize tells whether the frame's size differs from the one in the metadata.
func (f *fusion) otherSize() bool {
	return f.meta.Width > 0 && f.meta.Height > 0 && f.meta.Width != f.picture.X1-f.picture.X0
}

// readBar says what the scale bar tells, or why it tells nothing where it is needed.
func (f *fusion) readBar() {
	switch b := f.bar.Bar; {
	case b.NmPerPx() > 0:
		f.check(checkBar, checkOK, "%s over %.2f px: %.6g nm/px, confidence %.2f", b.Label.Text, b.LengthPx, b.NmPerPx(), b.Confidence)
	case b != nil:
		f.check(checkBar, checkWarn, "%s, %.2f px long: it gives no scale", f.bar.Reason, b.LengthPx)
	case f.bar.Reason != "" && f.metadata == 0 && f.policy.FixedNmPerPx == 0 && !f.policy.Ignore:
		f.check(checkBar, checkWarn, "%s, and no pixel size in the metadata; give one with --scale", f.bar.Reason)
	}
}

func (f *fusion) decide() {
	bar := f.bar.Bar.NmPerPx()
	switch {
	case f.policy.Ignore:
	case f.policy.FixedNmPerPx > 0:
		f.use(ScaleFixed, f.policy.FixedNmPerPx)
		f.matchFixed(bar)
	case f.metadata > 0 && bar > 0:
		f.matchBar(bar)
	case f.metadata > 0:
		f.use(ScaleMetadata, f.metadata*f.resize)
	case bar > 0:
		f.use(ScaleBar, bar)
	}
}

// agree tells whether two pixel sizes are the same within the limit.
func agree(a, b float64) bool { return math.Abs(a/b-1) <= maxScaleMismatch }

// matchBar compares the bar with the metadata and takes the one to be believed.
func (f *fusion) matchBar(bar float64) {
	ratio := bar / f.metadata
	f.scale.Ratio = &ratio
	detail := fmt.Sprintf("bar %.6g nm/px, metadata %.6g nm/px, ratio %.4f", bar, f.metadata, ratio)
	switch {
	case agree(bar, f.metadata):
		f.check(checkMatch, checkOK, "%s", detail)
		f.use(ScaleMetadata, f.metadata)
	case f.otherSize():
		f.check(checkMatch, checkFail, "%s; %s; the bar is used", detail, f.cause(ratio))
		f.use(ScaleBar, bar)
	default:
		f.check(checkMatch, checkFail, "%s; %s; the metadata are used", detail, f.cause(ratio))
		f.use(ScaleMetadata, f.metadata)
	}
}

// matchFixed compares the configured pixel size with what else is known.
func (f *fusion) matchFixed(bar float64) {
	fixed := f.policy.FixedNmPerPx
	for _, other := range []struct {
		name    string
		nmPerPx float64
	}{{"metadata", f.metadata * f.resize}, {"bar", bar}} {
		if other.nmPerPx == 0 {
			continue
		}
		ratio := fixed / other.nmPerPx
		status := checkOK
		if !agree(fixed, other.nmPerPx) {
			status = checkFail
		}
		if r := f.scale.Ratio; r == nil || math.Abs(math.Log(ratio)) > math.Abs(math.Log(*r)) {
			f.scale.Ratio = &ratio
		}
		f.check(checkMatch, status, "fixed %.6g nm/px, %s %.6g nm/px, ratio %.4f", fixed, other.name, other.nmPerPx, ratio)
	}
}

// barOf is the result's view of a bar: its box, the sub-pixel ends, the label as read.
func barOf(b *scalebar.Bar) *reporting.Bar {
	if b == nil {
		return nil
	}
	out := &reporting.Bar{X0: b.X0, Y0: b.Box.Y0, X1: b.X1, Y1: b.Box.Y1, LengthPx: b.LengthPx, Confidence: min(b.Confidence, 1)}
	if l := b.Label; l != nil {
		out.Text, out.Value, out.Unit = l.Text, &l.Value, l.Unit
	}
	return out
}
