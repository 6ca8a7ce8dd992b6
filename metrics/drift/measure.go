package drift

import (
	"fmt"
	"math"
)

const (
	leastPeak       = 6.5  // height of the peak in standard deviations of the surface
	rivalShare      = 0.7  // height of a second peak, of the first, that makes the answer ambiguous
	repeatShare     = 0.4  // the same where the reference repeats itself
	coarseAgreement = 2    // px of the reduced frame between the two sets
	fineAgreement   = 1.25 // px of the reduced frame between it and the full frame
	stillPx         = 1.5  // px of the reduced frame: shorter shifts are looked at twice
	rivalSupport    = 0.75 // of the tiles that stand still, for another shift to be doubted
	manyTiles       = 36   // from here on some of them do for a first look
)

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
	if coarseGap > coarseAgreement {
		out.MaxDisagreementPx = max(out.MaxDisagreementPx, coarseGap*scale)
	}
	fineGap := math.Hypot(out.XPx-found.all.x*scale, out.YPx-found.all.y*scale)
	rival := found.second.value / found.all.value
	if r.coarse.repeats {
		rival *= r.coarse.overlap(found.all.x, found.all.y) / r.coarse.overlap(found.second.x, found.second.y)
	}
	switch {
	case found.all.value < leastPeak:
		return fmt.Sprintf("nothing matches: peak of %.1f sigma", found.all.value)
	case out.MaxDisagreementPx > r.opt.MaxDisagreementPx:
		return fmt.Sprintf("sets disagree by %.1f px", out.MaxDisagreementPx)
	case fineGap > fineAgreement*scale:
		return fmt.Sprintf("reduced and full frame disagree by %.1f px", fineGap)
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
	if gap > r.opt.MaxDisagreementPx {
		return fmt.Sprintf("fine and coarse structure disagree by %.1f px", gap)
	}
	if found.second.value > leastPeak && found.mirror < found.second.value/2 { // content repeating itself would match on both sides
		var moved Shift
		r.refine(&moved, img, found.second, r.layout.scale, mask, s)
		elsewhere := math.Hypot(moved.XPx-out.XPx, moved.YPx-out.YPx) > stillPx*float64(r.layout.scale)
		if n := s.fine.support(); elsewhere && n > rivalSupport*support {
			return fmt.Sprintf("%.0f tiles stand still, %.0f moved by (%.0f, %.0f) px", support, n, moved.XPx, moved.YPx)
		}
	}
	return ""
}

// refine measures on tiles of the full frame around a shift of the reduced frame, at first at most search px away.
func (r *Reference) refine(out *Shift, img *Image, at peak, search int, mask []float64, s *scratch) {
	l := r.layout
	x, y := math.Round(at.x*float64(l.scale)), math.Round(at.y*float64(l.scale))
	a, b, all := &s.fine.pools[0], &s.fine.pools[1], &s.fine.pools[2]
	near := max(0.6, float64(l.tile)/100) // px; closer, the taper does not pull noticeably
	if l.scale > 1 && len(s.fine.energy) >= manyTiles {
		r.fine.cut(img, int(x), int(y), mask, true, s.fine)
		r.fine.estimate(s.fine, min(search, l.tile/4), 1)
		if all.tiles > 0 {
			x, y, search = math.Round(x+all.x), math.Round(y+all.y), max(2, l.scale/4)
		}
	}
	for range 3 {
		r.fine.cut(img, int(x), int(y), mask, false, s.fine)
		r.fine.estimate(s.fine, min(search, l.tile/4), rounds)
		out.XPx, out.YPx, out.Score = x+all.x, y+all.y, min(max(all.score, 0), 1)
		out.MaxDisagreementPx = math.Hypot(a.x-b.x, a.y-b.y)
		if a.tiles == 0 || b.tiles == 0 {
			out.Score = 0
		}
		if math.Abs(all.x) < near && math.Abs(all.y) < near {
			return
		}
		x, y, search = math.Round(out.XPx), math.Round(out.YPx), min(search, 2)
	}
}
