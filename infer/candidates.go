package infer

import (
	"math"

	"github.com/uni-aims/aimsd/cuda"
)

// stretch is a horizontal stretch of an object's pixels: x0 inclusive, x1 exclusive.
type stretch struct{ y, x0, x1 int32 }

// level is the objects found at one image scale, at full size.
type level struct {
	scale   float64
	w, h    int       // px at the scale itself
	offsets []int     // label l's stretches are runs[offsets[l]:offsets[l+1]]
	runs    []stretch // in raster order
}

// candidate is an object found at one scale, offered for the result.
type candidate struct {
	level *level
	label int32
	area  float64 // px
	score float64
}

// newLevel indexes the segments of an image scale by their stretches in a frame of width x height px.
func newLevel(scale float64, seg *cuda.Segments, width, height int) *level {
	labels := enlarge(seg.Labels, seg.Width, seg.Height, width, height)
	l := &level{scale: scale, w: seg.Width, h: seg.Height}
	each := func(fn func(label int32, s stretch)) {
		for y := range height {
			row := labels[y*width:][:width]
			for x := 0; x < len(row); {
				v, x0 := row[x], x
				for x < len(row) && row[x] == v {
					x++
				}
				if v > 0 {
					fn(v, stretch{int32(y), int32(x0), int32(x)})
				}
			}
		}
	}
	next := make([]int, len(seg.Objects)+2)
	each(func(label int32, _ stretch) { next[label+1]++ })
	for i := 1; i < len(next); i++ {
		next[i] += next[i-1]
	}
	l.offsets = append([]int(nil), next...)
	l.runs = make([]stretch, next[len(next)-1])
	each(func(label int32, s stretch) {
		l.runs[next[label]] = s
		next[label]++
	})
	return l
}

// stretches returns a label's stretches.
func (l *level) stretches(label int32) []stretch { return l.runs[l.offsets[label]:l.offsets[label+1]] }

// candidates scores a level's objects. Objects of fewer than minPx px, or without any score, are left out.
func (l *level) candidates(objects []cuda.Object, p FuseParams) []candidate {
	var out []candidate
	for i, o := range objects {
		cut := o.X0 == 0 || o.Y0 == 0 || o.X1 == l.w || o.Y1 == l.h
		score := p.score(o, l.scale, cut)
		if o.Area < p.MinPx || score <= 0 {
			continue
		}
		c := candidate{level: l, label: int32(i + 1), score: score}
		for _, s := range l.stretches(c.label) {
			c.area += float64(s.x1 - s.x0)
		}
		if c.area > 0 {
			out = append(out, c)
		}
	}
	return out
}

// FuseParams choose among the objects of all image scales.
type FuseParams struct {
	MinPx        int     // px at the object's own scale
	FlowWeight   float64 // score falls by exp(-FlowWeight x flow error)
	MaxFlowError float64 // above it an object has no score
	SizeWeight   float64 // score falls by exp(-SizeWeight x |log2 actual/predicted diameter|)
	CutOctaves   float64 // by how many octaves an object cut by the border may be smaller than predicted
	MinDiameter  float64 // px at the object's scale: full score from here ...
	MaxDiameter  float64 // ... to here, the range the network is trained for
	MinFinest    float64 // MinDiameter at scale 1, where nothing finer exists
	MinScore     float64 // objects below are not reported
	MinFree      float64 // share of an object that better ones must have left free
	MaxExplained float64 // score-weighted share of an object that smaller ones may explain
}

// DefaultFuseParams are the figures the shipped network was measured with.
func DefaultFuseParams() FuseParams {
	return FuseParams{
		MinPx: 8, FlowWeight: 1.5, MaxFlowError: 0.6, SizeWeight: 1, CutOctaves: 1, MinDiameter: 14, MaxDiameter: 160,
		MinFinest: 3, MinScore: 0.35, MinFree: 0.5, MaxExplained: 0.4,
	}
}

// score is probability x flow consistency x agreement of the size with the predicted size x size within
// the trained range; 0..1. The network predicts the size of the whole object, so one that the border cuts
// is rightly smaller.
func (p FuseParams) score(o cuda.Object, scale float64, cut bool) float64 {
	if !(o.FlowError < p.MaxFlowError) {
		return 0
	}
	d := 2 * math.Sqrt(float64(o.Area)/math.Pi)
	least := p.MinDiameter
	if scale == 1 {
		least = p.MinFinest
	}
	misfit := math.Log2(math.Max(d, 2)/32) - o.LogSize
	if cut && misfit < 0 {
		misfit = math.Min(misfit+p.CutOctaves, 0)
	}
	return o.Probability * math.Exp(-p.FlowWeight*o.FlowError) * math.Exp(-p.SizeWeight*math.Abs(misfit)) *
		math.Min(1, d/least) * math.Min(1, p.MaxDiameter/d)
}
