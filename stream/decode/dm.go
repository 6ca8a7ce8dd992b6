package decode

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

// dmPicture is the main image of a DigitalMicrograph file.
type dmPicture struct {
	src      *source
	tree     *dmTree
	path     string // of the image's tags: "ImageList.1."
	raw      tiff.Raw
	sections int
}

// dmType says how a DataType of DigitalMicrograph is stored.
func dmType(t int) (raw tiff.Raw, ok bool) {
	switch t {
	case 6, 14: // 14 is a mask
		return tiff.Raw{Bits: 8}, true
	case 9:
		return tiff.Raw{Bits: 8, Signed: true}, true
	case 10:
		return tiff.Raw{Bits: 16}, true
	case 1:
		return tiff.Raw{Bits: 16, Signed: true}, true
	case 11:
		return tiff.Raw{Bits: 32}, true
	case 7:
		return tiff.Raw{Bits: 32, Signed: true}, true
	case 2:
		return tiff.Raw{Bits: 32, Float: true}, true
	case 40:
		return tiff.Raw{Bits: 64}, true
	case 39:
		return tiff.Raw{Bits: 64, Signed: true}, true
	case 12:
		return tiff.Raw{Bits: 64, Float: true}, true
	}
	return tiff.Raw{}, false
}

func openDM(s *source) (picture, error) {
	tree, err := parseDM(s.readerAt(), s.size)
	if err != nil {
		return nil, err
	}
	p := &dmPicture{src: s, tree: tree, sections: 1}
	// The first image of several is the thumbnail; of the others the largest is meant.
	images, largest := 0, int64(-1)
	for i := range maxSections {
		path := fmt.Sprintf("ImageList.%d.", i)
		data, ok := tree.arrays[path+"ImageData.Data"]
		if !ok {
			if _, more := tree.values[path+"ImageData.DataType"]; !more {
				break
			}
			continue
		}
		if images++; images == 2 || data.count > largest {
			largest, p.path = data.count, path
		}
	}
	if images == 0 {
		return nil, fmt.Errorf("%w: the DM file holds no image; save the image itself, not its workspace", ErrUnsupported)
	}
	return p, p.layout(tree.arrays[p.path+"ImageData.Data"])
}

// layout reads how the image's pixels are stored and checks that they are all there.
func (p *dmPicture) layout(data dmArray) error {
	value := func(name string) float64 { return p.tree.values[p.path+"ImageData."+name] }
	t := int(value("DataType"))
	raw, ok := dmType(t)
	switch {
	case t == 3 || t == 13:
		return fmt.Errorf("%w DM image: complex numbers; save their modulus", ErrUnsupported)
	case t == 23:
		return fmt.Errorf("%w DM image: colour; save it as grey", ErrUnsupported)
	case !ok:
		return fmt.Errorf("%w DM image: data type %d; save it as 8 or 16-bit TIFF", ErrUnsupported, t)
	}
	dim := func(k int) int {
		v, given := p.tree.values[fmt.Sprintf("%sImageData.Dimensions.%d", p.path, k)]
		if !given {
			return 1
		}
		return int(min(max(v, 0), math.MaxInt32))
	}
	energy := func(k int) bool {
		return strings.HasSuffix(p.tree.texts[fmt.Sprintf("%sImageData.Calibrations.Dimension.%d.Units", p.path, k)], "eV")
	}
	raw.Width, raw.Height, p.sections = dim(0), dim(1), dim(2)
	switch {
	case raw.Height == 1 || energy(0) || energy(1) || energy(2) || dim(3) > 1:
		return fmt.Errorf("%w DM image: it holds spectra, not an image; save the survey image", ErrUnsupported)
	case raw.Width > tiff.MaxSide || raw.Height > tiff.MaxSide || p.sections > maxSections:
		return fmt.Errorf("image %w: %d x %d px in %d sections, at most %d px per side; crop or downsample it",
			ErrTooLarge, raw.Width, raw.Height, p.sections, tiff.MaxSide)
	}
	px := int64(raw.Width) * int64(raw.Height)
	if px == 0 || p.sections == 0 || data.count*dmSize(data.kind) < px*int64(p.sections)*int64(raw.Bits/8) {
		return fmt.Errorf("%w DM image: %d values cannot hold %d x %d px in %d sections; export the image again",
			ErrCorrupt, data.count, raw.Width, raw.Height, p.sections)
	}
	raw.BigEndian, raw.Offset = p.tree.big, data.offset
	p.raw = raw
	return nil
}

