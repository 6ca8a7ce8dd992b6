package metrics

// Rect is a half-open pixel rectangle: columns X0..X1-1, rows Y0..Y1-1.
type Rect struct{ X0, Y0, X1, Y1 int }

// Area returns the rectangle's area in px².
func (r Rect) Area() int { return max(0, r.X1-r.X0) * max(0, r.Y1-r.Y0) }

// Options say how labels are measured.
type Options struct {
	Analysed   Rect      // objects touching its border are edge objects; the zero value means the whole frame
	Excluded   []Rect    // parts of it that were not analysed, as a burned-in scale bar; their edges count as its border
	NmPerPx    float64   // 0: unknown, nm columns stay undefined
	Confidence []float64 // probability that the object is right, index label-1; nil: undefined
}

// Object is one row of particles.csv. Lengths in px unless named otherwise; coordinates have the first
// pixel span 0..1, its centre at 0.5. NaN means undefined (empty in CSV, null in JSON).
type Object struct {
	Label          int
	X, Y           float64 // centroid
	Area           float64 // px², pixel count, holes excluded
	ECD            float64 // equivalent circular diameter, sqrt(4A/pi)
	Perimeter      float64 // outer contour, Vossepoel-Smeulders + pi
	FeretMax       float64 // on pixel corners
	FeretMin       float64
	AspectRatioISO float64 // FeretMin/FeretMax, ISO 9276-6
	AREllipse      float64 // major/minor axis of the Legendre ellipse
	Sphericity     float64 // 2 sqrt(pi A)/P, ISO 9276-6 circularity
	CircularityIJ  float64 // 4 pi A/P^2, clamped to 1 as ImageJ does
	Solidity       float64 // area / area of the convex hull of the pixel corners
	Smoothness     float64 // hull perimeter / contour perimeter of the smoothed contour
	Edge           bool
	WeightML       float64 // Miles-Lantuejoul weight; 0 for edge objects
	Confidence     float64

	Major, Minor   float64 // Legendre ellipse axes
	OrientationRad float64 // of the major axis, from +x toward -y (counter-clockwise as seen), (-pi/2, pi/2]
	AreaFilled     float64 // px², holes included
	AreaOutside    float64 // px² of Area that is not analysed; normally 0
	BBox           Rect
}

// Stat summarises one column. Pointers are nil when undefined.
type Stat struct {
	N         int      `json:"n"`
	NExcluded int      `json:"n_excluded"`
	Min       *float64 `json:"min"`
	Max       *float64 `json:"max"`
	Mean      *float64 `json:"mean"`
	SD        *float64 `json:"sd"`
	P10       *float64 `json:"p10"`
	P50       *float64 `json:"p50"`
	P90       *float64 `json:"p90"`
}

// Summary is what one frame's objects amount to.
type Summary struct {
	Objects       int
	Statistics    map[string]Stat // by CSV column
	EdgePolicy    string          // e.g. "exclude_touching+miles_lantuejoul"
	AreaFraction  float64         // labelled px in the analysed area / its px, edge objects included
	DensityPerUm2 *float64        // Miles-Lantuejoul weighted; nil without scale
	Confidence    *float64        // mean object confidence; nil without objects
	ScaleMismatch *float64        // |ratio-1| of two pixel sizes found for the frame; nil where only one is known
}
