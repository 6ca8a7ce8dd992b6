package infer

import (
	"context"
	"time"

	"github.com/uni-aims/aimsd/cuda"
	"github.com/uni-aims/aimsd/tiling"
)

// A fine image scale is looked at in cells, one at a time, so that memory does not grow with the frame. They
// lie on a fixed grid. An object belongs to the cell in whose core its middle lies; what reaches from there
// to the cell's edge is too large for this scale and is left to the coarser ones.
const (
	cellPx      = 1024 // longest side, px of the scale
	largeCellPx = 1536 // the same where most of it is looked at: fewer edges are looked at twice
	magnifiedPx = 512  // the same where the scale magnifies a large frame: there what calls for it is far between
	cellEdge    = 64   // px on each side outside the core
)

// cell is a rectangle of an image scale and the part of it where objects' middles count.
type cell struct{ all, core tiling.Rect }

// cells covers w x h px with as few cells of up to side px, and a stride more, as do.
func cells(w, h, side int) []cell {
	axis := func(n int) (spans [][4]int) { // all0, all1, core0, core1
		if n <= side {
			return [][4]int{{0, n, 0, n}}
		}
		most := side - 2*cellEdge
		count := (n - 2*cellEdge + most - 1) / most
		step := ((n+count-1)/count + NetworkStride - 1) / NetworkStride * NetworkStride
		for core := 0; core < n; core += step {
			end := min(core+step, n)
			spans = append(spans, [4]int{max(core-cellEdge, 0), min(end+cellEdge, n), core, end})
		}
		return spans
	}
	var out []cell
	for _, y := range axis(h) {
		for _, x := range axis(w) {
			out = append(out, cell{tiling.Rect{X0: x[0], Y0: y[0], X1: x[1], Y1: y[1]}, tiling.Rect{X0: x[2], Y0: y[2], X1: x[3], Y1: y[3]}})
		}
	}
	return out
}

// owns says whether an object's middle lies in the core, and no inner edge of the cell cuts it.
func (c cell) owns(o cuda.Object, w, h int) bool {
	x, y := (o.X0+o.X1)/2, (o.Y0+o.Y1)/2
	return x >= c.core.X0 && x < c.core.X1 && y >= c.core.Y0 && y < c.core.Y1 &&
		(o.X0 > c.all.X0 || c.all.X0 == 0) && (o.Y0 > c.all.Y0 || c.all.Y0 == 0) &&
		(o.X1 < c.all.X1 || c.all.X1 == w) && (o.Y1 < c.all.Y1 || c.all.Y1 == h)
}

// inCells looks at a part of an image scale of 1 or a whole multiple. Every core has a cell of its own; what it finds
// does not depend on which.
func (s *Segmenter) inCells(ctx context.Context, m Image, norm normaliser, scale float64, part *region, t *Timings) (*level, error) {
	side := cellPx
	switch {
	case scale > 1 && part.w*part.h > 1<<23:
		side = magnifiedPx
	case scale <= 1 && part.share() > 0.75:
		side = largeCellPx
	}
	var wanted []cell
	for _, c := range cells(part.w, part.h, side) {
		if part.wants(c.core) {
			wanted = append(wanted, c)
		}
	}
	found := make([]level, len(wanted))
	networks := s.networks(len(wanted))
	took := make([]Timings, len(networks))
	err := share(ctx, len(networks), len(wanted), func(lane, i int) error {
		one := *s
		one.Network, one.Tile, one.Shift = networks[lane], side+2*NetworkStride, 0 // a cell is one tile
		if host, ok := s.Dynamics.(*cuda.Host); ok && len(networks) > 1 {
			one.Dynamics = &cuda.Host{Params: host.Params, Workers: 1}
		}
		return one.inCell(ctx, m, norm, int(scale), part, wanted[i], &found[i], &took[lane])
	})
	t.share(took)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	l := &level{scale: scale, w: part.w, h: part.h}
	for i := range found {
		l.append(&found[i])
	}
	l.index(m.Height)
	t.Dynamics.lap(start)
	return l, ctx.Err()
}

// inCell finds the objects of one cell.
func (s *Segmenter) inCell(ctx context.Context, m Image, norm normaliser, k int, part *region, c cell, l *level, t *Timings) error {
	at := tiling.Rect{X0: c.all.X0 / k, Y0: c.all.Y0 / k, X1: (c.all.X1 + k - 1) / k, Y1: (c.all.Y1 + k - 1) / k}
	start := time.Now()
	p := resample(m.Crop(at.X0, at.Y0, at.X1, at.Y1), norm, (at.X1-at.X0)*k, (at.Y1-at.Y0)*k)
	t.Normalise.lap(start)
	seg, looks, err := s.look(ctx, p, 0, p.h, t)
	if err != nil {
		return err
	}
	start = time.Now()
	for i := range seg.Objects {
		o := &seg.Objects[i]
		o.X0, o.Y0, o.X1, o.Y1 = o.X0+c.all.X0, o.Y0+c.all.Y0, o.X1+c.all.X0, o.Y1+c.all.Y0
	}
	l.add(seg, looks, seg.Height, 0, at, func(o cuda.Object) bool { return c.owns(o, part.w, part.h) && part.has((o.X0+o.X1)/2, (o.Y0+o.Y1)/2) })
	t.Dynamics.lap(start)
	return nil
}