func (p *dmPicture) frames() int { return p.sections }

func (p *dmPicture) frame(ctx context.Context, i int, f *stream.Frame) error {
	raw := p.raw
	raw.Offset += int64(i) * int64(raw.Width) * int64(raw.Height) * int64(raw.Bits/8)
	r, err := tiff.RawRaster(p.src.readerAt(), p.src.size, raw)
	if err != nil {
		return remedied(err)
	}
	b := builder{meta: &f.Meta, width: raw.Width, height: raw.Height}
	b.dm(p.tree, p.path)
	b.sidecar(p.src.path)
	f.Meta = *b.finish()
	return rasterPixels(ctx, p.src, r, f)
}

// dm reads an image's calibration and what DigitalMicrograph knows of the microscope: volts, micrometres,
// degrees, microseconds.
func (b *builder) dm(t *dmTree, path string) {
	m := b.meta
	m.Vendor = "Gatan"
	axis := func(k int) float64 {
		at := fmt.Sprintf("%sImageData.Calibrations.Dimension.%d.", path, k)
		return dmLength(t.values[at+"Scale"], t.texts[at+"Units"])
	}
	b.pixel(axis(0), axis(1))
	tags := path + "ImageTags."
	for name, v := range t.texts {
		if key, ok := strings.CutPrefix(name, tags); ok {
			b.raw(key, v)
		}
	}
	for name, v := range t.values {
		if key, ok := strings.CutPrefix(name, tags); ok {
			b.raw(key, fmt.Sprint(v))
		}
	}
	info := tags + "Microscope Info."
	if m.Model = strings.TrimSpace(t.texts[info+"Name"]); m.Model == "" {
		m.Model = strings.TrimSpace(t.texts[info+"Microscope"])
	}
	m.HighVoltageV = t.values[info+"Voltage"]
	m.DwellTimeS = t.values[tags+"DigiScan.Sample Time"] * 1e-6
	stage := info + "Stage Position."
	m.StageXM, m.StageYM, m.StageZM = t.values[stage+"Stage X"]*1e-6, t.values[stage+"Stage Y"]*1e-6, t.values[stage+"Stage Z"]*1e-6
	m.StageTiltRad = t.values[stage+"Stage Alpha"] * math.Pi / 180
	if m.Detector = t.texts[tags+"DataBar.Signal Name"]; m.Detector == "" {
		m.Detector = t.texts[tags+"Acquisition.Device.Name"]
	}
	m.AcquiredAt = clock(t.texts[tags+"DataBar.Acquisition Date"]+" "+t.texts[tags+"DataBar.Acquisition Time"],
		"1/2/2006 3:04:05 PM", "2006-01-02 15:04:05", "1/2/2006 15:04:05", "2.1.2006 15:04:05", "2006/01/02 15:04:05")
}

// dmLength is a calibration in metres, where A stands for ångström; 0 for units that are no lengths: 1/nm, eV.
func dmLength(scale float64, unit string) float64 {
	unit = strings.TrimSpace(unit)
	switch unit {
	case "":
		return 0
	case "A":
		unit = "Å"
	}
	one := quantity("1 " + unit)
	if !isLength(unit) {
		return 0
	}
	return math.Abs(scale) * one
}

// isLength reports whether a unit that quantity knows is one of length.
func isLength(unit string) bool {
	switch strings.ToLower(unit) {
	case "m", "å", "a\u030a", "angstrom", "cm", "inch", "in", "meter", "metre", "nanometer", "nanometre":
		return true
	}
	return strings.HasPrefix(strings.ToLower(unit), "micro") || len(unit) > 1 && strings.HasSuffix(unit, "m") && !strings.Contains(unit, "/")
}

// dmTags reads the tags of a TIFF that DigitalMicrograph exported; its resolution is that of a screen.
func (b *builder) dmTags(p *tiff.Page, unitX string) {
	x, _ := p.Rationals(tagDMScaleX)
	y, _ := p.Rationals(tagDMScaleY)
	unitY := text(p, tagDMUnitY)
	if unitY == "" {
		unitY = unitX
	}
	b.meta.Vendor = "Gatan"
	b.pixel(dmLength(first(x), unitX), dmLength(first(y), unitY))
}
