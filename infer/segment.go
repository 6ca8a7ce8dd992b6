package infer

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/uni-aims/aimsd/cuda"
	"github.com/uni-aims/aimsd/tiling"
)

// Segmenter finds the objects of an image. It is not safe for concurrent use.
type Segmenter struct {
	Network  Network
	Dynamics cuda.Dynamics
	Scales   []float64 // image scales, ascending
	Efforts  []Effort  // by size of the frame, ascending
	Tile     int       // px, longest side of a tile
	Margin   int       // px at inner tile edges without weight
	Fade     int       // px of cross-fade between tiles
	Shift    int       // px the inner tile borders are moved; for tests of the seams
	Memory   int       // bytes that an image scale may take at a time; beyond it strips are looked at. 0: any
	Scorer   *Scorer   // chooses among the objects of all scales
}

// Effort says which image scales a frame is looked at in. Small frames can afford every scale everywhere.
type Effort struct {
	MaxPx     int     // of the frame
	WholeTo   float64 // scales up to it are looked at everywhere;
	LeastPx   float64 // a finer one only where the one before has objects smaller than so many of its px,
	MagnifyPx float64 // or than so many where the finer one is a magnification of the frame,
	Share     float64 // and these make up more than so much of all objects' area around
}

// least is the size of objects that call for a scale.
func (e Effort) least(scale float64) float64 {
	if scale > 1 {
		return e.MagnifyPx
	}
	return e.LeastPx
}

// DefaultEfforts returns what the shipped network was measured with.
func DefaultEfforts() []Effort {
	return []Effort{
		{MaxPx: 1 << 19, WholeTo: 1, MagnifyPx: 16},
		{MaxPx: 1 << 21, WholeTo: 1, MagnifyPx: 16, Share: 0.1},
		{MaxPx: math.MaxInt, WholeTo: 0.5, LeastPx: 32, MagnifyPx: 16, Share: 0.1},
	}
}

// effort is the one for a frame of so many px; of none, everything is looked at in every scale.
func (s *Segmenter) effort(px int) Effort {
	for _, e := range s.Efforts {
		if px <= e.MaxPx {
			return e
		}
	}
	return Effort{WholeTo: math.Inf(1)}
}

// NewSegmenter returns a segmenter with the constants of the shipped network.
func NewSegmenter(n Network, scorer *Scorer) *Segmenter {
	return &Segmenter{
		Network: n, Dynamics: &cuda.Host{Params: cuda.DefaultParams()}, Scales: []float64{0.125, 0.25, 0.5, 1, 2},
		Efforts: DefaultEfforts(),
		Tile:    1600, Margin: 128, Fade: 64, Scorer: scorer,
	}
}

// Segmentation is the objects of an image.
type Segmentation struct {
	Width, Height int
	Labels        []int32   // row-major, 0 background, 1..N
	Confidence    []float64 // of label i+1, 0..1
	Timings       Timings
}

// Segment finds the objects of an image of at least NetworkStride px a side. A constant image has none.
func (s *Segmenter) Segment(ctx context.Context, m Image) (*Segmentation, error) {
	pool, timings, err := s.Candidates(ctx, m)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	out := &Segmentation{Width: m.Width, Height: m.Height, Timings: timings}
	out.Labels, out.Confidence = pool.Choose(s.Scorer.Scores(pool), s.Scorer.Choice)
	for i, score := range out.Confidence {
		out.Confidence[i] = s.Scorer.Confidence(score)
	}
	out.Timings.Dynamics.lap(start)
	return out, ctx.Err()
}

// Candidates finds the objects of every image scale, from which Segment chooses.
func (s *Segmenter) Candidates(ctx context.Context, m Image) (*Pool, Timings, error) {
	var t Timings
	if err := m.validate(); err != nil {
		return nil, t, err
	}
	if len(s.Scales) > maxLevels {
		return nil, t, fmt.Errorf("%d image scales, at most %d are possible", len(s.Scales), maxLevels)
	}
	start := time.Now()
	lo, hi := m.Range()
	norm := newNormaliser(lo, hi)
	t.Normalise.lap(start)
	var levels []*level
	effort := s.effort(m.Width * m.Height)
	start = time.Now()
	pyramid := s.pyramid(m, norm, effort)
	t.Normalise.lap(start)
	for _, scale := range s.Scales {
		w, h := int(float64(m.Width)*scale+0.5), int(float64(m.Height)*scale+0.5)
		if min(w, h) < NetworkStride {
			continue // nothing that large fits into the image
		}
		var l *level
		var err error
		if p := pyramid[scale]; p != nil {
			l, err = s.whole(ctx, m, p, scale, &t)
			delete(pyramid, scale)
		} else {
			part := levels[len(levels)-1].finer(w, h, effort.least(scale), effort.Share)
			if !part.any {
				break
			}
			l, err = s.inCells(ctx, m, norm, scale, part, &t)
		}
		if err != nil {
			return nil, t, fmt.Errorf("at image scale %g: %w", scale, err)
		}
		levels = append(levels, l)
	}
	start = time.Now()
	pool := newPool(m.Width, m.Height, levels)
	t.Dynamics.lap(start)
	return pool, t, ctx.Err()
}

