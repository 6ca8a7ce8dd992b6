package milling

import (
	"fmt"
	"math"
	"slices"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/metrics/drift"
)

// Observer looks at a run's frames. Its first good frame is the reference: what the region was before, and where. It
// is not safe for concurrent use.
type Observer struct {
	plan      Plan
	front     front
	light     photometry
	reference *reference
	anchor    anchor
	lies      registration // of the last frame
	lastFront float64      // px
	cur, ref  window       // scratch
}

// reference is the frame that the others are compared with.
type reference struct {
	width, height int
	area          metrics.Rect
	nmPerPx       float64
	region        orientedRect
	extended      orientedRect // and as far beyond it as the front is followed
	drift         *drift.Reference
	pixels        window // all that is ever looked at
}

// NewObserver begins a run. The plan must be valid.
func NewObserver(plan Plan) *Observer {
	return &Observer{plan: plan}
}

const (
	surroundLeast  = 48  // px around the region that light is matched by, where there are so many
	surroundMost   = 160 // px
	nearPx         = 6   // px around the region that are not used for it: rims, halos
	beyondPx       = 72  // at least, that the frame is looked at beyond the region: the surface that the edge is told from
	leastRegionPx  = 16  // of the region's sides
	sideShare      = 16  // of the region's breadth that is left out on each side
	leastSide      = 6   // px
	mostSide       = 16
	fieldTolerance = 0.02
)

// Observe looks at a frame with the given flags of image_quality and pixel size (0: unknown). It fills in what the
// picture tells: everything but who the frame is and when. A frame that tells nothing has a Fault.
func (ob *Observer) Observe(f Frame, quality []string, nmPerPx float64) (Observation, error) {
	if err := f.check("frame"); err != nil {
		return Observation{}, err
	}
	o := Observation{Quality: slices.Clone(quality)}
	if nmPerPx > 0 {
		o.NmPerPx = &nmPerPx
	}
	if len(badQuality(&o)) > 0 {
		if ob.reference != nil {
			o.LengthPx = float64(ob.reference.region.length)
		}
		return o, nil
	}
	if ob.reference == nil {
		r, err := ob.refer(&f, nmPerPx)
		if err != nil {
			return Observation{}, err
		}
		ob.reference, o.Reference = r, true
	}
	r := ob.reference
	o.LengthPx = float64(r.region.length)
	if r.differs(&f, nmPerPx) {
		o.Fault = ReasonField
		return o, nil
	}
	var err error
	if o.Drift, err = ob.drift(&f); err != nil {
		return Observation{}, err
	}
	if o.Drift.Success || ob.lies.near {
		ob.look(&f, &o)
	}
	return o, nil
}

// drift finds where a frame lies: by phase correlation with the reference, and by least squares on the mean of the
// frames before it. Where both succeed they must agree; the first counts, because its errors do not add up.
func (ob *Observer) drift(f *Frame) (*Shift, error) {
	r := ob.reference
	p, err := r.drift.Measure(drift.Image{Width: f.Width, Height: f.Height, Gray8: f.Gray8, Gray16: f.Gray16})
	if err != nil {
		return nil, fmt.Errorf("milling: %w", err)
	}
	s := &Shift{p.XPx, p.YPx, p.Score, p.Success && isFinite(p.XPx) && isFinite(p.YPx), p.Method, p.MaxDisagreementPx, p.Reason}
	ob.anchor.leaveOut(ob.changing())
	m := ob.anchor.register(f, s.XPx, s.YPx, s.Success)
	ob.lies = m
	limit := maxDisagreementPx * float64(ob.anchor.bin)
	expected := ob.anchor.expected(m)
	ob.lies.near = m.ok && m.disagreement <= nearPerLimit*limit && expected
	switch apart := math.Hypot(m.x-s.XPx, m.y-s.YPx); {
	case !m.ok:
	case m.disagreement > limit:
		if !s.Success {
			s.MaxDisagreementPx, s.Reason = m.disagreement, fmt.Sprintf("sets disagree by %.1f px", m.disagreement)
		}
	case s.Success && apart > maxApartPx*float64(ob.anchor.bin):
		s.Success, s.Reason = false, fmt.Sprintf("two methods disagree by %.1f px", apart)
		s.MaxDisagreementPx = max(s.MaxDisagreementPx, apart)
	case !s.Success && !(expected && ob.anchor.frames >= fewFrames):
		s.MaxDisagreementPx = max(s.MaxDisagreementPx, m.disagreement)
	case !s.Success:
		*s = Shift{XPx: m.x, YPx: m.y, Score: min(max(m.correlation, 0), 1), Success: true, Method: s.Method, MaxDisagreementPx: m.disagreement}
	}
	if s.Success {
		ob.lies.x, ob.lies.y = s.XPx, s.YPx
	}
	return s, nil
}

const (
	maxDisagreementPx = 0.5
	maxApartPx        = 1.5
	fewFrames         = 4 // that the mean is made of before it counts without phase correlation
	nearPerLimit      = 4 // a shift so many times less certain is none to tell, but places the frame for the mean, which gains by it
)

// changing is the part of the reference where frames differ because milling goes on: around the front.
func (ob *Observer) changing() metrics.Rect {
	const behind, ahead, beside = 24, 40, 12 // px
	r := ob.reference.extended
	from := min(max(int(ob.lastFront)-behind, 0), r.length-1)
	to := min(int(ob.lastFront)+ahead, r.length)
	return grown(r.part(from, to), beside)
}

