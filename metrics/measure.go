package metrics

import (
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
)

// MinShapeArea is the area in px² below which shape descriptors are undefined: they would describe the
// pixel grid.
const MinShapeArea = 50

// Measure returns one Object per label of a row-major label image, by ascending label. Background is 0.
// Ids may have gaps and reach math.MaxInt32; one id may consist of several 8-connected components, whose
// areas, outer perimeters and hull count together.
//
// Work and memory are linear in pixels: the image is cut into runs once, and every object is measured
// from its own runs and by walking its boundary, in parallel over objects.
func Measure(labels []int32, width, height int, opt Options) ([]Object, error) {
	analysed, err := checkFrame(len(labels), width, height, opt.Analysed)
	if err != nil {
		return nil, err
	}
	regs, err := collect(labels, width, height)
	if err != nil {
		return nil, err
	}
	objects := make([]Object, len(regs.ids))
	workers := min(runtime.GOMAXPROCS(0), max(1, len(objects)/8))
	var next atomic.Int64
	parallel(workers, func(int) {
		g := gauge{canvas: canvas{labels, width, height}, analysed: analysed, excluded: opt.Excluded, smoothing: smoothingWeights()}
		for {
			i := int(next.Add(1) - 1)
			if i >= len(objects) {
				return
			}
			o := &objects[i]
			o.Label = int(regs.ids[i])
			g.measure(o, regs.of(i))
			o.Confidence = math.NaN()
			if o.Label <= len(opt.Confidence) {
				o.Confidence = opt.Confidence[o.Label-1]
			}
		}
	})
	return objects, nil
}

// checkFrame validates the sizes and returns the analysed rectangle.
func checkFrame(n, width, height int, analysed Rect) (Rect, error) {
	if width <= 0 || height <= 0 || width > maxSide || height > maxSide || width > maxPixels/height {
		return Rect{}, fmt.Errorf("labels: cannot measure a frame of %dx%d px: sides must be 1..%d px and their product below 2^31", width, height, maxSide)
	}
	if n != width*height {
		return Rect{}, fmt.Errorf("labels: %d pixels do not fill a frame of %dx%d px: pass row-major labels of exactly that size", n, width, height)
	}
	if analysed == (Rect{}) {
		return Rect{X1: width, Y1: height}, nil
	}
	if a := analysed; a.X0 < 0 || a.Y0 < 0 || a.X1 > width || a.Y1 > height || a.X0 >= a.X1 || a.Y0 >= a.Y1 {
		return Rect{}, fmt.Errorf("labels: analysed area %d,%d..%d,%d is empty or leaves the frame of %dx%d px", a.X0, a.Y0, a.X1, a.Y1, width, height)
	}
	return analysed, nil
}

// gauge measures objects one after another, with scratch of its own.
type gauge struct {
	canvas
	analysed  Rect
	excluded  []Rect
	smoothing [taps + 1][taps + 1]float64

	firsts, parent []int32
	turns          []uint8
	hull           []corner
	contour        hullBuffer
}

