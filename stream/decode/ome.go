package decode

import (
	"encoding/xml"
	"io"
	"strings"
)

// omeImage is an Image element of OME-XML (schema 2016-06): attributes by name.
type omeImage struct {
	pixels map[string]string
	data   []map[string]string // TiffData: which directories hold its planes
	planes []map[string]string
	date   string
}

// ome reads what OME-XML says about directory i of its file: PhysicalSizeX and Y, in µm unless a unit is
// given, the size, the time, the instrument, and where the stage was for that plane.
func (b *builder) ome(s string, i int) {
	images, instrument := omeImages(s)
	image := omeOf(images, i)
	if image == nil {
		return
	}
	m, v := b.meta, image.pixels
	for key, value := range v {
		b.raw("Pixels."+key, value)
	}
	if m.Vendor == "" {
		if m.Vendor = instrument["Manufacturer"]; m.Vendor == "" {
			m.Vendor = "OME"
		}
		m.Model = instrument["Model"]
	}
	if m.Width == 0 {
		m.Width, m.Height = integer(v["SizeX"]), integer(v["SizeY"])
	}
	length := func(value, unit, byDefault string) float64 {
		if unit == "" {
			unit = byDefault
		}
		if number(value) == 0 {
			return 0
		}
		return quantity(value + " " + unit)
	}
	b.pixel(length(v["PhysicalSizeX"], v["PhysicalSizeXUnit"], "µm"), length(v["PhysicalSizeY"], v["PhysicalSizeYUnit"], "µm"))
	if m.AcquiredAt.IsZero() {
		m.AcquiredAt = clock(image.date, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.999999999")
	}
	if p := image.plane(i); p != nil {
		const none = "reference frame" // the schema's default unit is no length
		m.StageXM = length(p["PositionX"], p["PositionXUnit"], none)
		m.StageYM = length(p["PositionY"], p["PositionYUnit"], none)
		m.StageZM = length(p["PositionZ"], p["PositionZUnit"], none)
	}
}

// omeImages lists the images that have pixels, and the first Microscope element's attributes.
func omeImages(s string) (images []*omeImage, instrument map[string]string) {
	d := xml.NewDecoder(strings.NewReader(s))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	var image *omeImage
	dated := false
	for range 4 * maxXMLTokens {
		t, err := d.RawToken()
		if err != nil {
			break
		}
		switch e := t.(type) {
		case xml.StartElement:
			dated = false
			if e.Name.Local == "Image" {
				image = &omeImage{}
				continue
			}
			if e.Name.Local == "Microscope" && instrument == nil {
				instrument = attributes(e)
			}
			if image == nil {
				continue
			}
			switch e.Name.Local {
			case "Pixels":
				image.pixels = attributes(e)
				images = append(images, image)
			case "TiffData":
				image.data = append(image.data, attributes(e))
			case "Plane":
				image.planes = append(image.planes, attributes(e))
			case "AcquisitionDate":
				dated = true
			}
		case xml.CharData:
			if dated && image != nil {
				image.date += strings.TrimSpace(string(e[:min(len(e), 64)]))
			}
		case xml.EndElement:
			dated = false
		}
	}
	return images, instrument
}

func attributes(e xml.StartElement) map[string]string {
	v := make(map[string]string, len(e.Attr))
	for _, a := range e.Attr {
		v[a.Name.Local] = a.Value
	}
	return v
}

// omeOf returns the image that directory i belongs to; without TiffData elements that say so, the first.
func omeOf(images []*omeImage, i int) *omeImage {
	for _, m := range images {
		for _, d := range m.data {
			if _, given := d["IFD"]; !given {
				continue
			}
			first, n := integer(d["IFD"]), max(1, integer(d["PlaneCount"]))
			if i >= first && i < first+n {
				return m
			}
		}
	}
	if len(images) == 0 {
		return nil
	}
	return images[0]
}

// plane returns what the image says about directory i: the Plane with the coordinates that TiffData gives
// it, else, where planes are listed in the order of directories, the one at its place.
func (m *omeImage) plane(i int) map[string]string {
	for _, d := range m.data {
		if _, given := d["IFD"]; !given || integer(d["IFD"]) != i {
			continue
		}
		for _, p := range m.planes {
			if integer(p["TheZ"]) == integer(d["FirstZ"]) && integer(p["TheC"]) == integer(d["FirstC"]) && integer(p["TheT"]) == integer(d["FirstT"]) {
				return p
			}
		}
	}
	if len(m.data) <= 1 && i < len(m.planes) {
		return m.planes[i]
	}
	return nil
}
