package drift

import (
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/uni-aims/aimsd/metrics"
)

const (
	method                   = "phase-correlation" // OpenFIBSEM's name
	defaultMaxDisagreementPx = 0.5
	defaultMinScore          = 0.15
	leastPeak                = 6.5 // height of the peak in standard deviations of the surface
	rivalShare               = 0.7 // height of a second peak, of the first, that makes the answer ambiguous
	repeatShare              = 0.4 // the same where the reference repeats itself
	stillPx                  = 1.5 // of the reduced frame: shorter shifts are looked at twice
	rivalSupport             = 0.6 // of the tiles that stand still, for another shift to be doubted
	coarseAgreement          = 3   // px of the reduced frame between the two sets
)

// Options say what of a frame is used, and when an answer is good enough.
type Options struct {
	Analysed          metrics.Rect   // zero value: the whole frame; leaves out a data bar
	Exclude           []metrics.Rect // where the content is expected to change, such as the milled region: not used
	MaxPx             float64        // largest shift that is looked for; 0: a quarter of the area's shorter side; at most half of it
	MaxDisagreementPx float64        // between the estimates of the two disjoint sets; 0: 0.5
	MinScore          float64        // 0: 0.15
}

// Shift is how far the content of a frame is from where the reference has it.
type Shift struct {
	XPx, YPx          float64 // +x right, +y down (as OpenFIBSEM's fibsem.alignment)
	Score             float64 // 0..1: coherence of the two frames at this shift, over the frequencies and tiles that carry signal
	Success           bool    // false: do not use the numbers
	MaxDisagreementPx float64 // between the estimates of the two disjoint sets
	Method            string  // "phase-correlation"
	Reason            string  // why not Success; "" otherwise

	Debug [10]float64
}

// Reference is the frame that others are compared with. Safe for concurrent use.
type Reference struct {
	width, height int
	opt           Options
	layout        *layout
	still         *still
	coarse        *coarse // nil: the frame is blank
	fine          *fine
	scratch       sync.Pool
}

// scratch is what one measurement writes to.
type scratch struct {
	workers int
	coarse  *coarseScratch
	fine    *fineScratch
	mask    []float64
	hashes  []uint64
}

// NewReference prepares a frame; the pixels are not kept. It fails where the analysed area is not inside the frame, is smaller
// than 64 px on a side, or is excluded altogether.
func NewReference(img Image, opt Options) (*Reference, error) {
	if err := img.validate(); err != nil {
		return nil, err
	}
	l, err := newLayout(img.Width, img.Height, opt)
	if err != nil {
		return nil, err
	}
	if opt.MaxDisagreementPx == 0 {
		opt.MaxDisagreementPx = defaultMaxDisagreementPx
	}
	if opt.MinScore == 0 {
		opt.MinScore = defaultMinScore
	}
	r := &Reference{width: img.Width, height: img.Height, opt: opt, layout: l}
	workers := runtime.GOMAXPROCS(0)
	r.still = newStill(l, &img, workers)
	r.scratch.New = func() any {
		return &scratch{
			workers: workers, coarse: l.newCoarseScratch(workers), fine: l.newFineScratch(workers),
			mask: make([]float64, l.width*l.height), hashes: make([]uint64, len(r.still.hashes)),
		}
	}
	s := r.scratch.Get().(*scratch)
	defer r.scratch.Put(s)
	img.reduce(s.coarse.v, l.area, l.scale, l.width, l.height, workers)
	r.coarse = newCoarse(l, s.coarse)
	r.fine = newFine(l, &img, s.fine)
	return r, nil
}

// Measure finds how far the content of a frame has moved from the reference. An error is only for a frame whose size does not
// fit; where the frames cannot be compared, Success is false and Reason says why.
func (r *Reference) Measure(img Image) (Shift, error) {
	if err := img.validate(); err != nil {
		return Shift{}, err
	}
	if img.Width != r.width || img.Height != r.height {
		return Shift{}, fmt.Errorf("drift: frame of %dx%d px does not fit the reference of %dx%d px: prepare a new reference",
			img.Width, img.Height, r.width, r.height)
	}
	s := r.scratch.Get().(*scratch)
	defer r.scratch.Put(s)
	out := Shift{Method: method}
	out.Reason = r.measure(&out, &img, s)
	out.Success = out.Reason == ""
	return out, nil
}