// Refer makes a frame the reference, as after a restart in the middle of a run. A run's first good frame needs no call.
func (ob *Observer) Refer(f Frame, nmPerPx float64) error {
	if err := f.check("reference"); err != nil {
		return err
	}
	r, err := ob.refer(&f, nmPerPx)
	if err == nil {
		ob.reference = r
	}
	return err
}

// refer prepares a reference.
func (ob *Observer) refer(f *Frame, nmPerPx float64) (*reference, error) {
	area := f.area()
	r := &reference{width: f.Width, height: f.Height, area: area, nmPerPx: nmPerPx, region: ob.plan.region(area)}
	if r.region.length < leastRegionPx || r.region.across < leastRegionPx {
		return nil, fmt.Errorf("milling.roi is %dx%d px in a frame of %dx%d; give a region of at least %d px on each side", r.region.X1-r.region.X0, r.region.Y1-r.region.Y0, f.Width, f.Height, leastRegionPx)
	}
	beyond := max(int(math.Ceil((maxProgress-1+0.05)*float64(r.region.length))), beyondPx)
	for r.extended = r.region.extended(beyond); beyond > 0 && !inside(r.extended.Rect, area); r.extended = r.region.extended(beyond) {
		beyond--
	}
	r.pixels.read(f, ob.surround(r.extended.Rect, area), 0, 0)
	var err error
	r.drift, err = drift.NewReference(drift.Image{Width: f.Width, Height: f.Height, Gray8: f.Gray8, Gray16: f.Gray16},
		drift.Options{Analysed: area, Exclude: []metrics.Rect{grown(r.extended.Rect, nearPx)}})
	if err != nil {
		return nil, fmt.Errorf("milling: %w", err)
	}
	ob.anchor.begin(f)
	return r, nil
}

// surround is the region with what is around it.
func (ob *Observer) surround(region, area metrics.Rect) metrics.Rect {
	n := min(max((region.X1-region.X0+region.Y1-region.Y0)/4, surroundLeast), surroundMost)
	return intersect(grown(region, n), area)
}

func grown(r metrics.Rect, n int) metrics.Rect {
	return metrics.Rect{X0: r.X0 - n, Y0: r.Y0 - n, X1: r.X1 + n, Y1: r.Y1 + n}
}

// differs reports whether a frame cannot show the reference's field of view.
func (r *reference) differs(f *Frame, nmPerPx float64) bool {
	return f.Width != r.width || f.Height != r.height || f.area() != r.area ||
		nmPerPx > 0 && r.nmPerPx > 0 && math.Abs(nmPerPx/r.nmPerPx-1) > fieldTolerance
}

// look finds the front in a frame whose drift is known.
func (ob *Observer) look(f *Frame, o *Observation) {
	r := ob.reference
	dx, dy := int(math.Round(ob.lies.x)), int(math.Round(ob.lies.y))
	fx, fy := ob.lies.x-float64(dx), ob.lies.y-float64(dy)
	visible := intersect(moved(r.area, -dx, -dy), r.pixels.Rect)
	// The side walls look like neither, and say nothing of the front.
	extended := r.extended.inner(min(max(r.region.across/sideShare, leastSide), mostSide, r.region.across/4))
	if around := ob.aroundFront(); intersect(around, visible).Area() < around.Area()/2 || intersect(r.region.Rect, visible).Area() < r.region.Area()/2 {
		o.Fault = ReasonOutside
		return
	}
	ob.cur.read(f, visible, dx, dy)
	o.Intensity = ptr(ob.mean(intersect(r.region.Rect, visible)))
	ob.ref.shifted(&r.pixels, visible, fx, fy)
	ob.light.match(&ob.cur, &ob.ref, grown(r.extended.Rect, nearPx))
	p := ob.front.locate(&ob.cur, &ob.ref, extended, ob.light.sigma)
	width := extended.columnPx()
	o.FrontSDPx, o.Confidence = ptr(p.sd), ptr(p.confidence)
	// What stands at u of this frame's grid is at u less the fraction of a px in the reference's.
	front, within, sub := 0.0, 0.0, r.region.component(fx, fy)
	for b, u := range p.u {
		share := float64(min(width, extended.across-b*width)) / float64(extended.across)
		if u > 0 {
			u = max(0, u-sub)
		}
		front += u * share
		within += min(u, float64(r.region.length)) * share
	}
	area := within * float64(r.region.across)
	o.FrontPx, o.AreaPx = ptr(front), ptr(area)
	if p.confidence >= ob.plan.MinConfidence {
		ob.front.learn(&ob.cur, extended, p)
		ob.anchor.absorb(ob.lies)
		ob.lastFront = front
	}
}

// aroundFront is the part of the reference where the front is expected.
func (ob *Observer) aroundFront() metrics.Rect {
	const reach = 20 // px
	r := ob.reference.extended
	from, to := min(max(int(ob.lastFront)-reach, 0), r.length-1), min(int(ob.lastFront)+reach, r.length)
	return r.part(from, to)
}

// mean is the mean grey level of r.
func (ob *Observer) mean(r metrics.Rect) float64 {
	sum := 0.0
	for y := r.Y0; y < r.Y1; y++ {
		for _, v := range ob.cur.row(y)[r.X0-ob.cur.X0 : r.X1-ob.cur.X0] {
			sum += float64(v)
		}
	}
	return sum / float64(r.Area())
}
