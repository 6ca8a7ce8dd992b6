package drift

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"

	"github.com/uni-aims/aimsd/metrics"
)

// Options say what of a frame is used, and when an answer is good enough.
type Options struct {
	Analysed          metrics.Rect   // zero value: the whole frame; leaves out a data bar
	Exclude           []metrics.Rect // where the content is expected to change, such as the milled region: not used
	MaxPx             float64        // largest shift that is looked for; 0: a quarter of the shorter side of the area
	MaxDisagreementPx float64        // between the two disjoint sets; 0: 0.5
	MinScore          float64        // 0: DefaultMinScore
}

// Shift is a displacement in px of the frame.
type Shift struct {
	XPx, YPx          float64
	Score             float64
	Success           bool
	MaxDisagreementPx float64
	Method            string
	Reason            string

	Debug [8]float64
}

// Reference is the frame that others are compared with.
type Reference struct {
	width, height int
	opt           Options
	layout        *layout
	coarse        *coarse
	fine          *fine
	pool          sync.Pool
}

type scratch struct {
	coarse *coarseScratch
	fine   *fineScratch
}

// NewReference prepares a frame.
func NewReference(img Image, opt Options) (*Reference, error) {
	if err := img.validate(); err != nil {
		return nil, err
	}
	l, err := newLayout(img.Width, img.Height, opt)
	if err != nil {
		return nil, err
	}
	r := &Reference{width: img.Width, height: img.Height, opt: opt, layout: l}
	if r.opt.MaxDisagreementPx == 0 {
		r.opt.MaxDisagreementPx = 0.5
	}
	r.pool.New = func() any {
		workers := runtime.GOMAXPROCS(0)
		return &scratch{coarse: l.newCoarseScratch(workers), fine: l.newFineScratch(workers)}
	}
	s := r.pool.Get().(*scratch)
	defer r.pool.Put(s)
	img.reduce(s.coarse.v, l.area, l.scale, l.width, l.height, len(s.fine.tiles))
	r.coarse = newCoarse(l, s.coarse)
	if r.coarse == nil {
		return nil, errors.New("drift: blank")
	}
	r.fine = newFine(l, &img, s.fine)
	return r, nil
}

// Measure finds the shift.
func (r *Reference) Measure(img Image) (Shift, error) {
	if err := img.validate(); err != nil {
		return Shift{}, err
	}
	if img.Width != r.width || img.Height != r.height {
		return Shift{}, fmt.Errorf("drift: frame of %dx%d px does not fit the reference of %dx%d px", img.Width, img.Height, r.width, r.height)
	}
	s := r.pool.Get().(*scratch)
	defer r.pool.Put(s)
	l := r.layout
	out := Shift{Method: "phase-correlation"}
	img.reduce(s.coarse.v, l.area, l.scale, l.width, l.height, len(s.fine.tiles))
	found, ok := r.coarse.find(s.coarse, l.usable)
	if !ok {
		out.Reason = "no texture"
		return out, nil
	}
	scale := float64(l.scale)
	x, y := int(math.Round(found.all.x*scale)), int(math.Round(found.all.y*scale))
	search := min(2*l.scale+1, l.tile/4)
	for range 3 {
		r.fine.cut(&img, x, y, l.usable, s.fine)
		for i := range s.fine.pools {
			s.fine.pools[i].x, s.fine.pools[i].y = 0, 0
		}
		r.fine.estimate(s.fine, search)
		all := &s.fine.pools[2]
		out.XPx, out.YPx, out.Score = float64(x)+all.x, float64(y)+all.y, all.score
		a, b := &s.fine.pools[0], &s.fine.pools[1]
		out.MaxDisagreementPx = math.Hypot(a.x-b.x, a.y-b.y)
		if math.Abs(all.x) < 0.75 && math.Abs(all.y) < 0.75 {
			break
		}
		search = 2
		x, y = int(math.Round(out.XPx)), int(math.Round(out.YPx))
	}
	dA := scale * math.Hypot(found.sets[0].x-found.sets[1].x, found.sets[0].y-found.sets[1].y)
	out.Debug = [8]float64{found.all.value, found.second.value / found.all.value, dA, found.zero / found.all.value, min(found.sets[0].value, found.sets[1].value), s.fine.pools[2].tiles, r.coarse.radius, scale * math.Hypot(out.XPx/scale-found.all.x, out.YPx/scale-found.all.y)}
	out.Success = dA < 3*scale && out.MaxDisagreementPx < r.opt.MaxDisagreementPx
	return out, nil
}
