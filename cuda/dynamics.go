package cuda

import (
	"context"
	"fmt"
	"math"
)

// Field is a network's prediction for a whole frame, row-major planes of Width*Height.
type Field struct {
	Width, Height int
	Top           int       // row of the frame that row 0 is; where it is a strip, positions are rounded as in the frame
	Dy, Dx        []float32 // flow toward the object's centre, unit length times FlowScale
	Logit         []float32 // foreground where > 0
	Size          []float32 // log2(object diameter / 32 px)
}

// Params are the constants of the dynamics; DefaultParams has those the shipped networks are trained for.
type Params struct {
	FlowScale float32 // flow vectors are this long in the field
	Squarings int     // 2^Squarings steps of one px
	Euler     int     // > 0: so many steps one by one instead; the reference mode, of Host only
	MinSink   int     // px that must end in a sink for it to count
	MinArea   int     // px; smaller objects are dropped
}

// DefaultParams returns the constants of the shipped networks.
func DefaultParams() Params { return Params{FlowScale: 5, Squarings: 8, MinSink: 8, MinArea: 12} }

// Object is what the dynamics know of a label. Means are over the object's pixels.
type Object struct {
	Area           int // px, holes filled
	X0, Y0, X1, Y1 int // half-open bounding box
	FlowError      float64
	Probability    float64
	LogSize        float64 // predicted log2(diameter / 32 px)
}

// Segments is a label image with its objects; label i+1 belongs to Objects[i].
type Segments struct {
	Width, Height int
	Labels        []int32 // 0 background
	Objects       []Object
}

// Dynamics turns a field into labels. All implementations give equal labels.
type Dynamics interface {
	Labels(ctx context.Context, f Field) (*Segments, error)
}

var _ Dynamics = (*Host)(nil)

// Host runs the dynamics on the CPU.
type Host struct {
	Params  Params
	Workers int // goroutines; 0 means all cores
}

// Labels implements Dynamics. The field is only read. It needs 21 bytes per px of working memory.
func (h *Host) Labels(ctx context.Context, f Field) (*Segments, error) {
	n := f.Width * f.Height
	if f.Width < 2 || f.Height < 2 || n > math.MaxInt32 {
		return nil, fmt.Errorf("cuda: a field of %dx%d px is outside 2x2 .. 2^31 px", f.Width, f.Height)
	}
	if len(f.Dy) != n || len(f.Dx) != n || len(f.Logit) != n || len(f.Size) != n {
		return nil, fmt.Errorf("cuda: field planes do not have %dx%d values", f.Width, f.Height)
	}
	fg := h.foreground(f)
	s := borrow(n)
	defer h.giveBack(s, f, fg)
	h.displacement(f, fg, s.u)
	u, err := h.walk(ctx, f, fg, s)
	if err != nil {
		return nil, err
	}
	labels := make([]int32, n)
	h.sinks(f, fg, u, labels)
	dilated, components := h.sinkComponents(f, fg, labels, s.count, s.components)
	count := h.gather(f, fg, labels, s.components, dilated, components)
	h.fillHoles(labels, f.Width, f.Height)
	return &Segments{Width: f.Width, Height: f.Height, Labels: labels, Objects: h.reduce(f, u, labels, count)}, ctx.Err()
}

// walk follows the flow from every foreground pixel to its end; the result is in one of the scratch's displacements.
func (h *Host) walk(ctx context.Context, f Field, fg *rowRuns, s *scratch) ([]vec, error) {
	if h.Params.Euler > 0 {
		return s.v, h.euler(ctx, f, fg, s.u, s.v)
	}
	return h.square(ctx, f, fg, s.u, s.v)
}
