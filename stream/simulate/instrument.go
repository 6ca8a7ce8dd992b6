package simulate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

// instrument is what the metadata and the panel say about how a frame was taken.
type instrument struct {
	frame    *Frame
	nmPerPx  float64
	ion      bool    // the ion beam's image
	hv       float64 // V
	wd       float64 // m
	current  float64 // A
	dwell    float64 // s
	spot     float64
	pressure float64 // Pa
	detector string
	taken    time.Time
}

// newInstrument draws the settings of frame index. Time runs 30 s a frame from a fixed morning, so that a frame's
// bytes depend on seed and index alone.
func newInstrument(rng *rand.Rand, fr *Frame, nmPerPx float64, index int) instrument {
	pick := func(v ...float64) float64 { return v[rng.IntN(len(v))] }
	return instrument{
		frame: fr, nmPerPx: nmPerPx,
		hv: pick(2e3, 5e3, 10e3), wd: math.Round((4+6*rng.Float64())*1e4) / 1e7, current: pick(25e-12, 50e-12, 100e-12, 200e-12),
		dwell: pick(3e-6, 5e-6, 10e-6), spot: pick(3, 3.5, 4), pressure: 1e-4 * (1 + 3*rng.Float64()),
		detector: []string{"ETD", "TLD"}[rng.IntN(2)],
		taken:    time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).Add(time.Duration(index) * 30 * time.Second),
	}
}

// instrument returns the settings of a run's ion beam. Frames are 5 s apart.
func (r *run) instrument(fr *Frame, index int) instrument {
	rng := rand.New(rand.NewPCG(r.settings, mix(r.settings)))
	pick := func(v ...float64) float64 { return v[rng.IntN(len(v))] }
	return instrument{
		frame: fr, nmPerPx: r.nmPerPx, ion: true,
		hv: 30e3, wd: math.Round((16.2+0.6*rng.Float64())*1e4) / 1e7, current: pick(80e-12, 0.23e-9, 0.43e-9, 0.79e-9),
		dwell: pick(100e-9, 300e-9, 1e-6), spot: pick(3, 3.5, 4), pressure: 1e-4 * (1 + 3*rng.Float64()),
		detector: []string{"ETD", "ICE"}[rng.IntN(2)],
		taken:    time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).Add(time.Duration(index) * framePeriod),
	}
}

// framePeriod is the time between frames of a milling run that has no rate of its own.
const framePeriod = 5 * time.Second

// hfw is the width of the field of view, m.
func (in instrument) hfw() float64 { return in.nmPerPx * 1e-9 * float64(in.frame.Width) }

// magnification refers to the 0.4144 m wide display that FEI instruments assume.
func (in instrument) magnification() float64 { return 0.4144 / in.hfw() }

// header is the text of TIFF tag 34682 as FEI and Thermo Fisher instruments write it: INI sections, lengths in
// metres, CRLF line ends.
func (in instrument) header() string {
	rows := in.frame.ImageRows
	si := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	pixel := si(in.nmPerPx * 1e-9)
	vfw := in.nmPerPx * 1e-9 * float64(rows)
	beam, scan, source, system := "EBeam", "EScan", "FEG", "SEM"
	if in.ion {
		beam, scan, source, system = "IBeam", "IScan", "LMIS", "DualBeam"
	}
	databar := "yes"
	if rows == in.frame.Height {
		databar = "no"
	}
	var b strings.Builder
	section := func(name string, pairs ...string) {
		fmt.Fprintf(&b, "[%s]\r\n", name)
		for i := 0; i < len(pairs); i += 2 {
			fmt.Fprintf(&b, "%s=%s\r\n", pairs[i], pairs[i+1])
		}
		b.WriteString("\r\n")
	}
	section("User", "Date", in.taken.Format("01/02/2006"), "Time", in.taken.Format("03:04:05 PM"), "User", "simulator", "UserText", "Simulated microscope")
	section("System", "Type", system, "Dnumber", "0000001", "Software", "aimsd simulate", "Source", "FEG", "SystemType", "Simulated", "DisplayWidth", "0.518", "DisplayHeight", "0.324")
	section("Beam", "HV", si(in.hv), "Spot", si(in.spot), "ScanRotation", "0", "ImageMode", "Normal", "Beam", beam, "Scan", scan)
	section(beam, "Source", source, "HV", si(in.hv), "HFW", si(in.hfw()), "VFW", si(vfw), "WD", si(in.wd), "BeamCurrent", si(in.current),
		"ScanRotation", "0", "StageX", "0.00125", "StageY", "-0.00042", "StageZ", si(in.wd), "StageR", "0", "StageTa", "0", "StageTb", "0")
	line := in.dwell * float64(in.frame.Width)
	section("Scan", "InternalScan", "true", "Dwelltime", si(in.dwell), "PixelWidth", pixel, "PixelHeight", pixel,
		"HorFieldsize", si(in.hfw()), "VerFieldsize", si(vfw), "Average", "0", "Integrate", "1", "FrameTime", si(line*float64(rows)))
	section(scan, "Scan", "simulated", "InternalScan", "true", "Dwell", si(in.dwell), "PixelWidth", pixel, "PixelHeight", pixel,
		"HorFieldsize", si(in.hfw()), "VerFieldsize", si(vfw), "FrameTime", si(line*float64(rows)), "LineTime", si(line), "LineIntegration", "1")
	section("Stage", "StageX", "0.00125", "StageY", "-0.00042", "StageZ", si(in.wd), "StageR", "0", "StageT", "0", "StageTb", "0", "WorkingDistance", si(in.wd))
	section("Image", "DigitalContrast", "1", "DigitalBrightness", "0", "DigitalGamma", "1", "Average", "0", "Integrate", "1",
		"ResolutionX", strconv.Itoa(in.frame.Width), "ResolutionY", strconv.Itoa(rows), "DriftCorrected", "Off", "ZoomFactor", "1.0", "MagCanvasRealWidth", "0.41440", "PostProcessing", "None")
	section("Vacuum", "ChPressure", si(in.pressure), "Gas", "", "UserMode", "High vacuum")
	section("Detectors", "Number", "1", "Name", in.detector, "Mode", "SE")
	section(in.detector, "Contrast", "68.2", "Brightness", "41.7", "Signal", "SE")
	section("PrivateFei", "BitShift", "0", "DataBarSelected", "DateTime HV curr det mode mag HFW WD MicronBar", "DatabarAvailable", databar,
		"TimeOfCreation", in.taken.Format("02.01.2006 15:04:05"), "DatabarHeight", strconv.Itoa(in.frame.Height-rows))
	return b.String()
}
