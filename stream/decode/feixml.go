package decode

import (
	"encoding/xml"
	"io"
	"math"
	"strings"
)

const maxXMLTokens = 50000

// leaf is an XML element without children.
type leaf struct{ path, value, unit string }

// leaves lists the elements that hold text, by path below the root ("BinaryResult.PixelSize.X"). Attributes
// other than unit are left out. Damaged XML gives what came before the damage.
func leaves(s string) []leaf {
	d := xml.NewDecoder(strings.NewReader(s))
	d.Strict = false
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	var (
		out   []leaf
		path  []string
		units []string
		text  string
	)
	for range maxXMLTokens {
		t, err := d.RawToken()
		if err != nil {
			break
		}
		switch t := t.(type) {
		case xml.StartElement:
			unit := ""
			for _, a := range t.Attr {
				if strings.EqualFold(a.Name.Local, "unit") {
					unit = a.Value
				}
			}
			if len(path) == 64 {
				return out
			}
			path, units, text = append(path, t.Name.Local), append(units, unit), ""
		case xml.CharData:
			if len(text)+len(t) <= maxRawValue {
				text += string(t)
			}
		case xml.EndElement:
			if len(path) == 0 {
				return out
			}
			if value := strings.TrimSpace(text); value != "" && len(path) > 1 {
				out = append(out, leaf{strings.Join(path[1:], "."), value, units[len(units)-1]})
			}
			path, units, text = path[:len(path)-1], units[:len(units)-1], ""
		}
	}
	return out
}

// feiXML reads the XML of tag 34683: Phenom's FeiImage and the Metadata of Titan and newer xT software.
func (b *builder) feiXML(s string) {
	m := b.meta
	bar := 0
	var pixelX, pixelY float64
	var date, clockTime string
	for _, l := range leaves(s) {
		b.raw(l.path, l.value)
		name := l.path[strings.LastIndexByte(l.path, '.')+1:]
		switch l.path {
		case "BinaryResult.PixelSize.X", "PixelSize.X":
			pixelX = quantity(l.value + " " + l.unit)
		case "BinaryResult.PixelSize.Y", "PixelSize.Y":
			pixelY = quantity(l.value + " " + l.unit)
		case "BinaryResult.ImageSize.X":
			m.Width = integer(l.value)
		case "BinaryResult.ImageSize.Y":
			m.Height = integer(l.value)
		case "Instrument.InstrumentClass":
			m.Model = l.value
		case "Acquisition.AcquisitionDatetime":
			m.AcquiredAt = clock(l.value, "2006-01-02T15:04:05", "2006-01-02T15:04:05Z07:00")
		case "Optics.AccelerationVoltage":
			m.HighVoltageV = number(l.value)
		case "Optics.WorkingDistance":
			m.WorkingDistanceM = number(l.value)
		case "Optics.BeamCurrent":
			m.BeamCurrentA = number(l.value)
		case "Optics.ScanFieldOfView.X":
			m.HorFieldWidthM = number(l.value)
		case "ScanSettings.DwellTime":
			m.DwellTimeS = number(l.value)
		case "StageSettings.StagePosition.X":
			m.StageXM = number(l.value)
		case "StageSettings.StagePosition.Y":
			m.StageYM = number(l.value)
		case "StageSettings.StagePosition.Z":
			m.StageZM = number(l.value)
		case "StageSettings.StagePosition.Rotation":
			m.StageRotationRad = number(l.value)
		case "StageSettings.StagePosition.Tilt.Alpha":
			m.StageTiltRad = number(l.value)
		case "Detectors.ScanningDetector.DetectorName":
			m.Detector = l.value
		default:
			switch name { // Phenom
			case "pixelWidth":
				pixelX = quantity(l.value + " " + l.unit)
			case "pixelHeight":
				pixelY = quantity(l.value + " " + l.unit)
			case "databarHeight":
				bar = integer(l.value)
			case "acceleratingVoltage":
				m.HighVoltageV = math.Abs(quantity(l.value + " " + l.unit)) // some write it negative
			case "workingDistance":
				m.WorkingDistanceM = quantity(l.value + " " + l.unit)
			case "date":
				date = l.value
			case "time":
				clockTime = l.value
			case "model", "type":
				if m.Model == "" {
					m.Model = l.value
				}
			}
		}
	}
	m.Vendor = "FEI"
	b.pixel(pixelX, pixelY)
	if m.AcquiredAt.IsZero() && date != "" {
		m.AcquiredAt = clock(date+" "+clockTime, "2006-01-02 15:04:05", "2006-01-02 ", "1/2/2006 15:04:05", "2.1.2006 15:04:05")
	}
	if m.ImageRows == 0 {
		m.ImageRows = feiRows(b.width, b.height, m.Width, m.Height, bar)
	}
}
