package milling

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Beams, as OpenFIBSEM's BeamType.
const (
	Electron = "ELECTRON"
	Ion      = "ION"
)

// Scan directions of a milling pattern, as OpenFIBSEM's FibsemRectangleSettings: milling begins at the edge named
// first.
const (
	TopToBottom = "TopToBottom"
	BottomToTop = "BottomToTop"
	LeftToRight = "LeftToRight"
	RightToLeft = "RightToLeft"
)

// Metrics that an end-point can be told by.
const (
	MetricProgress  = "progress"  // mean front over the region's length along the scan direction; 1: the far edge
	MetricFront     = "front_nm"  // mean distance of the front from the edge where milling began, nm
	MetricArea      = "area_um2"  // milled area inside the region, um²
	MetricIntensity = "intensity" // mean grey level of the region, of full scale: its rolling mean drops below its peak
)

// Rectangle is a share of the image without its data bar: 0..1 from the left and from the top, as OpenFIBSEM's
// FibsemRectangle.
type Rectangle struct {
	Left   float64 `yaml:"left" json:"left"`
	Top    float64 `yaml:"top" json:"top"`
	Width  float64 `yaml:"width" json:"width"`
	Height float64 `yaml:"height" json:"height"`
}

// Plan is what is milled and when to say so. DefaultPlan has the values of what is left out.
type Plan struct {
	Beam          string        `yaml:"beam"`           // of the frames: ION or ELECTRON
	StageName     string        `yaml:"stage_name"`     // of the milling stage, carried in messages
	TaskID        string        `yaml:"task_id"`        // likewise
	ROI           Rectangle     `yaml:"roi"`            // the pattern that is milled, in the run's first frame
	ScanDirection string        `yaml:"scan_direction"` // in which the front moves
	Endpoint      Endpoint      `yaml:"endpoint"`
	RealignPx     float64       `yaml:"realign_px"`     // drift beyond it is to be corrected
	MinConfidence float64       `yaml:"min_confidence"` // of the milled region, 0..1; below it a frame says nothing
	StaleAfter    time.Duration `yaml:"stale_after"`    // a decision later than this after its frame says nothing
	ValidFor      time.Duration `yaml:"valid_for"`      // how long an advice holds
}

// Endpoint says when milling is done.
type Endpoint struct {
	Metric       string  `yaml:"metric"`
	Threshold    float64 `yaml:"threshold"`     // in the metric's unit; of intensity: the share of its peak by which it drops
	WarmupFrames int     `yaml:"warmup_frames"` // good frames before an end-point can be told
	Window       int     `yaml:"window"`        // good frames that the value is judged by
	Consecutive  int     `yaml:"consecutive"`   // good frames in a row beyond the threshold
	Advice       string  `yaml:"advice"`        // PAUSE, or STOP, which cannot be resumed
}

// DefaultPlan has no region: that one is always given.
func DefaultPlan() Plan {
	return Plan{
		Beam: Ion, ScanDirection: TopToBottom,
		Endpoint:  Endpoint{Metric: MetricProgress, Threshold: 1, WarmupFrames: 5, Window: 5, Consecutive: 2, Advice: Pause},
		RealignPx: 10, MinConfidence: 0.3, StaleAfter: 5 * time.Second, ValidFor: 2 * time.Second,
	}
}

// Bounds of a plan.
const (
	maxWindow   = 200
	maxValidFor = 10 * time.Minute
	minSideROI  = 0.005
)

// Validate reports the first thing wrong with a plan, in one line.
func (p *Plan) Validate() error {
	r := p.ROI
	for _, v := range []float64{r.Left, r.Top, r.Width, r.Height, p.RealignPx, p.MinConfidence, p.Endpoint.Threshold} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("milling: %v is no number to measure by; use finite numbers", v)
		}
	}
	switch {
	case r == (Rectangle{}):
		return fmt.Errorf("milling.roi is missing; give the pattern's left, top, width and height as shares of the image, such as {left: 0.3, top: 0.25, width: 0.4, height: 0.5}")
	case r.Width < minSideROI || r.Height < minSideROI || r.Left < 0 || r.Top < 0 || r.Left+r.Width > 1+rounding || r.Top+r.Height > 1+rounding:
		return fmt.Errorf("milling.roi {left: %g, top: %g, width: %g, height: %g} is not inside the image; use shares of it from 0 to 1", r.Left, r.Top, r.Width, r.Height)
	case p.RealignPx <= 0:
		return fmt.Errorf("milling.realign_px is %g; it must be more than 0", p.RealignPx)
	case p.MinConfidence < 0 || p.MinConfidence >= 1:
		return fmt.Errorf("milling.min_confidence is %g; it must be from 0 to below 1", p.MinConfidence)
	case p.StaleAfter <= 0 || p.ValidFor <= 0 || p.ValidFor > maxValidFor:
		return fmt.Errorf("milling.stale_after is %s and valid_for %s; they must be longer than 0, and valid_for at most %s", p.StaleAfter, p.ValidFor, maxValidFor)
	case len(p.StageName) > 128 || len(p.TaskID) > 128:
		return fmt.Errorf("milling.stage_name and task_id have at most 128 bytes")
	}
	if err := oneOf("milling.beam", p.Beam, Ion, Electron); err != nil {
		return err
	}
	if err := oneOf("milling.scan_direction", p.ScanDirection, TopToBottom, BottomToTop, LeftToRight, RightToLeft); err != nil {
		return err
	}
	return p.Endpoint.validate()
}

func (e *Endpoint) validate() error {
	if err := oneOf("milling.endpoint.metric", e.Metric, MetricProgress, MetricFront, MetricArea, MetricIntensity); err != nil {
		return err
	}
	if err := oneOf("milling.endpoint.advice", e.Advice, Pause, Stop); err != nil {
		return err
	}
	switch {
	case e.Threshold <= 0:
		return fmt.Errorf("milling.endpoint.threshold is %g; it must be more than 0", e.Threshold)
	case e.Metric == MetricProgress && e.Threshold > maxProgress:
		return fmt.Errorf("milling.endpoint.threshold is %g; progress is followed to %g, a little beyond the region", e.Threshold, maxProgress)
	case e.Metric == MetricIntensity && e.Threshold >= 1:
		return fmt.Errorf("milling.endpoint.threshold is %g; for intensity it is the share by which it drops, below 1", e.Threshold)
	case e.WarmupFrames < 1 || e.WarmupFrames > maxWindow || e.Window < 1 || e.Window > maxWindow || e.Consecutive < 1 || e.Consecutive > maxWindow:
		return fmt.Errorf("milling.endpoint: warmup_frames is %d, window %d, consecutive %d; they must be from 1 to %d frames", e.WarmupFrames, e.Window, e.Consecutive, maxWindow)
	}
	return nil
}

func oneOf(key, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s is %q; it must be one of %s", key, value, strings.Join(allowed, ", "))
}

// along reports whether the front moves along y, and whether toward larger coordinates.
func (p *Plan) along() (y, forward bool) {
	switch p.ScanDirection {
	case TopToBottom:
		return true, true
	case BottomToTop:
		return true, false
	case LeftToRight:
		return false, true
	}
	return false, false
}

// maxProgress is how far beyond the region the front is followed, as a share of its length.
const maxProgress = 1.2
