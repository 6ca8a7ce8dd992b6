package decode

import (
	"strings"
)

// jeol reads the text that JEOL's SEM write beside an image: lines "$KEY value" and "$$KEY value". The pixel
// size is that of the scale bar, whose length in px (SM_MICRON_BAR) not every version writes: without it the
// magnification tells nothing, because it refers to a display of unknown size. kV and mm are not written out.
func (b *builder) jeol(s string) {
	v := map[string]string{}
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "$") {
			continue
		}
		key, value, _ := strings.Cut(strings.TrimLeft(line, "$"), " ")
		if _, dup := v[key]; dup || key == "" || len(v) >= 4*maxRawKeys {
			continue
		}
		v[key] = strings.TrimSpace(value)
		b.raw(key, v[key])
	}
	m := b.meta
	m.Vendor, m.Model = "JEOL", v["CM_INSTRUMENT"]
	if w, h, ok := strings.Cut(v["CM_FULL_SIZE"], " "); ok {
		m.Width, m.Height = integer(w), integer(h)
		if m.Width == b.width && m.Height > b.height/2 && m.Height < b.height {
			m.ImageRows = m.Height
		}
	}
	if px := number(v["SM_MICRON_BAR"]); px > 0 {
		size := quantity(v["SM_MICRON_MARKER"]) / px
		b.pixel(size, size)
	}
	kV := number(v["CM_ACCEL_VOLT"])
	if kV == 0 {
		kV = number(v["CM_ACCEL_VOLTAGE"])
	}
	m.HighVoltageV = kV * 1e3
	m.WorkingDistanceM = number(v["SM_WD"]) * 1e-3
	if m.Detector = v["CM_SIGNAL"]; m.Detector == "" {
		m.Detector = v["CM_SIGNAL_NAME"]
	}
	if at := strings.Fields(v["CM_STAGE_POS"]); len(at) >= 3 {
		m.StageXM, m.StageYM, m.StageZM = number(at[0])*1e-3, number(at[1])*1e-3, number(at[2])*1e-3
	}
	m.AcquiredAt = clock(v["CM_DATE"]+" "+v["CM_TIME"], "2006/01/02 15:04:05", "2006-01-02 15:04:05", "1/2/2006 15:04:05")
}
