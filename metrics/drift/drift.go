package drift

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/uni-aims/aimsd/metrics"
)

const (
	method                   = "phase-correlation" // OpenFIBSEM's name
	defaultMaxDisagreementPx = 0.5
	defaultMinScore          = 0.2
)

// Options say what of a frame is used, and when an answer is good enough.
type Options struct {
	Analysed          metrics.Rect   // zero value: the whole frame; leaves out a data bar
	Exclude           []metrics.Rect // where the content is expected to change, such as the milled region: not used
	MaxPx             float64        // largest shift that is looked for; 0: a quarter of the area's shorter side; at most half of it
	MaxDisagreementPx float64        // between the estimates of the two disjoint sets; 0: 0.5
	MinScore          float64        // 0: 0.2
}

// Shift is how far the content of a frame is from where the reference has it.
type Shift struct {
	XPx, YPx          float64 // +x right, +y down (as OpenFIBSEM's fibsem.alignment)
	Score             float64 // 0..1: coherence of the two frames at this shift, over the frequencies and tiles that carry signal
	Success           bool    // false: do not use the numbers
	MaxDisagreementPx float64 // between the estimates of the two disjoint sets
	Method            string  // "phase-correlation"
	Reason            string  // why not Success; "" otherwise
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

// NewReference prepares a frame; the pixels are not kept. It fails where the image is inconsistent, or the analysed area is not
// inside the frame, is smaller than 64 px on a side, or is excluded but for a tenth. A blank frame is accepted: nothing
// will match it.
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
	if share := l.usableShare(); share < leastUsable {
		return nil, fmt.Errorf("drift: the excluded rectangles leave %.0f %% of the analysed area: %.0f %% are needed", share*100, leastUsable*100)
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
