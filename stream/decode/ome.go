package decode

import (
	"encoding/xml"
	"io"
	"strings"
)

// ome reads the first Pixels element of OME-XML (schema 2016-06): PhysicalSizeX and Y, in µm unless a unit is
// given, and the size.
func (b *builder) ome(s string) {
	d := xml.NewDecoder(strings.NewReader(s))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	for range maxXMLTokens {
		t, err := d.RawToken()
		if err != nil {
			return
		}
		e, ok := t.(xml.StartElement)
		if !ok || e.Name.Local != "Pixels" {
			continue
		}
		v := map[string]string{}
		for _, a := range e.Attr {
			v[a.Name.Local] = a.Value
			b.raw("Pixels."+a.Name.Local, a.Value)
		}
		m := b.meta
		m.Vendor = "OME"
		m.Width, m.Height = integer(v["SizeX"]), integer(v["SizeY"])
		size := func(value, unit string) float64 {
			if unit == "" {
				unit = "µm"
			}
			if number(value) == 0 {
				return 0
			}
			return quantity(value + " " + unit)
		}
		b.pixel(size(v["PhysicalSizeX"], v["PhysicalSizeXUnit"]), size(v["PhysicalSizeY"], v["PhysicalSizeYUnit"]))
		return
	}
}