// pyramid returns the image at the scales that are looked at everywhere: the coarsest that fits, and those up to the
// effort's. Each is made of the next finer one where that is exactly twice as large.
func (s *Segmenter) pyramid(m Image, norm normaliser, effort Effort) map[float64]*plane {
	out := map[float64]*plane{}
	last := &plane{w: m.Width, h: m.Height, src: m, norm: norm}
	for i, scale := range slices.Backward(s.Scales) {
		w, h := int(float64(m.Width)*scale+0.5), int(float64(m.Height)*scale+0.5)
		coarsest := i == 0 || min(int(float64(m.Width)*s.Scales[i-1]+0.5), int(float64(m.Height)*s.Scales[i-1]+0.5)) < NetworkStride
		if min(w, h) < NetworkStride || scale > effort.WholeTo && !coarsest {
			continue
		}
		p := last
		switch {
		case w*2 == last.w && h*2 == last.h:
			p = last.coarser(w, h)
		case w != last.w || h != last.h:
			p = resample(m, norm, w, h)
		}
		out[scale], last = p, p
	}
	return out
}

// whole looks at all of an image scale: tiles, network, blend, and the dynamics once over all of it, or, where that needs
// more memory than is allowed, strip by strip.
func (s *Segmenter) whole(ctx context.Context, m Image, p *plane, scale float64, t *Timings) (*level, error) {
	if rows := s.stripRows(p); rows < p.h {
		return s.inStrips(ctx, m, p, scale, rows, t)
	}
	seg, looks, err := s.look(ctx, p, 0, p.h, t)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	l := newLevel(scale, seg, looks, m.Width, m.Height)
	t.Dynamics.lap(start)
	return l, nil
}

// look finds the objects in rows y0..y1-1 of a plane, and what each looks like there. Rows of objects count from y0.
func (s *Segmenter) look(ctx context.Context, p *plane, y0, y1 int, t *Timings) (*cuda.Segments, []sketch, error) {
	field, err := s.predict(ctx, p, y0, y1, t)
	if err != nil {
		return nil, nil, err
	}
	defer planes.put(field.Dy)
	start := time.Now()
	seg, err := s.Dynamics.Labels(ctx, field)
	if err != nil {
		return nil, nil, err
	}
	looks := sketches(p.rows(y0, y1), field, seg)
	t.Dynamics.lap(start)
	return seg, looks, nil
}

// predict runs the network over rows y0..y1-1 of a plane tile by tile and blends the tiles: what it would give for all
// rows. The field's planes lie in one slice, that of its Dy, which goes back to planes.
func (s *Segmenter) predict(ctx context.Context, p *plane, y0, y1 int, t *Timings) (cuda.Field, error) {
	grid := tiling.Grid{Width: p.w, Height: p.h, Tile: s.Tile, Margin: s.Margin, Fade: s.Fade, Stride: NetworkStride, Shift: s.Shift}
	tiles, err := grid.Tiles()
	if err != nil {
		return cuda.Field{}, err
	}
	tiles = slices.DeleteFunc(tiles, func(t tiling.Tile) bool { return t.Core().Y1 <= y0 || t.Core().Y0 >= y1 })
	f, all := newField(p.w, y1-y0)
	f.Top = y0
	area := tiles[0].W * tiles[0].H
	direct := len(tiles) == 1 && tiles[0].W == f.Width && tiles[0].H == f.Height // the tile is the field
	if len(tiles) > 1 {                                                          // their sums start from zero
		clear(all)
	}
	blend := tiling.Blender{Width: p.w, Height: y1 - y0, Top: y0, Planes: [][]float32{f.Dy, f.Dx, f.Logit, f.Size}}
	turns := newTurns()
	networks := s.networks(len(tiles))
	took := make([]Timings, len(networks))
	err = share(ctx, len(networks), len(tiles), func(lane, i int) error {
		tile, t := tiles[i], &took[lane]
		defer turns.end(i)
		in, out := planes.get(area), all
		defer planes.put(in)
		if !direct {
			out = planes.get(Channels * area)
			defer planes.put(out)
		}
		start := time.Now()
		p.tile(in, tile.X0, tile.Y0, tile.W, tile.H)
		start = t.Normalise.lap(start)
		if err := networks[lane].Predict(ctx, in, tile.W, tile.H, out); err != nil {
			return err
		}
		start = t.Infer.lap(start)
		if direct {
			return nil
		}
		turns.wait(i) // so that sums come in one order
		defer func() { t.Stitch.lap(start) }()
		return blend.Add(tile, out)
	})
	t.share(took)
	if err != nil {
		planes.put(all)
		return cuda.Field{}, err
	}
	return f, nil
}

// newField returns a field of w x h px, of whatever was in its planes, and the slice of all of them.
func newField(w, h int) (cuda.Field, []float32) {
	n := w * h
	all := planes.get(Channels * n)
	return cuda.Field{Width: w, Height: h, Dy: all[:n], Dx: all[n : 2*n : 2*n], Logit: all[2*n : 3*n : 3*n], Size: all[3*n:]}, all
}
