package agent

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/infer/scalebar"
	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

func TestScaleIsReadFromTheCommandLine(t *testing.T) {
	for text, want := range map[string]ScalePolicy{
		"auto": {}, "none": {Ignore: true}, "2.5nm": {FixedNmPerPx: 2.5}, "0.1 um": {FixedNmPerPx: 100}, "500pm": {FixedNmPerPx: 0.5},
	} {
		got, err := ParseScale(text)
		require.NoError(t, err, text)
		require.InDelta(t, want.FixedNmPerPx, got.FixedNmPerPx, 1e-9)
		require.Equal(t, want.Ignore, got.Ignore)
	}
	for _, text := range []string{"", "2.5", "nm", "-1nm", "0nm", "NaNnm", "Infnm", "2,5nm", "1e9nm", "2.5 mm"} {
		_, err := ParseScale(text)
		require.ErrorContains(t, err, "2.5nm", text)
	}
}

func frameOf(w, h int, m stream.Metadata) *stream.Frame {
	return &stream.Frame{Width: w, Height: h, Gray8: make([]uint8, w*h), Meta: m}
}

func TestScaleComesFromTheMetadataAndLeavesTheDataBarOut(t *testing.T) {
	r := ScalePolicy{}.Resolve(frameOf(1024, 768, stream.Metadata{NmPerPx: 5, NmPerPxY: 5, Width: 1024, Height: 700, ImageRows: 700}))
	require.Equal(t, ScaleMetadata, r.Scale.Source)
	require.InDelta(t, 5, *r.Scale.NmPerPx, 0)
	require.Equal(t, metrics.Rect{X1: 1024, Y1: 700}, r.Area.Rect)

	r = ScalePolicy{}.Resolve(frameOf(300, 200, stream.Metadata{}))
	require.Equal(t, ScaleNone, r.Scale.Source)
	require.Nil(t, r.Scale.NmPerPx)
	require.Equal(t, []reporting.Check{{Name: "scale_bar", Status: "warn",
		Detail: "no scale bar found, and no pixel size in the metadata; give one with --scale"}}, r.Scale.Checks)
	require.Equal(t, metrics.Rect{X1: 300, Y1: 200}, r.Area.Rect)

	r = ScalePolicy{Ignore: true}.Resolve(frameOf(300, 200, stream.Metadata{NmPerPx: 5}))
	require.Equal(t, ScaleNone, r.Scale.Source)

	r = ScalePolicy{IgnoreMetadata: true}.Resolve(frameOf(300, 200, stream.Metadata{NmPerPx: 5, ImageRows: 100}))
	require.Equal(t, ScaleNone, r.Scale.Source)
	require.Equal(t, metrics.Rect{X1: 300, Y1: 200}, r.Area.Rect)
}

// fused is the scale of a frame of w x h px with metadata and a bar that states nmPerPx; 0: none.
func fused(w, h int, m stream.Metadata, nmPerPx float64) reporting.Scale {
	bar := scalebar.Result{Reason: scalebar.ReasonNoBar}
	if nmPerPx > 0 {
		bar = scalebar.Result{Bar: &scalebar.Bar{
			X0: 20, X1: 120, LengthPx: 100, Confidence: 0.9, Label: &scalebar.Label{Text: "some", Value: 100 * nmPerPx, Unit: "nm"},
		}}
	}
	return ScalePolicy{}.fuse(&stream.Frame{Width: w, Height: h, Meta: m}, metrics.Rect{X1: w, Y1: h}, bar)
}

func checkOf(t *testing.T, s reporting.Scale, name string) reporting.Check {
	t.Helper()
	for _, c := range s.Checks {
		if c.Name == name {
			return c
		}
	}
	require.Fail(t, "no check", "%s in %v", name, s.Checks)
	return reporting.Check{}
}

