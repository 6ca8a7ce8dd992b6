package reporting

import (
	"time"

	"github.com/uni-aims/aimsd/metrics"
)

// ResultSchema is the version of result.json.
const ResultSchema = "aims.result/1"

// Result is result.json: everything about one analysed frame but its per-object rows.
type Result struct {
	Schema        string                  `json:"schema"`
	Image         Image                   `json:"image"`
	Scale         Scale                   `json:"scale"`
	Mode          string                  `json:"mode"`
	Objects       int                     `json:"objects"`
	Statistics    map[string]metrics.Stat `json:"statistics"`
	EdgePolicy    string                  `json:"edge_policy"`
	DensityPerUm2 *float64                `json:"density_per_um2"`
	AreaFraction  *float64                `json:"area_fraction"`
	Confidence    *float64                `json:"confidence"`
	ImageQuality  []string                `json:"image_quality"`
	Quality       *metrics.ImageQuality   `json:"quality,omitempty"` // nil for labels without an image
	Acquisition   map[string]any          `json:"acquisition,omitempty"`
	Milling       *Milling                `json:"milling,omitempty"` // of a source where something is milled
	TimingsMs     Timings                 `json:"timings_ms"`
	Model         *Model                  `json:"model"`              // nil for labels made elsewhere
	Dynamics      *Dynamics               `json:"dynamics,omitempty"` // nil for labels made elsewhere
	ConfigHash    string                  `json:"config_hash"`
	Version       string                  `json:"version"`
	FrameID       string                  `json:"frame_id,omitempty"`
	RunID         string                  `json:"run_id,omitempty"`
	Seq           uint64                  `json:"seq,omitempty"`
	Source        string                  `json:"source,omitempty"`
	Input         string                  `json:"input,omitempty"` // whose folder this is, where that is not image.path
	Time          time.Time               `json:"time"`
}

// Image names the input.
type Image struct {
	Path     string   `json:"path"`
	Page     int      `json:"page,omitempty"`  // from 1, in a file of several frames
	Pages    int      `json:"pages,omitempty"` // of such a file
	Width    int      `json:"width"`
	Height   int      `json:"height"`
	SHA256   string   `json:"sha256"`
	Analysed Analysed `json:"analysed"`
}

// Analysed is the rectangle that was segmented and measured, in px; X1 and Y1 are exclusive. Excluded are the boxes in
// it that were not, those of a burned-in scale bar; AreaPx is without them.
type Analysed struct {
	X0       int   `json:"x0"`
	Y0       int   `json:"y0"`
	X1       int   `json:"x1"`
	Y1       int   `json:"y1"`
	AreaPx   int   `json:"area_px"`
	Excluded []Box `json:"excluded,omitempty"`
}

// Box is a rectangle of whole pixels; X1 and Y1 are exclusive.
type Box struct {
	X0 int `json:"x0"`
	Y0 int `json:"y0"`
	X1 int `json:"x1"`
	Y1 int `json:"y1"`
}

// Scale is the pixel size and where it came from: metadata, scale_bar, fixed or none. Ratio is the bar's pixel size
// over the metadata's, or the configured one over the other that differs most; nil where only one is known.
type Scale struct {
	NmPerPx *float64 `json:"nm_per_px"`
	Source  string   `json:"source"`
	Ratio   *float64 `json:"ratio,omitempty"`
	Bar     *Bar     `json:"bar"`
	Checks  []Check  `json:"checks"`
}

// Bar is a burned-in scale bar in px: X0 is the left edge of its first pixel, X1 the right edge of its last, Y0 and Y1
// the upper and lower edge of its line or row of marks. Between end marks the ends are the marks' centres. Value is
// nil when the text could not be read; Confidence is then that of the bar, else that of the text.
type Bar struct {
	X0         float64  `json:"x0"`
	Y0         float64  `json:"y0"`
	X1         float64  `json:"x1"`
	Y1         float64  `json:"y1"`
	LengthPx   float64  `json:"length_px"`
	Text       string   `json:"text"`
	Value      *float64 `json:"value"`
	Unit       string   `json:"unit"`
	Confidence float64  `json:"confidence"`
}

// Check is one thing looked at; Status is ok, warn or fail.
type Check struct {
	Name   string `json:"name"`
	Status string `json:"status"`
	Detail string `json:"detail"`
}

// Timings are busy milliseconds per stage; stages may overlap.
type Timings struct {
	Decode    float64 `json:"decode"`
	Scale     float64 `json:"scale"`
	Normalise float64 `json:"normalise"`
	Infer     float64 `json:"infer"`
	Stitch    float64 `json:"stitch"`
	Dynamics  float64 `json:"dynamics"`
	Measure   float64 `json:"measure"`
	Write     float64 `json:"write"`
	Total     float64 `json:"total"`
}

// Model says which network made the labels.
type Model struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	SHA256    string `json:"sha256"`
	Precision string `json:"precision"`
	Provider  string `json:"provider"`
	Why       string `json:"why,omitempty"` // this provider and precision
}

// Dynamics says what took the network's field to labels, cpu or cuda, and why.
type Dynamics struct {
	Provider string `json:"provider"`
	Why      string `json:"why"`
}
