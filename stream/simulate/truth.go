package simulate

import (
	"cmp"
	"math"
	"slices"
)

// TruthSchema is the version of the truth file.
const TruthSchema = "aims.truth/1"

// Truth is NAME.json: what a measurement of the frame ought to find. Coordinates have the first pixel span 0..1.
type Truth struct {
	Schema    string          `json:"schema"`
	Name      string          `json:"name"`
	Scene     string          `json:"scene"`
	Seed      uint64          `json:"seed"`
	Index     int             `json:"index"`
	Width     int             `json:"width"`      // px, whole file
	Height    int             `json:"height"`     // px, whole file
	ImageRows int             `json:"image_rows"` // rows above the information panel
	NmPerPx   float64         `json:"nm_per_px"`  // as the metadata states it, digit for digit
	Objects   int             `json:"objects"`    // particles cut by the border included
	ECDPx     Sizes           `json:"ecd_px"`
	ECDNm     Sizes           `json:"ecd_nm"`
	Bar       *Bar            `json:"bar"` // null without a panel
	Particles []TruthParticle `json:"particles"`
	Milling   *TruthMilling   `json:"milling,omitempty"` // of the milling scene alone
}

// Sizes summarise equivalent circular diameters, in the unit of their field, over the particles that touch no border
// of the image area, each weighted by its Miles-Lantuéjoul weight (ISO 13322-1). Percentiles are weighted Hazen.
// All are 0 when no particle qualifies.
type Sizes struct {
	N    int     `json:"n"`
	P10  float64 `json:"p10"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	Mean float64 `json:"mean"`
}

// TruthParticle is one label.
type TruthParticle struct {
	Label  int     `json:"label"`
	XPx    float64 `json:"x_px"` // centroid
	YPx    float64 `json:"y_px"`
	AreaPx int     `json:"area_px"`
	ECDPx  float64 `json:"ecd_px"` // sqrt(4 area/pi)
	Edge   bool    `json:"edge"`   // touches the border of the image area
}

// Bar is the burned-in scale bar: X0 is the left edge of its first pixel, X1 the right edge of its last.
type Bar struct {
	X0       float64 `json:"x0"`
	Y0       float64 `json:"y0"`
	X1       float64 `json:"x1"`
	Y1       float64 `json:"y1"`
	LengthPx float64 `json:"length_px"`
	Text     string  `json:"text"`
	Value    float64 `json:"value"` // in Unit
	Unit     string  `json:"unit"`  // nm, um or mm
}

// newTruth sums up what tidy left in fr.
func newTruth(fr *Frame, scene string, seed uint64, index int, nmPerPx float64, particles []found) Truth {
	t := Truth{
		Schema: TruthSchema, Name: fr.Name, Scene: scene, Seed: seed, Index: index,
		Width: fr.Width, Height: fr.Height, ImageRows: fr.ImageRows, NmPerPx: nmPerPx,
		Objects: len(particles), Particles: make([]TruthParticle, len(particles)),
	}
	var px, weights []float64
	innerW, innerH := float64(fr.Width-2), float64(fr.ImageRows-2)
	for i, f := range particles {
		ecd := math.Sqrt(4 * float64(f.area) / math.Pi)
		edge := f.x0 == 0 || f.y0 == 0 || f.x1 == fr.Width || f.y1 == fr.ImageRows
		t.Particles[i] = TruthParticle{Label: i + 1, XPx: f.x, YPx: f.y, AreaPx: f.area, ECDPx: ecd, Edge: edge}
		if !edge {
			px = append(px, ecd)
			weights = append(weights, innerW*innerH/((innerW-float64(f.x1-f.x0)+1)*(innerH-float64(f.y1-f.y0)+1)))
		}
	}
	t.ECDPx = sizes(px, weights)
	s := t.ECDPx
	t.ECDNm = Sizes{N: s.N, P10: s.P10 * nmPerPx, P50: s.P50 * nmPerPx, P90: s.P90 * nmPerPx, Mean: s.Mean * nmPerPx}
	return t
}

// sizes returns weighted mean and Hazen percentiles.
func sizes(x, w []float64) Sizes {
	if len(x) == 0 {
		return Sizes{}
	}
	order := make([]int, len(x))
	var sum, moment float64
	for i := range x {
		order[i] = i
		sum += w[i]
		moment += w[i] * x[i]
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(x[a], x[b]), cmp.Compare(a, b)) })
	at := func(p float64) float64 {
		var below, before, last float64
		for k, i := range order {
			c := (below + w[i]/2) / sum
			if c >= p {
				if k == 0 {
					return x[i]
				}
				return last + (x[i]-last)*(p-before)/(c-before)
			}
			below, before, last = below+w[i], c, x[i]
		}
		return last
	}
	return Sizes{N: len(x), P10: at(0.1), P50: at(0.5), P90: at(0.9), Mean: moment / sum}
}
