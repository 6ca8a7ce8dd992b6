package milling

import (
	"time"
)

// What an operator should do.
const (
	Continue = "CONTINUE"
	Pause    = "PAUSE"   // can be resumed
	Stop     = "STOP"    // cannot be resumed
	Realign  = "REALIGN" // correct the drift, then go on
	Abstain  = "ABSTAIN" // this frame says nothing
)

// Reasons of an advice.
const (
	ReasonWarmup    = "WARMUP"             // too few good frames yet for an end-point
	ReasonEndpoint  = "ENDPOINT"           // the end-point was reached
	ReasonDrift     = "DRIFT"              // drift beyond realign_px
	ReasonRule      = "RULE"               // a rule with an advice is active; its code follows
	ReasonNoScale   = "NO_SCALE"           // no pixel size
	ReasonMismatch  = "SCALE_MISMATCH"     // two pixel sizes that disagree
	ReasonStale     = "STALE"              // decided too long after the frame was taken
	ReasonOrder     = "OUT_OF_ORDER"       // older than one before it
	ReasonGap       = "SEQ_GAP"            // frames before it are missing
	ReasonClock     = "CLOCK_JUMP"         // its time is ahead of the clock
	ReasonQuality   = "IMAGE_"             // begins the reason for each thing wrong with the picture: IMAGE_FROZEN
	ReasonNoDrift   = "DRIFT_UNKNOWN"      // its shift from the reference is not known
	ReasonUnsure    = "LOW_CONFIDENCE"     // the milled region is not clear
	ReasonField     = "FIELD_CHANGED"      // size, pixel size or place is not that of the reference any more
	ReasonUndefined = "NOT_A_NUMBER"       // a value is not finite
	ReasonOutside   = "REGION_OUTSIDE"     // drift has carried the region out of the frame
	ReasonNoResult  = "FRAME_NOT_ANALYSED" // it was rejected
	ReasonLost      = "REFERENCE_LOST"     // the program was restarted and has no reference any more
	ReasonReference = "REFERENCE"          // it is the run's first good frame
)

// Observation is what one frame of a milled region was seen to be: values only, as recorded. A nil pointer is
// unknown. Lengths are px of the frame.
type Observation struct {
	FrameID      string    `json:"frame_id"`
	Seq          uint64    `json:"seq"`
	Missing      uint64    `json:"missing,omitempty"` // frames of the source that should have come before and did not
	FrameTime    time.Time `json:"frame_time"`        // when it was taken, or else came
	DecisionTime time.Time `json:"decision_time"`

	NmPerPx       *float64 `json:"nm_per_px"`
	ScaleMismatch bool     `json:"scale_mismatch,omitempty"`
	Quality       []string `json:"image_quality,omitempty"`
	Fault         string   `json:"fault,omitempty"` // a reason why nothing was seen, "" when something was
	Reference     bool     `json:"reference,omitempty"`

	Drift      *Shift   `json:"drift"`
	FrontPx    *float64 `json:"front_px"`    // mean distance of the front from the region's first edge
	FrontSDPx  *float64 `json:"front_sd_px"` // standard deviation of that mean
	AreaPx     *float64 `json:"area_px"`     // milled px inside the region
	LengthPx   float64  `json:"length_px"`   // of the region along the scan direction
	Intensity  *float64 `json:"intensity"`   // mean of the region, of full scale
	Confidence *float64 `json:"confidence"`  // 0..1

	Rules []RuleAdvice `json:"rules,omitempty"` // active rules with an advice
}

// Shift is the displacement of a frame's content from the reference's: +x right, +y down.
type Shift struct {
	XPx               float64 `json:"x_px"`
	YPx               float64 `json:"y_px"`
	Score             float64 `json:"score"`
	Success           bool    `json:"success"`
	Method            string  `json:"method"`
	MaxDisagreementPx float64 `json:"max_disagreement_px"`
	Reason            string  `json:"reason,omitempty"`
}

// RuleAdvice is what an active rule asks for.
type RuleAdvice struct {
	Code   string `json:"code"`
	Advice string `json:"advice"`
}

// Decision is what a frame amounts to. A nil pointer is unknown.
type Decision struct {
	Advice     string        `json:"advice"`
	Reasons    []string      `json:"reasons"`
	Text       string        `json:"text"` // one sentence
	ValidUntil time.Time     `json:"valid_until"`
	Endpoint   EndpointState `json:"endpoint"`
	Geometry   *Geometry     `json:"geometry"`
	// Uncertainty is the standard deviation of the end-point's value, in its unit.
	Uncertainty *float64 `json:"uncertainty"`
}

// EndpointState has the names of the statistics of OpenFIBSEM's CoincidenceMillingStrategy.
type EndpointState struct {
	Metric           string   `json:"metric"`
	Value            *float64 `json:"value"`             // of this frame
	RollingMean      *float64 `json:"rolling_mean"`      // of the last frames of the window
	PeakRollingMean  *float64 `json:"peak_rolling_mean"` // since the warm-up
	ThresholdValue   *float64 `json:"threshold_value"`
	DropFraction     *float64 `json:"drop_fraction"` // rolling mean over its peak
	Estimate         *float64 `json:"estimate"`      // at this frame, by a robust line through the window
	ConsecutiveCount int      `json:"consecutive_count"`
	WarmupComplete   bool     `json:"warmup_complete"`
	Detected         bool     `json:"detected"`
}

// Geometry is where the milled region stands. Metres are nil without a pixel size.
type Geometry struct {
	MilledAreaPx *float64 `json:"milled_area_px"`
	MilledAreaM2 *float64 `json:"milled_area_m2"`
	FrontPx      *float64 `json:"front_px"`
	FrontM       *float64 `json:"front_m"`
	Progress     *float64 `json:"progress"`
	RemainingM   *float64 `json:"remaining_m"` // to the end-point where it is told by progress or front, else to the far edge
	RateMPerS    *float64 `json:"rate_m_per_s"`
	EtaS         *float64 `json:"eta_s"`
}
