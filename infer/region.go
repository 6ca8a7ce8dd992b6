package infer

import (
	"math"

	"github.com/uni-aims/aimsd/cuda"
	"github.com/uni-aims/aimsd/tiling"
)

// blockPx is the side of the blocks in which a finer image scale is looked at or not, px of that scale. They
// lie on a fixed grid, so that the result does not depend on the tiles.
const blockPx = 128

// region is the part of an image scale that is looked at.
type region struct {
	w, h int // px of the scale
	cols int
	want []bool // by block, row by row
	any  bool
}

// Where not every small object calls for a finer look, those must be sure enough not to be noise.
const (
	callProbability = 0.55
	callFlowError   = 0.5
)

// finer returns the part of an image scale of w x h px that the next coarser level calls for: the blocks
// round its objects that are, or are said to belong to something, smaller than least px there. The share they must
// have of all objects' area keeps a large object's fragments from calling.
func (l *level) finer(w, h int, least, share float64) *region {
	r := &region{w: w, h: h, cols: (w + blockPx - 1) / blockPx}
	rows := (h + blockPx - 1) / blockPx
	r.want = make([]bool, r.cols*rows)
	small, all := make([]float64, len(r.want)), make([]float64, len(r.want))
	kx, ky := float64(w)/float64(l.w), float64(h)/float64(l.h)
	// block calls fn for the blocks of an object's bounding box and for the ring of blocks around them:
	// nothing small is cut by the region's border
	blocks := func(o *cuda.Object, fn func(i int)) {
		for by := max(int(float64(o.Y0)*ky)/blockPx-1, 0); by <= min(int(float64(o.Y1)*ky)/blockPx+1, rows-1); by++ {
			for bx := max(int(float64(o.X0)*kx)/blockPx-1, 0); bx <= min(int(float64(o.X1)*kx)/blockPx+1, r.cols-1); bx++ {
				fn(by*r.cols + bx)
			}
		}
	}
	calls := func(o *cuda.Object) bool {
		d := min(2*math.Sqrt(float64(o.Area)/math.Pi), 32*math.Exp2(o.LogSize))
		return d < least && (share == 0 || o.Probability > callProbability && o.FlowError < callFlowError)
	}
	for i := range l.finds {
		o := &l.finds[i]
		area := float64(o.Area)
		blocks(o, func(i int) { all[i] += area })
		if calls(o) {
			blocks(o, func(i int) { small[i] += area })
		}
	}
	for i := range l.finds {
		o := &l.finds[i]
		if !calls(o) {
			continue
		}
		blocks(o, func(i int) {
			if small[i] > share*all[i] {
				r.want[i], r.any = true, true
			}
		})
	}
	return r
}

// share is how much of the scale belongs to the region, 0..1.
func (r *region) share() float64 {
	n := 0
	for _, w := range r.want {
		if w {
			n++
		}
	}
	return float64(n) / float64(len(r.want))
}

// wants says whether any px of a rectangle belongs to the region.
func (r *region) wants(c tiling.Rect) bool {
	for by := c.Y0 / blockPx; by*blockPx < c.Y1; by++ {
		for bx := c.X0 / blockPx; bx*blockPx < c.X1; bx++ {
			if r.want[by*r.cols+bx] {
				return true
			}
		}
	}
	return false
}

// has says whether a px belongs to the region.
func (r *region) has(x, y int) bool { return r.want[y/blockPx*r.cols+x/blockPx] }
