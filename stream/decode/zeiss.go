package decode

import (
	"strings"
)

// zeissReference is the display width in px to which SmartSEM refers its unnamed pixel size (and AP_PIXEL_SIZE).
const zeissReference = 1024

// zeiss reads SmartSEM text (tag 34118): unnamed numbers, then pairs of lines, a key such as
// AP_IMAGE_PIXEL_SIZE and "Image Pixel Size = 9.766 nm".
func (b *builder) zeiss(s string) {
	m := b.meta
	m.Vendor = "ZEISS"
	values := map[string]string{}
	var unnamed []string
	key := ""
	for line := range strings.Lines(s) {
		line = strings.Trim(line, " \t\r\n\x00")
		switch {
		case isZeissKey(line):
			key = line
		case key != "":
			value, ok := "", false
			// "Name = value"; dates and times are written "Date :27 May 2021"
			if _, value, ok = strings.Cut(line, "="); !ok {
				_, value, _ = strings.Cut(line, ":")
			}
			value = strings.TrimSpace(value)
			if _, dup := values[key]; !dup && len(values) < 4*maxRawKeys {
				values[key] = value
				b.raw(key, value)
			}
			key = ""
		case len(values) == 0 && len(unnamed) < 64:
			unnamed = append(unnamed, line)
		}
	}
	m.Model = values["DP_SEM"]
	if w, h, ok := strings.Cut(values["DP_IMAGE_STORE"], "*"); ok {
		m.Width, m.Height = integer(w), integer(h)
	}
	width := m.Width
	if width <= 0 {
		width = b.width
	}
	size := quantity(values["AP_IMAGE_PIXEL_SIZE"])
	if size == 0 && len(unnamed) > 3 && width > 0 {
		size = number(unnamed[3]) * zeissReference / float64(width)
	}
	if size == 0 && width > 0 {
		size = quantity(values["AP_PIXEL_SIZE"]) * zeissReference / float64(width)
	}
	b.pixel(size, size)
	if m.HorFieldWidthM = quantity(values["AP_WIDTH"]); m.HorFieldWidthM == 0 && len(unnamed) > 3 {
		m.HorFieldWidthM = number(unnamed[3]) * zeissReference
	}
	if m.HighVoltageV = quantity(values["AP_ACTUALKV"]); m.HighVoltageV == 0 {
		m.HighVoltageV = quantity(values["AP_MANUALKV"])
	}
	m.WorkingDistanceM = quantity(values["AP_WD"])
	m.DwellTimeS = quantity(values["DP_DWELL_TIME"])
	m.BeamCurrentA = quantity(values["AP_IPROBE"])
	m.StageXM, m.StageYM = quantity(values["AP_STAGE_AT_X"]), quantity(values["AP_STAGE_AT_Y"])
	m.StageZM = quantity(values["AP_STAGE_AT_Z"])
	m.StageRotationRad, m.StageTiltRad = quantity(values["AP_STAGE_AT_R"]), quantity(values["AP_STAGE_AT_T"])
	if m.Detector = values["DP_DETECTOR_CHANNEL"]; m.Detector == "" {
		m.Detector = values["DP_DETECTOR_TYPE"]
	}
	m.AcquiredAt = clock(values["AP_DATE"]+" "+values["AP_TIME"], "2 Jan 2006 15:04:05", "2006-01-02 15:04:05")
}

// isZeissKey reports whether a line is a key: two capitals, an underscore, then capitals, digits, underscores.
func isZeissKey(line string) bool {
	if len(line) < 4 || line[2] != '_' {
		return false
	}
	for i := range len(line) {
		c := line[i]
		if (c < 'A' || c > 'Z') && c != '_' && (i < 3 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}
