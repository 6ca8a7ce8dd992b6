package decode

import (
	"bytes"
	"math"
	"strings"
)

// tescan reads tag 50431: a binary thumbnail, then blocks of "Key=Value" lines between binary lengths. The
// blocks (MAIN and SEM in the .hdr files of the same software) share no keys, so they are read as one.
// Lengths are metres, voltages volts, angles degrees.
func (b *builder) tescan(data []byte) {
	start := -1
	for _, key := range []string{"AccFrames=", "Description=", "PixelSizeX="} {
		if i := bytes.Index(data, []byte(key)); i >= 0 && (start < 0 || i < start) {
			start = i
		}
	}
	if start < 0 {
		return
	}
	b.tescanText(utf8Text(string(data[start:])))
}

// tescanText reads the blocks' lines, or the .hdr file that holds the same.
func (b *builder) tescanText(s string) {
	v := ini{}
	for line := range strings.SplitSeq(s, "\n") {
		// A block's first line follows its binary length: the key is what remains after the last control byte.
		if i := strings.LastIndexFunc(line, func(r rune) bool { return r < ' ' && r != '\r' && r != '\t' }); i >= 0 {
			line = line[i+1:]
		}
		key, value, ok := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if _, dup := v[key]; !ok || key == "" || dup || len(v) >= 4*maxRawKeys {
			continue
		}
		v[key] = value
		b.raw(key, value)
	}
	m := b.meta
	m.Vendor, m.Model = "TESCAN", v["Device"]
	b.pixel(v.number("PixelSizeX"), v.number("PixelSizeY"))
	if strip := integer(v["ImageStripSize"]); strip > 0 && strip < b.height/2 {
		m.ImageRows = b.height - strip
	}
	m.HighVoltageV = v.number("HV", "AcceleratorVoltage")
	m.WorkingDistanceM = v.number("WD")
	m.DwellTimeS = v.number("DwellTime")
	m.BeamCurrentA = v.number("BeamCurrent", "PredictedBeamCurrent")
	m.StageXM, m.StageYM, m.StageZM = v.number("StageX"), v.number("StageY"), v.number("StageZ")
	m.StageRotationRad, m.StageTiltRad = v.number("StageRotation")*math.Pi/180, v.number("StageTilt")*math.Pi/180
	m.Detector = v["Detector"]
	m.AcquiredAt = clock(v["Date"]+" "+v["Time"], "2006-01-02 15:04:05")
	if m.NmPerPx > 0 {
		m.HorFieldWidthM = m.NmPerPx * 1e-9 * float64(b.width)
	}
}
