package decode

import (
	"math"
	"strings"
)

// hitachi reads the text that Hitachi's SEM and TEM write beside an image: INI with one section. The pixel
// size is in nm, stage positions without a unit too, angles are degrees.
func (b *builder) hitachi(s string) {
	all := parseINI(s, func(string, string) {})
	v := ini{}
	for key, value := range all {
		section, name, ok := strings.Cut(key, ".")
		if ok && (section == "SemImageFile" || section == "TemImageFile") {
			v[name] = value
			b.raw(name, value)
		}
	}
	m := b.meta
	m.Vendor, m.Model = "Hitachi", v["InstructName"]
	size := b.lengthNm(v["PixelSize"])
	b.pixel(size, size)
	if w, h, ok := strings.Cut(strings.ToLower(v["DataSize"]), "x"); ok {
		m.Width, m.Height = integer(w), integer(h)
		if m.Width == b.width && m.Height > b.height/2 && m.Height < b.height {
			m.ImageRows = m.Height
		}
	}
	m.HighVoltageV = math.Abs(quantity(v["AcceleratingVoltage"]))
	m.WorkingDistanceM = quantity(v["WorkingDistance"])
	m.Detector = v["SignalName"]
	m.StageXM, m.StageYM, m.StageZM = b.lengthNm(v["StagePositionX"]), b.lengthNm(v["StagePositionY"]), b.lengthNm(v["StagePositionZ"])
	m.StageRotationRad = number(strings.TrimSuffix(v["StagePositionR"], " deg")) * math.Pi / 180
	m.StageTiltRad = number(strings.TrimSuffix(v["StagePositionT"], " deg")) * math.Pi / 180
	m.AcquiredAt = clock(v["Date"]+" "+v["Time"], "2006/01/02 15:04:05", "2006-01-02 15:04:05", "01/02/2006 15:04:05")
}

// lengthNm reads a length that is in nm unless it says otherwise.
func (*builder) lengthNm(s string) float64 {
	if v := number(s); v != 0 {
		return v * 1e-9
	}
	return quantity(s)
}

// hitachiComment reads the comment in files of the TM series: lines of the sidecar, and the conditions, rounded
// as they stand in the data bar: "Vacc=15.0kV Mag=x600 WD=7.9mm".
func (b *builder) hitachiComment(s string) {
	v := parseINI(s, func(string, string) {})
	if v["PixelSize"] == "" || v["Condition"] == "" {
		return
	}
	for key, value := range v {
		b.raw(key, value)
	}
	m := b.meta
	if m.Vendor == "" {
		m.Vendor = "Hitachi"
		m.Model, _, _ = strings.Cut(v["DataNumber"], " ")
	}
	size := b.lengthNm(v["PixelSize"])
	b.pixel(size, size)
	for field := range strings.FieldsSeq(v["Condition"]) {
		switch key, value, _ := strings.Cut(field, "="); {
		case key == "Vacc" && m.HighVoltageV == 0:
			m.HighVoltageV = quantity(value)
		case key == "WD" && m.WorkingDistanceM == 0:
			m.WorkingDistanceM = quantity(value)
		}
	}
	if m.Detector == "" {
		m.Detector = v["SignalName"]
	}
}
