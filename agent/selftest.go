package agent

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/uni-aims/aimsd/infer"
)

// The golden frame: discs in rows on a noisy ground. Any network that is of use on particles finds them.
const (
	goldenSide  = 256 // px
	goldenCell  = 80  // px from disc to disc
	goldenDiscs = 9
	goldenIoU   = 0.6 // a disc is found by an object that agrees with it so well
	goldenLeast = 8   // discs to be found, of all
	goldenExtra = 2   // objects that may be found where there is no disc
)

// disc is an object of the golden frame, px.
type disc struct{ x, y, radius float64 }

func (d disc) holds(x, y int) bool {
	dx, dy := float64(x)+0.5-d.x, float64(y)+0.5-d.y
	return dx*dx+dy*dy <= d.radius*d.radius
}

// area is the disc's, px.
func (d disc) area() float64 { return math.Pi * d.radius * d.radius }

// golden draws the golden frame, the same at every call.
func golden() (infer.Image, []disc) {
	discs := make([]disc, goldenDiscs)
	for i := range discs {
		discs[i] = disc{
			x:      48 + goldenCell*float64(i%3) + 2.3*float64(i),
			y:      48 + goldenCell*float64(i/3) - 1.7*float64(i%3),
			radius: 12 + 1.5*float64(i),
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	pix := make([]uint8, goldenSide*goldenSide)
	for i := range pix {
		x, y := i%goldenSide, i/goldenSide
		level := 70.0
		for _, d := range discs {
			if d.holds(x, y) {
				level = 165
			}
		}
		pix[i] = uint8(min(max(level+9*rng.NormFloat64(), 0), 255))
	}
	return infer.Image{Width: goldenSide, Height: goldenSide, Stride: goldenSide, Gray8: pix}, discs
}

// selfTest has the network find the discs of the golden frame. It is the last thing between a model file
// that loads and frames: one whose weights were cut off, zeroed or mixed up does not pass.
func (a *Analyser) selfTest(ctx context.Context) error {
	image, discs := golden()
	s, err := a.Segmenter.Segment(ctx, image)
	if err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	found, extra := tally(s, discs)
	if found < goldenLeast || extra > goldenExtra {
		return fmt.Errorf("self-test: %d of %d known discs found and %d objects beside them, which no sound network does; "+
			"copy the model's file again, or set infer.self_test to false for a network that is not meant for particles", found, len(discs), extra)
	}
	return nil
}

// tally counts the discs that one object agrees with, and the objects that agree with none.
func tally(s *infer.Segmentation, discs []disc) (found, extra int) {
	objects := len(s.Confidence)
	size, common := make([]float64, objects+1), make([]float64, (objects+1)*len(discs))
	for i, label := range s.Labels {
		size[label]++
		for k, d := range discs {
			if d.holds(i%s.Width, i/s.Width) {
				common[int(label)*len(discs)+k]++
			}
		}
	}
	for label := 1; label <= objects; label++ {
		agrees := false
		for k, d := range discs {
			both := common[label*len(discs)+k]
			agrees = agrees || both/(size[label]+d.area()-both) >= goldenIoU
		}
		if agrees {
			found++
		} else {
			extra++
		}
	}
	return found, extra
}
