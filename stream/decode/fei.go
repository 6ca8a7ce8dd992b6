package decode

import (
	"math"
	"strings"
)

// ini is INI text: "Section.Key" to value.
type ini map[string]string

// parseINI reads "[Section]" and "Key=Value" lines; other lines are skipped, the first of equal keys counts.
func parseINI(s string, keep func(key, value string)) ini {
	values := ini{}
	section := ""
	for line := range strings.Lines(s) {
		line = strings.Trim(line, " \t\r\n\x00")
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = line[1 : len(line)-1]
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if key = strings.TrimSpace(key); !ok || key == "" {
			continue
		}
		if section != "" {
			key = section + "." + key
		}
		if _, dup := values[key]; dup || len(values) >= 4*maxRawKeys {
			continue
		}
		value = strings.TrimSpace(value)
		values[key] = value
		keep(key, value)
	}
	return values
}

// number returns the first of the keys whose value is a number other than 0.
func (v ini) number(keys ...string) float64 {
	for _, k := range keys {
		if x := number(v[k]); x != 0 {
			return x
		}
	}
	return 0
}

// fei reads the INI text of FEI and Thermo Fisher microscopes (tags 34682 and 34680). Lengths are metres,
// angles radians.
func (b *builder) fei(s string) {
	v := parseINI(s, b.raw)
	m := b.meta
	m.Vendor, m.Model = "FEI", v["System.SystemType"]
	beam, scan := v["Beam.Beam"], v["Beam.Scan"]

	x := v.number("Scan.PixelWidth", scan+".PixelWidth", "EScan.PixelWidth", "IScan.PixelWidth")
	y := v.number("Scan.PixelHeight", scan+".PixelHeight", "EScan.PixelHeight", "IScan.PixelHeight")
	m.Width, m.Height = integer(v["Image.ResolutionX"]), integer(v["Image.ResolutionY"])
	m.HorFieldWidthM = v.number("Scan.HorFieldsize", scan+".HorFieldsize", beam+".HFW", "EBeam.HFW", "IRBeam.HFW")
	if x == 0 && m.Width > 0 { // navigation cameras have no scan
		x = m.HorFieldWidthM / float64(m.Width)
		if m.Height > 0 {
			y = v.number("Scan.VerFieldsize", scan+".VerFieldsize", beam+".VFW", "EBeam.VFW", "IRBeam.VFW") / float64(m.Height)
		}
	}
	b.pixel(x, y)
	m.ImageRows = feiRows(b.width, b.height, m.Width, m.Height, integer(v["PrivateFei.DatabarHeight"]))

	m.HighVoltageV = v.number(beam+".HV", "Beam.HV")
	m.WorkingDistanceM = v.number(beam+".WD", "Stage.WorkingDistance")
	m.DwellTimeS = v.number("Scan.Dwelltime", scan+".Dwell")
	m.BeamCurrentA = v.number(beam + ".BeamCurrent")
	m.StageXM, m.StageYM = v.number("Stage.StageX", beam+".StageX"), v.number("Stage.StageY", beam+".StageY")
	m.StageZM = v.number("Stage.StageZ", beam+".StageZ")
	m.StageRotationRad = v.number("Stage.StageR", beam+".StageR")
	m.StageTiltRad = v.number("Stage.StageT", beam+".StageTa")
	if m.Detector = v["Detectors.Name"]; v["Detectors.Mode"] != "None" {
		m.Detector = strings.TrimSpace(m.Detector + " " + v["Detectors.Mode"])
	}
	m.AcquiredAt = clock(v["PrivateFei.TimeOfCreation"], "2.1.2006 15:04:05")
	if m.AcquiredAt.IsZero() {
		m.AcquiredAt = clock(v["User.Date"]+" "+v["User.Time"], "1/2/2006 3:04:05 PM", "1/2/2006 15:04:05", "2.1.2006 15:04:05", "2006-01-02 15:04:05")
	}
}

// feiRows returns the first row of the data bar. The metadata knows the image without the bar (resX, resY)
// and often the bar's height, which some versions leave 0 although there is a bar; the file may have been
// scaled as a whole. 0 means that there is no bar, or that its place does not follow.
func feiRows(width, height, resX, resY, bar int) int {
	if resX <= 0 || resY <= 0 {
		if bar > 0 && bar < height/2 {
			return height - bar
		}
		return 0
	}
	scale := float64(width) / float64(resX)
	rows := int(math.Round(float64(resY) * scale))
	left := height - rows
	switch {
	case rows >= height:
		return 0
	case bar > 0 && math.Abs(float64(left)-float64(bar)*scale) <= 2,
		bar <= 0 && left <= height/5:
		return rows
	}
	return 0
}
