package simulate

import "math"

// TruthMilling is what a frame of the milling scene shows. Pattern and positions are those of frame 1; a frame's own
// coordinates lie DriftPx further. It tells the sample's state, also where a fault hides it from the image.
type TruthMilling struct {
	Pattern       Rect    `json:"pattern"` // fractions of the image area
	ScanDirection string  `json:"scan_direction"`
	State         State   `json:"state"`
	Progress      float64 `json:"progress"` // front_px over the pattern's length along the scan direction; 1: far edge
	FrontPx       float64 `json:"front_px"` // mean front position from the starting edge
	FrontNm       float64 `json:"front_nm"`
	AreaPx        float64 `json:"area_px"` // milled within the pattern
	// EndpointIndex is the first frame with progress >= 1 when every frame mills. A run with pauses reaches it when
	// dose is endpoint_index - 1. Null when it lies beyond 10^6 frames.
	EndpointIndex  *int     `json:"endpoint_index"`
	RatePxPerFrame float64  `json:"rate_px_per_frame"` // of the front; 0 unless RUNNING
	DriftPx        Shift    `json:"drift_px"`          // displacement of the content relative to frame 1
	Faults         []string `json:"faults"`            // FaultInterrupted and so on
	Dose           int      `json:"dose"`              // beam-on frames before this one
}

// Shift is a displacement, px: +x right, +y down.
type Shift struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// truth sums up the view. beam is what the beam did.
func (v *view) truth(beam Beam) *TruthMilling {
	t := &TruthMilling{
		Pattern: v.pattern.Rect, ScanDirection: v.pattern.direction, State: beam.State,
		Progress: v.position / v.pattern.length, FrontPx: v.position, FrontNm: v.position * v.nmPerPx,
		AreaPx: v.front.area(v.outline.line), DriftPx: Shift{v.driftX, v.driftY}, Faults: v.fault.names(), Dose: beam.Dose,
	}
	if beam.State == Running {
		t.RatePxPerFrame = v.front.speed(v.position, float64(v.dose))
	}
	if dose, known := v.front.end(); known {
		index := dose + 1
		t.EndpointIndex = &index
	}
	return t
}

// milled is the trench as the labels show it: one region, none before the first beam-on frame.
func milled(fr *Frame) []found {
	f := found{x0: math.MaxInt, y0: math.MaxInt}
	var sx, sy int
	for i, l := range fr.Labels {
		if l == 0 {
			continue
		}
		x, y := i%fr.Width, i/fr.Width
		f.area, sx, sy = f.area+1, sx+x, sy+y
		f.x0, f.y0, f.x1, f.y1 = min(f.x0, x), min(f.y0, y), max(f.x1, x+1), max(f.y1, y+1)
	}
	if f.area == 0 {
		return nil
	}
	f.x, f.y = float64(sx)/float64(f.area)+0.5, float64(sy)/float64(f.area)+0.5
	return []found{f}
}
