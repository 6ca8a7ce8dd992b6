package simulate

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Rect is a rectangle in fractions of the image area (without the information panel), as OpenFIBSEM's FibsemRectangle.
type Rect struct {
	Left   float64 `json:"left"`
	Top    float64 `json:"top"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
}

// Milling is a scene of one field of view in which a focused ion beam mills a trench: a cleaning cross-section that
// grows from one edge of a rectangular pattern toward the opposite one, and beyond it unless stopped. A run is the
// frames of one seed: sample, pattern, speed and look are drawn once per run, from the ranges below. Fields left zero
// take the default named beside them.
//
// Drift moves what is seen, never the trench on the sample: the beam's pattern is taken to follow the drift.
type Milling struct {
	Width, Height int // px of the whole file, information panel included; MinSide..MaxSide
	Seed          uint64
	Bits          int  // per pixel, 8 (default) or 16
	NoPanel       bool // leaves out the information panel, and with it the scale bar
	NoDrift       bool // the field of view stands still
	NoFaults      bool // no frame is interrupted, blurred, blank, frozen or charged

	Pattern       Rect   // in frame 1; drawn per run by default, apart from the border
	ScanDirection string // one of ScanDirections; drawn per run by default

	NmPerPx      Range // pixel size, 10..60
	RatePx       Range // advance of the front per beam-on frame, 1.2..6 px
	RateSwing    Range // how far that rate swings in time, as a share of it, 0.05..0.3
	Hardness     Range // rate in a harder zone, as a share of it, 0.45..0.8; none to two zones a run
	RoughPx      Range // how far the front bends around its mean, 1..3 px
	Contrast     Range // trench floor darker than the surface, as a share of its signal, 0.2..0.65
	Curtain      Range // contrast of the stripes along the milling direction, 0.03..0.25
	Redeposit    Range // share of walls and first milled part that redeposited material covers in the end, 0..0.75
	Halo         Range // brightening of the surface around the pattern by the beam's tails, 0..0.2
	DriftPx      Range // linear drift per frame, 0..0.6 px
	WalkPx       Range // standard deviation of the random walk's step, 0.02..0.2 px per frame
	Jumps        Range // chance per frame of a jump of 2 to 12 px, 0..0.02
	Interrupted  Range // chance per frame that its scan stops before the last row, 0..0.03
	Blurred      Range // chance per frame that it is out of focus, 0..0.01
	Blank        Range // chance per frame that the beam is blanked, 0..0.008
	Frozen       Range // chance per frame that it repeats the pixels of the one before, 0..0.008
	Charged      Range // chance per frame of charging bands and streaks, 0..0.2
	Electrons    Range // detected per px at full scale; their shot noise is the image's noise, 40..300
	SpotPx       Range // standard deviation of the beam spot, 0.6..1.3 px
	LineJitterPx Range // standard deviation of a line's displacement along the scan, 0.02..0.25 px
}

// Scan directions, in OpenFIBSEM's words: where the milling front moves.
const (
	TopToBottom = "TopToBottom"
	BottomToTop = "BottomToTop"
	LeftToRight = "LeftToRight"
	RightToLeft = "RightToLeft"
)

// ScanDirections lists what Milling.ScanDirection may be.
func ScanDirections() []string { return []string{TopToBottom, BottomToTop, LeftToRight, RightToLeft} }

// Name implements Scene.
func (*Milling) Name() string { return "milling" }

// Validate reports a field that is out of range, and the range.
func (m *Milling) Validate() error {
	_, err := m.resolve()
	return err
}

// resolve fills in defaults and checks what was given.
func (m *Milling) resolve() (Milling, error) {
	r := *m
	if err := checkSize(r.Width, r.Height, &r.Bits); err != nil {
		return r, err
	}
	if err := checkRanges([]ranged{
		{"nm per px", &r.NmPerPx, Range{10, 60}, 1e-3, 1e6},
		{"milling rate", &r.RatePx, Range{1.2, 6}, 0.01, 100},
		{"swing of the milling rate", &r.RateSwing, Range{0.05, 0.3}, 0, 0.9},
		{"rate in harder material", &r.Hardness, Range{0.45, 0.8}, 0.05, 1},
		{"roughness of the front", &r.RoughPx, Range{1, 3}, 0, 5},
		{"contrast", &r.Contrast, Range{0.2, 0.65}, 0, 0.9},
		{"curtaining", &r.Curtain, Range{0.03, 0.25}, 0, 0.8},
		{"redeposition", &r.Redeposit, Range{0, 0.75}, 0, 1},
		{"halo", &r.Halo, Range{0, 0.2}, 0, 0.5},
		{"drift per frame", &r.DriftPx, Range{0, 0.6}, 0, 10},
		{"random walk per frame", &r.WalkPx, Range{0.02, 0.2}, 0, 5},
		{"share of jumps", &r.Jumps, Range{0, 0.02}, 0, 1},
		{"share of interrupted frames", &r.Interrupted, Range{0, 0.03}, 0, 1},
		{"share of blurred frames", &r.Blurred, Range{0, 0.01}, 0, 1},
		{"share of blank frames", &r.Blank, Range{0, 0.008}, 0, 1},
		{"share of frozen frames", &r.Frozen, Range{0, 0.008}, 0, 1},
		{"share of charged frames", &r.Charged, Range{0, 0.2}, 0, 1},
		{"electrons per px", &r.Electrons, Range{40, 300}, 1, 1e9},
		{"beam spot", &r.SpotPx, Range{0.6, 1.3}, 0.1, 20},
		{"line jitter", &r.LineJitterPx, Range{0.02, 0.25}, 0, 2},
	}); err != nil {
		return r, err
	}
	if r.ScanDirection != "" && !slices.Contains(ScanDirections(), r.ScanDirection) {
		return r, fmt.Errorf("scan direction %q: not known; use one of: %s", r.ScanDirection, strings.Join(ScanDirections(), ", "))
	}
	if p := r.Pattern; p != (Rect{}) {
		inside := p.Left >= 0 && p.Top >= 0 && p.Left+p.Width <= 1 && p.Top+p.Height <= 1
		if px := min(p.Width*float64(r.Width), p.Height*float64(r.imageRows())); !inside || !(px >= leastPatternPx) {
			return r, fmt.Errorf("pattern %g, %g, %g x %g: out of range; give fractions of the image area within 0..1, and sides of at least %d px",
				p.Left, p.Top, p.Width, p.Height, leastPatternPx)
		}
	}
	return r, nil
}

// leastPatternPx is the shortest side of a pattern.
const leastPatternPx = 12

// imageRows is the height of the image above the panel, px.
func (m *Milling) imageRows() int {
	if m.NoPanel {
		return m.Height
	}
	return m.Height - panelRows(m.Height)
}

// Plan tells where the run mills: its pattern, in fractions of the image area of frame 1, and its scan direction.
func (m *Milling) Plan() (Rect, string, error) {
	s, err := m.resolve()
	if err != nil {
		return Rect{}, "", err
	}
	p := newRun(s).pattern
	return p.Rect, p.direction, nil
}

// Frame implements Scene for a run that mills from frame 1 on without a pause: frame 1 shows the sample before the
// beam is on, and frame i what i-1 frames of milling left. It uses all cores.
func (m *Milling) Frame(ctx context.Context, index int) (*Frame, error) {
	return m.FrameAt(ctx, index, max(index-1, 0))
}

// FrameAt renders frame index after dose beam-on frames, the last of them right before it. Drift, faults, noise and
// changes of brightness follow the index, the front follows the dose.
func (m *Milling) FrameAt(ctx context.Context, index, dose int) (*Frame, error) {
	return m.under(ctx, index, Beam{Dose: dose, Before: max(dose-1, 0), State: Running})
}

// under implements beamed.
func (m *Milling) under(ctx context.Context, index int, beam Beam) (*Frame, error) {
	s, err := m.resolve()
	if err != nil {
		return nil, err
	}
	if index < 0 || beam.Dose < 0 || beam.Before < 0 || beam.Dose > farthest || index > farthest {
		return nil, fmt.Errorf("frame %d after %d beam-on frames: out of range; give 0 to %d", index, beam.Dose, farthest)
	}
	r := newRun(s)
	fr := &Frame{Name: frameName(s.Name(), s.Seed, index), Width: s.Width, Height: s.Height, ImageRows: r.rows}
	fr.Labels = make([]int32, s.Width*s.Height)
	if s.Bits == 16 {
		fr.Gray16 = make([]uint16, s.Width*s.Height)
	} else {
		fr.Gray8 = make([]uint8, s.Width*s.Height)
	}
	shown := r.view(index, beam.Dose)
	if err := shown.paint(ctx, fr); err != nil {
		return nil, err
	}
	if shown.fault.frozen {
		before := *fr
		before.Labels = make([]int32, len(fr.Labels))
		if err := r.view(index-1, beam.Before).paint(ctx, &before); err != nil {
			return nil, err
		}
	}
	fr.Truth = newTruth(fr, s.Name(), s.Seed, index, r.nmPerPx, milled(fr))
	fr.Truth.Milling = shown.truth(beam)
	in := r.instrument(fr, index)
	fr.Header = in.header()
	if !s.NoPanel {
		if fr.Truth.Bar, err = in.drawPanel(fr); err != nil {
			return nil, err
		}
	}
	return fr, nil
}

// farthest is the highest index and dose of a frame: a run of a day at 10 frames per second.
const farthest = 1_000_000