// measure fills out and returns why it is not to be used.
func (r *Reference) measure(out *Shift, img *Image, s *scratch) string {
	l := r.layout
	img.reduce(s.coarse.v, l.area, l.scale, l.width, l.height, s.workers)
	mask, share := r.still.usableIn(s.mask, img, s.coarse.v, s.hashes, s.workers)
	switch {
	case r.coarse == nil:
		return "no texture in the reference"
	case share < leastUsable:
		return fmt.Sprintf("only %.0f %% of the area usable", share*100)
	}
	found, ok := r.coarse.find(s.coarse, mask)
	if !ok {
		return "no texture"
	}
	scale := float64(l.scale)
	coarseGap := math.Hypot(found.sets[0].x-found.sets[1].x, found.sets[0].y-found.sets[1].y)
	r.refine(out, img, found.all, 2*r.layout.scale+1, mask, s)
	out.Debug = [10]float64{found.all.value, found.second.value / found.all.value, coarseGap * scale, found.mirror / found.all.value, min(found.sets[0].value, found.sets[1].value), s.fine.pools[2].tiles, r.coarse.radius, scale * math.Hypot(out.XPx/scale-found.all.x, out.YPx/scale-found.all.y), 0, 0}
	if r.coarse.repeats {
		out.Debug[9] = 1
	}
	if coarseGap > coarseAgreement {
		out.MaxDisagreementPx = max(out.MaxDisagreementPx, coarseGap*scale)
	}
	rival := found.second.value / found.all.value
	if r.coarse.repeats {
		rival *= r.coarse.overlap(found.all.x, found.all.y) / r.coarse.overlap(found.second.x, found.second.y)
	}
	switch {
	case found.all.value < leastPeak:
		return fmt.Sprintf("nothing matches: peak of %.1f sigma", found.all.value)
	case out.MaxDisagreementPx > r.opt.MaxDisagreementPx:
		return fmt.Sprintf("sets disagree by %.1f px", out.MaxDisagreementPx)
	case out.Score < r.opt.MinScore:
		return fmt.Sprintf("score %.2f is below %.2f", out.Score, r.opt.MinScore)
	case rival > rivalShare || r.coarse.repeats && rival > repeatShare:
		return fmt.Sprintf("ambiguous: (%.0f, %.0f) px matches as well", found.second.x*scale, found.second.y*scale)
	case math.Hypot(out.XPx, out.YPx) < stillPx*scale:
		return r.standsStill(out, img, found, mask, s)
	}
	return ""
}

// standsStill tells why not to believe that nothing moved: a pattern or overlay of the detector, which never moves, may be what
// matches. It returns "" where the content itself stands still.
func (r *Reference) standsStill(out *Shift, img *Image, found coarseResult, mask []float64, s *scratch) string {
	if r.fine.inRim(s.fine) {
		return "only a strip along one side matches"
	}
	support := s.fine.support()
	gap := r.fine.octaveGap(s.fine)
	out.Debug[8] = gap
	if gap > r.opt.MaxDisagreementPx {
		return fmt.Sprintf("fine and coarse structure disagree by %.1f px", gap)
	}
	if found.second.value > leastPeak && found.mirror < found.second.value/2 { // content repeating itself would match on both sides
		var moved Shift
		r.refine(&moved, img, found.second, r.layout.scale, mask, s)
		elsewhere := math.Hypot(moved.XPx-out.XPx, moved.YPx-out.YPx) > stillPx*float64(r.layout.scale)
		if n := s.fine.support(); elsewhere && float64(n) > rivalSupport*float64(support) {
			return fmt.Sprintf("%d tiles stand still, %d moved by (%.0f, %.0f) px", support, n, moved.XPx, moved.YPx)
		}
	}
	return ""
}

// refine measures on tiles of the full frame around a shift of the reduced frame, at first at most search px away.
func (r *Reference) refine(out *Shift, img *Image, at peak, search int, mask []float64, s *scratch) {
	scale := float64(r.layout.scale)
	x, y := math.Round(at.x*scale), math.Round(at.y*scale)
	search = min(search, r.layout.tile/4)
	for range 3 {
		r.fine.cut(img, int(x), int(y), mask, s.fine)
		r.fine.estimate(s.fine, search)
		a, b, all := &s.fine.pools[0], &s.fine.pools[1], &s.fine.pools[2]
		out.XPx, out.YPx, out.Score = x+all.x, y+all.y, min(max(all.score, 0), 1)
		out.MaxDisagreementPx = math.Hypot(a.x-b.x, a.y-b.y)
		if a.tiles == 0 || b.tiles == 0 {
			out.Score = 0
		}
		if math.Abs(all.x) < 0.75 && math.Abs(all.y) < 0.75 {
			return
		}
		x, y, search = math.Round(out.XPx), math.Round(out.YPx), min(search, 2)
	}
}
