package agent

import (
	"fmt"
	"strconv"
	"strings"
)

// Sources of a scale.
const (
	ScaleMetadata = "metadata"
	ScaleBar      = "scale_bar"
	ScaleFixed    = "fixed"
	ScaleNone     = "none"
)

// ScalePolicy says where the pixel size comes from. The zero value takes it from the frame's metadata and from the
// scale bar burned into it; see fuse.
type ScalePolicy struct {
	Ignore         bool    // no scale at all
	FixedNmPerPx   float64 // > 0: this one, whatever the metadata and the bar say
	IgnoreMetadata bool    // the pixels alone tell, the panel's place included
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
