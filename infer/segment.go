package infer

import (
	"context"
	"fmt"
	"math"
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
	Tile     int       // px, side of a tile
	Margin   int       // px at inner tile edges without weight
	Fade     int       // px of cross-fade between tiles
	Shift    int       // px the inner tile borders are moved; for tests of the seams
	Scorer   *Scorer   // chooses among the objects of all scales
}

// Effort says which image scales a frame is looked at in. Small frames can afford every scale everywhere.
type Effort struct {
	MaxPx   int     // of the frame
	WholeTo float64 // scales up to it are looked at everywhere;
	LeastPx float64 // a finer one only where the one before has objects smaller than so many of its px,
	Share   float64 // and these make up more than so much of all objects' area around
}

// DefaultEfforts returns what the shipped network was measured with.
func DefaultEfforts() []Effort {
	return []Effort{
		{MaxPx: 1 << 19, WholeTo: 1, LeastPx: 16},
		{MaxPx: 1 << 21, WholeTo: 1, LeastPx: 16, Share: 0.1},
		{MaxPx: 1 << 23, WholeTo: 0.5, LeastPx: 24, Share: 0.1},
		{MaxPx: math.MaxInt, WholeTo: 0.5, LeastPx: 16, Share: 0.1},
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
		Tile:    1024, Margin: 128, Fade: 64, Scorer: scorer,
	}
}

// Segmentation is the objects of an image.
type Segmentation struct {
	Width, Height int
	Labels        []int32   // row-major, 0 background, 1..N
	Confidence    []float64 // of label i+1, 0..1
	Timings       Timings
}

// Timings are busy times per stage.
type Timings struct{ Normalise, Infer, Stitch, Dynamics time.Duration }

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
	out.Timings.Dynamics += time.Since(start)
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
	t.Normalise = time.Since(start)
	var levels []*level
	effort := s.effort(m.Width * m.Height)
	for _, scale := range s.Scales {
		w, h := int(float64(m.Width)*scale+0.5), int(float64(m.Height)*scale+0.5)
		if min(w, h) < NetworkStride {
			continue // nothing that large fits into the image
		}
		var l *level
		var err error
		if len(levels) == 0 || scale <= effort.WholeTo {
			l, err = s.whole(ctx, m, norm, scale, w, h, &t)
		} else {
			part := levels[len(levels)-1].finer(w, h, effort)
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
	t.Dynamics += time.Since(start)
	return pool, t, ctx.Err()
}

// whole looks at all of an image scale: tiles, network, blend, and the dynamics once over all of it.
func (s *Segmenter) whole(ctx context.Context, m Image, norm normaliser, scale float64, w, h int, t *Timings) (*level, error) {
	seg, looks, err := s.look(ctx, m, norm, w, h, t)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	l := newLevel(scale, seg, looks, m.Width, m.Height)
	t.Dynamics += time.Since(start)
	return l, nil
}

// look finds the objects of an image resampled to w x h px, and what each looks like there.
func (s *Segmenter) look(ctx context.Context, m Image, norm normaliser, w, h int, t *Timings) (*cuda.Segments, []sketch, error) {
	start := time.Now()
	p := resample(m, norm, w, h)
	t.Normalise += time.Since(start)
	field, err := s.predict(ctx, p, t)
	if err != nil {
		return nil, nil, err
	}
	start = time.Now()
	seg, err := s.Dynamics.Labels(ctx, field)
	if err != nil {
		return nil, nil, err
	}
	looks := sketches(p, field, seg)
	t.Dynamics += time.Since(start)
	return seg, looks, nil
}

// predict runs the network over a plane tile by tile and blends the tiles.
func (s *Segmenter) predict(ctx context.Context, p *plane, t *Timings) (cuda.Field, error) {
	grid := tiling.Grid{
		Width: p.w, Height: p.h, Tile: s.Tile, Margin: s.Margin, Fade: s.Fade, Stride: NetworkStride, Shift: s.Shift,
	}
	tiles, err := grid.Tiles()
	if err != nil {
		return cuda.Field{}, err
	}
	n := p.w * p.h
	f := cuda.Field{
		Width: p.w, Height: p.h,
		Dy: make([]float32, n), Dx: make([]float32, n), Logit: make([]float32, n), Size: make([]float32, n),
	}
	blend := tiling.Blender{Width: p.w, Height: p.h, Planes: [][]float32{f.Dy, f.Dx, f.Logit, f.Size}}
	area := tiles[0].W * tiles[0].H
	in, out := make([]float32, area), make([]float32, Channels*area)
	for _, tile := range tiles {
		start := time.Now()
		p.tile(in, tile.X0, tile.Y0, tile.W, tile.H)
		normalised := time.Now()
		if err := s.Network.Predict(ctx, in, tile.W, tile.H, out); err != nil {
			return cuda.Field{}, err
		}
		inferred := time.Now()
		if err := blend.Add(tile, out); err != nil {
			return cuda.Field{}, err
		}
		t.Normalise += normalised.Sub(start)
		t.Infer += inferred.Sub(normalised)
		t.Stitch += time.Since(inferred)
	}
	return f, nil
}