func TestMetadataAndBarAreCompared(t *testing.T) {
	for _, c := range []struct {
		name        string
		w, h        int
		meta        stream.Metadata
		bar         float64
		source      string
		nmPerPx     float64
		status      string
		cause       string
		ratioTo     float64
		resizeCheck string
	}{
		{name: "agree", w: 1024, h: 768, meta: stream.Metadata{NmPerPx: 5, Width: 1024, Height: 768}, bar: 5.09, source: "metadata", nmPerPx: 5, status: "ok"},
		{name: "agree, size unknown", w: 1024, h: 768, meta: stream.Metadata{NmPerPx: 5}, bar: 4.91, source: "metadata", nmPerPx: 5, status: "ok"},
		{name: "cropped", w: 700, h: 600, meta: stream.Metadata{NmPerPx: 5, Width: 1024, Height: 768}, bar: 5, source: "metadata", nmPerPx: 5, status: "ok"},
		{name: "resized", w: 512, h: 384, meta: stream.Metadata{NmPerPx: 5, Width: 1024, Height: 768}, bar: 10.02, source: "scale_bar", nmPerPx: 10.02, status: "fail", cause: "resized by 0.5"},
		{name: "cropped and resized", w: 512, h: 512, meta: stream.Metadata{NmPerPx: 5, Width: 1024, Height: 768}, bar: 7, source: "scale_bar", nmPerPx: 7, status: "fail", cause: "cropped and resized by about 0.71"},
		{name: "display-referenced", w: 2048, h: 1536, meta: stream.Metadata{NmPerPx: 5, Width: 2048, Height: 1536}, bar: 2.5, source: "metadata", nmPerPx: 5, status: "fail", cause: "display 1024 px wide"},
		{name: "unit", w: 1280, h: 960, meta: stream.Metadata{NmPerPx: 5}, bar: 5000, source: "metadata", nmPerPx: 5, status: "fail", cause: "factor of 10^3"},
		{name: "binned", w: 1280, h: 960, meta: stream.Metadata{NmPerPx: 5}, bar: 10, source: "metadata", nmPerPx: 5, status: "fail", cause: "coarser by a factor of 2"},
		{name: "another magnification", w: 1280, h: 960, meta: stream.Metadata{NmPerPx: 5}, bar: 1, source: "metadata", nmPerPx: 5, status: "fail", cause: "finer by a factor of 5: a bar of another magnification"},
		{name: "anything", w: 1280, h: 960, meta: stream.Metadata{NmPerPx: 5}, bar: 6.7, source: "metadata", nmPerPx: 5, status: "fail", cause: "without new metadata"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := fused(c.w, c.h, c.meta, c.bar)
			require.Equal(t, c.source, s.Source)
			require.InDelta(t, c.nmPerPx, *s.NmPerPx, 1e-9)
			require.InDelta(t, c.bar/c.meta.NmPerPx, *s.Ratio, 1e-9)
			match := checkOf(t, s, "scale_match")
			require.Equal(t, c.status, match.Status)
			require.Contains(t, match.Detail, c.cause)
			require.Equal(t, "ok", checkOf(t, s, "scale_bar").Status)
		})
	}
}

func TestOneSourceIsEnough(t *testing.T) {
	s := fused(512, 384, stream.Metadata{}, 3)
	require.Equal(t, ScaleBar, s.Source)
	require.InDelta(t, 3, *s.NmPerPx, 1e-9)
	require.Nil(t, s.Ratio)
	s = fused(512, 384, stream.Metadata{NmPerPx: 4}, 0)
	require.Equal(t, ScaleMetadata, s.Source)
	require.Nil(t, s.Bar)
	require.Empty(t, s.Checks, "no bar is missed where the metadata tell")
}

func TestABarThatCannotBeReadGivesNoScale(t *testing.T) {
	bar := scalebar.Result{Bar: &scalebar.Bar{X0: 5, X1: 65, LengthPx: 60, Confidence: 0.8}, Reason: scalebar.ReasonUnsure}
	s := ScalePolicy{}.fuse(&stream.Frame{Width: 200, Height: 200}, metrics.Rect{X1: 200, Y1: 200}, bar)
	require.Equal(t, ScaleNone, s.Source)
	require.Nil(t, s.NmPerPx)
	require.Nil(t, s.Bar.Value)
	require.InDelta(t, 60, s.Bar.LengthPx, 0)
	require.Contains(t, checkOf(t, s, "scale_bar").Detail, scalebar.ReasonUnsure)
}

func TestAResizedImageKeepsItsPhysicalSizeAndSaysSo(t *testing.T) {
	s := fused(512, 384, stream.Metadata{NmPerPx: 5, Width: 1024, Height: 768}, 0)
	require.InDelta(t, 10, *s.NmPerPx, 1e-9)
	require.Equal(t, "warn", checkOf(t, s, "image_size").Status)
	s = fused(512, 768, stream.Metadata{NmPerPx: 5, Width: 1024, Height: 768}, 0)
	require.InDelta(t, 5, *s.NmPerPx, 1e-9)
	require.Contains(t, checkOf(t, s, "image_size").Detail, "cropped")
	s = fused(512, 384, stream.Metadata{NmPerPx: 5, Width: 1024, Height: 768}, 5.01)
	require.InDelta(t, 5, *s.NmPerPx, 1e-9)
	require.Contains(t, checkOf(t, s, "image_size").Detail, "the scale bar agrees")
}

func TestAFixedScaleIsComparedWithWhatIsKnown(t *testing.T) {
	for fixed, status := range map[float64]string{5.05: "ok", 6: "fail"} {
		s := ScalePolicy{FixedNmPerPx: fixed}.Resolve(frameOf(100, 100, stream.Metadata{NmPerPx: 5})).Scale
		require.Equal(t, ScaleFixed, s.Source)
		require.InDelta(t, fixed, *s.NmPerPx, 0)
		require.Equal(t, status, checkOf(t, s, "scale_match").Status)
		require.InDelta(t, fixed/5, *s.Ratio, 1e-9)
	}
	s := ScalePolicy{}.Resolve(frameOf(100, 100, stream.Metadata{NmPerPx: 5e9})).Scale
	require.Equal(t, ScaleNone, s.Source)
	require.Equal(t, "fail", checkOf(t, s, "metadata_plausible").Status)
}
