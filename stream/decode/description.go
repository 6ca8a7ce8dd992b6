package decode

import (
	"cmp"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/uni-aims/aimsd/stream/tiff"
)

const maxDescription = 4 << 20 // bytes of an ImageDescription that is looked into

// fibsemDescription reads the JSON that OpenFIBSEM writes into ImageDescription.
func (b *builder) fibsemDescription(p *tiff.Page) {
	if s := strings.TrimSpace(text(p, tiff.TagImageDescription)); strings.HasPrefix(s, "{") && len(s) <= maxDescription {
		b.openFIBSEM(s)
	}
}

// description reads what general software writes into ImageDescription about a directory of the file: ImageJ
// (key=value lines, with the resolution tags), OME-TIFF (XML). A resolution alone is no calibration.
func (b *builder) description(p *tiff.Page, directory int) {
	s := strings.TrimSpace(text(p, tiff.TagImageDescription))
	if len(s) > maxDescription {
		return
	}
	switch {
	case strings.HasPrefix(s, "ImageJ="):
		x, _ := p.Rationals(tiff.TagXResolution)
		y, _ := p.Rationals(tiff.TagYResolution)
		b.imageJ(s, first(x), first(y))
	case strings.Contains(s, "<OME"):
		b.ome(s, directory)
	}
}

func first(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	return v[0]
}

// openFIBSEM reads the metadata of the OpenFIBSEM project: metres, volts, amperes, radians, seconds.
func (b *builder) openFIBSEM(s string) {
	type beam struct {
		WorkingDistance float64 `json:"working_distance"`
		BeamCurrent     float64 `json:"beam_current"`
		Voltage         float64 `json:"voltage"`
	}
	type detector struct{ Type, Mode string }
	type info struct{ Manufacturer, Model string }
	var d struct {
		Image *struct {
			BeamType   string    `json:"beam_type"`
			Resolution []float64 `json:"resolution"`
			DwellTime  float64   `json:"dwell_time"`
			HFW        float64   `json:"hfw"`
		} `json:"image"`
		PixelSize *struct{ X, Y float64 } `json:"pixel_size"`
		State     struct {
			Timestamp        float64
			StagePosition    struct{ X, Y, Z, R, T float64 } `json:"stage_position"`
			ElectronBeam     beam                            `json:"electron_beam"`
			IonBeam          beam                            `json:"ion_beam"`
			ElectronDetector detector                        `json:"electron_detector"`
			IonDetector      detector                        `json:"ion_detector"`
		} `json:"microscope_state"`
		System     struct{ Info info } // before metadata v8
		SystemInfo info                `json:"system_info"`
	}
	if json.Unmarshal([]byte(s), &d) != nil || d.PixelSize == nil || d.Image == nil {
		return
	}
	m := b.meta
	by := cmp.Or(d.SystemInfo, d.System.Info)
	m.Vendor, m.Model = "OpenFIBSEM", strings.TrimSpace(by.Manufacturer+" "+by.Model)
	b.pixel(d.PixelSize.X, d.PixelSize.Y)
	if r := d.Image.Resolution; len(r) == 2 && r[0] > 0 && r[1] > 0 && r[0] < 1<<20 && r[1] < 1<<20 {
		m.Width, m.Height = int(r[0]), int(r[1])
	}
	m.DwellTimeS, m.HorFieldWidthM = d.Image.DwellTime, d.Image.HFW
	column, det := d.State.ElectronBeam, d.State.ElectronDetector
	if d.Image.BeamType == "ION" {
		column, det = d.State.IonBeam, d.State.IonDetector
	}
	m.HighVoltageV, m.WorkingDistanceM, m.BeamCurrentA = column.Voltage, column.WorkingDistance, column.BeamCurrent
	m.Detector = strings.TrimSpace(det.Type + " " + det.Mode)
	at := d.State.StagePosition
	m.StageXM, m.StageYM, m.StageZM, m.StageRotationRad, m.StageTiltRad = at.X, at.Y, at.Z, at.R, at.T
	if t := d.State.Timestamp; t > 0 && t < 7e9 {
		sec, frac := math.Modf(t)
		m.AcquiredAt = time.Unix(int64(sec), int64(frac*1e9))
	}
	var tree map[string]any
	if json.Unmarshal([]byte(s), &tree) == nil {
		b.flatten("", tree, 0)
	}
}

// flatten keeps the leaves of a JSON tree as "a.b.c".
func (b *builder) flatten(prefix string, tree map[string]any, depth int) {
	for k, v := range tree {
		switch v := v.(type) {
		case map[string]any:
			if depth < 16 {
				b.flatten(prefix+k+".", v, depth+1)
			}
		case nil:
		default:
			if s, err := json.Marshal(v); err == nil {
				b.raw(prefix+k, strings.Trim(string(s), `"`))
			}
		}
	}
}

// imageJ reads ImageJ's description; resX and resY are px per unit.
func (b *builder) imageJ(s string, resX, resY float64) {
	v := parseINI(s, b.raw)
	if b.meta.Vendor == "" { // not of an instrument that left no pixel size
		b.meta.Vendor, b.meta.Model = "ImageJ", v["ImageJ"]
	}
	unit := strings.ReplaceAll(v["unit"], `\u00B5`, "µ")
	if unit == "" || !(resX > 0) {
		return
	}
	if yunit := v["yunit"]; yunit != "" && yunit != v["unit"] || !(resY > 0) {
		resY = resX
	}
	b.pixel(quantity("1 "+unit)/resX, quantity("1 "+unit)/resY)
}