func (g *gauge) measure(o *Object, spans []span) {
	gaps := g.sums(o, spans)
	o.ECD = math.Sqrt(4 * o.Area / math.Pi)
	o.AreaFilled = o.Area
	if gaps {
		var px int
		px, g.parent = holes(spans, g.parent)
		o.AreaFilled += float64(px)
	}

	g.hull = cornerHull(g.hull, spans)
	var hullArea float64
	o.FeretMax, o.FeretMin, hullArea = calipers(g.hull)

	shaped := o.Area >= MinShapeArea
	var contour, hull float64
	g.firsts, g.parent = components(spans, g.firsts, g.parent)
	for _, first := range g.firsts {
		line := g.trace(int(spans[first].x0), int(spans[first].y), g.turns)
		g.turns = line.turns
		o.Perimeter += line.perimeter()
		if shaped {
			c, h := line.smoothed(&g.smoothing, &g.contour)
			contour, hull = contour+c, hull+h
		}
	}

	a := g.analysed
	o.Edge = o.BBox.X0 <= a.X0 || o.BBox.Y0 <= a.Y0 || o.BBox.X1 >= a.X1 || o.BBox.Y1 >= a.Y1 || g.besideExcluded(o.BBox, spans)
	if !o.Edge {
		o.WeightML = milesLantuejoul(o.BBox, a, g.excluded)
	}
	nan := math.NaN()
	o.AspectRatioISO, o.AREllipse, o.Sphericity, o.CircularityIJ, o.Solidity, o.Smoothness = nan, nan, nan, nan, nan, nan
	if shaped {
		o.AspectRatioISO = o.FeretMin / o.FeretMax
		o.AREllipse = o.Major / o.Minor
		o.Sphericity = min(1, math.Pi*o.ECD/o.Perimeter)
		o.CircularityIJ = min(1, 4*math.Pi*o.Area/(o.Perimeter*o.Perimeter))
		o.Solidity = o.Area / hullArea
		o.Smoothness = min(1, hull/contour)
	}
}

// sums fills in what follows from sums over pixels, and reports whether some row has several spans.
// Coordinates are taken from the bounding box, so that results do not depend on the place in the frame.
func (g *gauge) sums(o *Object, spans []span) (gaps bool) {
	box := Rect{X0: math.MaxInt, Y0: int(spans[0].y), Y1: int(spans[len(spans)-1].y) + 1}
	for i, s := range spans {
		box.X0 = min(box.X0, int(s.x0))
		box.X1 = max(box.X1, int(s.x1))
		gaps = gaps || i > 0 && spans[i-1].y == s.y
	}
	// Sums over pixel indices; a row of n pixels from a has sum n(2a+n-1)/2. They fit 64 bits for any
	// frame checkFrame lets through.
	var n, sx, sy, sxy, syy, sxx, outside int
	for _, s := range spans {
		a, m, y := int(s.x0)-box.X0, int(s.x1-s.x0), int(s.y)-box.Y0
		rx := m * (2*a + m - 1) / 2
		n += m
		sx += rx
		sy += m * y
		sxy += rx * y
		syy += m * y * y
		sxx += m*a*a + a*m*(m-1) + (m-1)*m*(2*m-1)/6
		outside += m - g.within(s)
	}
	area := float64(n)
	mx, my := float64(sx)/area, float64(sy)/area
	// Each pixel is a square: 1/12 px² on both axes.
	mu20 := float64(sxx)/area - mx*mx + 1./12
	mu02 := float64(syy)/area - my*my + 1./12
	mu11 := float64(sxy)/area - mx*my
	half, spread := (mu20+mu02)/2, math.Hypot((mu20-mu02)/2, mu11)

	o.BBox, o.Area, o.AreaOutside = box, area, float64(outside)
	o.X, o.Y = float64(box.X0)+mx+0.5, float64(box.Y0)+my+0.5
	o.Major = 4 * math.Sqrt(half+spread)
	o.Minor = 4 * math.Sqrt(max(half-spread, 1./12))
	o.OrientationRad = 0
	if spread > 1e-9*half { // a round object has no axis; 0 by convention
		o.OrientationRad = -math.Atan2(2*mu11, mu20-mu02) / 2
		if o.OrientationRad <= -math.Pi/2 {
			o.OrientationRad += math.Pi
		}
	}
	return gaps
}

// within counts a span's analysed pixels.
func (g *gauge) within(s span) int {
	if int(s.y) < g.analysed.Y0 || int(s.y) >= g.analysed.Y1 {
		return 0
	}
	whole := Rect{X0: max(int(s.x0), g.analysed.X0), Y0: int(s.y), X1: min(int(s.x1), g.analysed.X1), Y1: int(s.y) + 1}
	for _, r := range g.excluded {
		if r.intersect(whole).Area() > 0 {
			return whole.Area() - coveredArea(g.excluded, whole)
		}
	}
	return whole.Area()
}
