package infer

import (
	"context"
	"time"

	"github.com/uni-aims/aimsd/cuda"
	"github.com/uni-aims/aimsd/tiling"
)

// An image scale that needs more memory than is allowed is looked at in strips as wide as the frame, one after the
// other. The tiles are those of the whole frame and positions are rounded as there, so that an object up to stripObject
// px high comes out to the pixel as without strips. An object belongs to the strip in whose core its middle lies.
const (
	stripObject = 1024                       // px of the scale
	stripReach  = 320                        // px that a flow can lead: 256 steps, and some that are longer than they should be
	stripEdge   = stripReach + stripObject/2 // rows on each side outside the core
	stripLeast  = 512                        // rows of a core
	pxBytes     = 4*Channels + 21 + 4 + 4*2  // of an image scale at work: field, dynamics, labels, what is read of the plane
)

// stripRows is how many rows of a plane's core are looked at at a time: all of them where memory allows.
func (s *Segmenter) stripRows(p *plane) int {
	if s.Memory <= 0 || p.w*p.h*pxBytes <= s.Memory {
		return p.h
	}
	rows := s.Memory/(p.w*pxBytes) - 2*stripEdge
	return max(rows, stripLeast)
}

// inStrips looks at an image scale in strips with cores of some rows.
func (s *Segmenter) inStrips(ctx context.Context, m Image, p *plane, scale float64, rows int, t *Timings) (*level, error) {
	l := &level{scale: scale, w: p.w, h: p.h}
	one := *s
	if _, ok := s.Dynamics.(*cuda.Host); !ok { // only the host knows strips
		one.Dynamics = &cuda.Host{Params: cuda.DefaultParams()}
	}
	for core := 0; core < p.h; core += rows {
		y0, y1, end := max(core-stripEdge, 0), min(core+rows+stripEdge, p.h), min(core+rows, p.h)
		seg, looks, err := one.look(ctx, p, y0, y1, t)
		if err != nil {
			return nil, err
		}
		start := time.Now()
		for i := range seg.Objects {
			seg.Objects[i].Y0 += y0
			seg.Objects[i].Y1 += y0
		}
		l.add(seg, looks, p.h, y0, tiling.Rect{X1: m.Width, Y1: m.Height}, func(o cuda.Object) bool {
			middle := (o.Y0 + o.Y1) / 2
			return middle >= core && middle < end && (o.Y0 > y0 || y0 == 0) && (o.Y1 < y1 || y1 == p.h)
		})
		t.Dynamics.lap(start)
	}
	start := time.Now()
	l.index(m.Height)
	t.Dynamics.lap(start)
	return l, ctx.Err()
}
