package infer

import (
	"context"
	"fmt"
	"time"

	"github.com/uni-aims/aimsd/cuda"
	"github.com/uni-aims/aimsd/tiling"
)

// Segmenter finds the objects of an image. It is not safe for concurrent use.
type Segmenter struct {
	Network  Network
	Dynamics cuda.Dynamics
	Scales   []float64 // image scales, descending from 1
	Tile     int       // px, side of a tile
	Margin   int       // px at inner tile edges without weight
	Fade     int       // px of cross-fade between tiles
	Shift    int       // px the inner tile borders are moved; for tests of the seams
	Fuse     FuseParams
}

// NewSegmenter returns a segmenter with the constants of the shipped network.
func NewSegmenter(n Network) *Segmenter {
	return &Segmenter{
		Network: n, Dynamics: &cuda.Host{Params: cuda.DefaultParams()}, Scales: []float64{1, 0.5, 0.25, 0.125},
		Tile: 1024, Margin: 128, Fade: 64, Fuse: DefaultFuseParams(),
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
	if err := m.validate(); err != nil {
		return nil, err
	}
	out := &Segmentation{Width: m.Width, Height: m.Height}
	start := time.Now()
	lo, hi := m.Range()
	norm := newNormaliser(lo, hi)
	out.Timings.Normalise = time.Since(start)
	var cands []candidate
	for _, scale := range s.Scales {
		w, h := int(float64(m.Width)*scale+0.5), int(float64(m.Height)*scale+0.5)
		if min(w, h) < NetworkStride {
			break // nothing that large fits into the image
		}
		start := time.Now()
		p := &plane{w: m.Width, h: m.Height, src: m, norm: norm}
		if scale != 1 {
			p = shrink(m, norm, w, h)
		}
		out.Timings.Normalise += time.Since(start)
		found, err := s.atScale(ctx, p, scale, m.Width, m.Height, &out.Timings)
		if err != nil {
			return nil, fmt.Errorf("at image scale %g: %w", scale, err)
		}
		cands = append(cands, found...)
	}
	start = time.Now()
	out.Labels, out.Confidence = fuse(cands, m.Width, m.Height, s.Fuse)
	out.Timings.Dynamics += time.Since(start)
	return out, ctx.Err()
}

// atScale predicts the field of a plane, runs the dynamics once over all of it and returns its candidates.
func (s *Segmenter) atScale(ctx context.Context, p *plane, scale float64, width, height int, t *Timings) ([]candidate, error) {
	field, err := s.predict(ctx, p, t)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	seg, err := s.Dynamics.Labels(ctx, field)
	if err != nil {
		return nil, err
	}
	l := newLevel(scale, seg, width, height)
	found := l.candidates(seg.Objects, s.Fuse)
	t.Dynamics += time.Since(start)
	return found, nil
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
