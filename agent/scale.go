package agent

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// Sources of a scale.
const (
	ScaleMetadata = "metadata"
	ScaleFixed    = "fixed"
	ScaleNone     = "none"
)

// ScalePolicy says where the pixel size comes from. The zero value takes it from the frame's metadata.
type ScalePolicy struct {
	Ignore       bool    // no scale at all
	FixedNmPerPx float64 // > 0: this one, whatever the metadata say
}

// ParseScale reads auto, none or a pixel size such as 2.5nm.
func ParseScale(s string) (ScalePolicy, error) {
	switch s {
	case "auto":
		return ScalePolicy{}, nil
	case "none":
		return ScalePolicy{Ignore: true}, nil
	}
	for _, unit := range []struct {
		suffix string
		nm     float64
	}{{"nm", 1}, {"um", 1e3}, {"µm", 1e3}, {"μm", 1e3}, {"pm", 1e-3}} {
		number, ok := strings.CutSuffix(s, unit.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !validNmPerPx(v*unit.nm) {
			break
		}
		return ScalePolicy{FixedNmPerPx: v * unit.nm}, nil
	}
	return ScalePolicy{}, fmt.Errorf("scale %q: use auto, none, or the size of a pixel between 0.001nm and 1000um, such as 2.5nm", s)
}

// resolve returns a frame's scale and the rectangle to analyse: the frame without the vendor's data bar.
func (p ScalePolicy) resolve(f *stream.Frame) (reporting.Scale, metrics.Rect) {
	area := metrics.Rect{X1: f.Width, Y1: f.Height}
	if rows := f.Meta.ImageRows; rows >= 64 && rows < f.Height {
		area.Y1 = rows
	}
	s := reporting.Scale{Source: ScaleNone, Checks: []reporting.Check{}}
	check := func(name, status, format string, args ...any) {
		s.Checks = append(s.Checks, reporting.Check{Name: name, Status: status, Detail: fmt.Sprintf(format, args...)})
	}
	known := f.Meta.NmPerPx
	if known != 0 && !validNmPerPx(known) {
		check("metadata_plausible", "fail", "pixel size %g nm in the metadata is outside 1 pm .. 1 mm and is not used", known)
		known = 0
	}
	switch {
	case p.Ignore:
	case p.FixedNmPerPx > 0:
		s.Source, s.NmPerPx = ScaleFixed, &p.FixedNmPerPx
		if known > 0 {
			checkRatio(check, "scale_match", p.FixedNmPerPx, known)
		}
	case known > 0:
		nm := known * resized(f.Meta, area, check)
		s.Source, s.NmPerPx = ScaleMetadata, &nm
		if y := f.Meta.NmPerPxY; y > 0 && math.Abs(y/known-1) > 1e-3 {
			check("square_pixels", "warn", "pixels are %.6g x %.6g nm; the width is used for both", known, y)
		}
	}
	return s, area
}

// checkRatio compares a configured pixel size with the metadata's.
func checkRatio(check func(name, status, format string, args ...any), name string, used, metadata float64) {
	status := "ok"
	if math.Abs(used/metadata-1) > 0.02 {
		status = "fail"
	}
	check(name, status, "fixed %.6g nm/px, metadata %.6g nm/px, ratio %.4f", used, metadata, used/metadata)
}

// resized returns by how much a pixel grew since the metadata were written: 1 unless the frame's size has
// the proportions of the metadata's size and differs from it.
func resized(m stream.Metadata, area metrics.Rect, check func(name, status, format string, args ...any)) float64 {
	if m.Width <= 0 || m.Height <= 0 || m.Width == area.X1 {
		if m.Width > 0 {
			check("image_size", "ok", "%d px wide, as the metadata say", area.X1)
		}
		return 1
	}
	kx, ky := float64(m.Width)/float64(area.X1), float64(m.Height)/float64(area.Y1)
	if math.Abs(kx/ky-1) > 0.02 {
		check("image_size", "warn", "%dx%d px, but the metadata speak of %dx%d: taken as cropped, not resized", area.X1, area.Y1, m.Width, m.Height)
		return 1
	}
	check("image_size", "warn", "%dx%d px, but the metadata speak of %dx%d: taken as resized by %.4g", area.X1, area.Y1, m.Width, m.Height, 1/kx)
	return kx
}
