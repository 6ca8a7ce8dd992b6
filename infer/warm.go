package infer

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// cpuWarm is the side of the square that every form of a network is run on when it is opened, px: it takes memory from
// the system, but little of it on a machine of many cores.
const cpuWarm = 512

// gpuWarm are those on a GPU, which searches the fastest algorithms for every shape that is new: the tiles of a small
// frame and its coarser scales, and of a large frame.
func gpuWarm() []int { return []int{256, 512, 1024, 1792} }

// warm runs every form of the network, so that the first frame is as fast as the others. A GPU that cannot run it shows
// here.
func (s *Session) warm(ctx context.Context) error {
	sides := []int{cpuWarm}
	if s.Provider == "cuda" {
		sides = gpuWarm()
	}
	for _, side := range sides {
		if err := warmOn(ctx, s, side); err != nil {
			return err
		}
	}
	errs := make([]error, len(s.lanes))
	var wg sync.WaitGroup
	for i, lane := range s.lanes {
		wg.Go(func() { errs[i] = warmOn(ctx, lane, cpuWarm) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// warmOn runs a network on a grey square.
func warmOn(ctx context.Context, n Network, side int) error {
	in, out := planes.get(side*side), planes.get(Channels*side*side)
	defer planes.put(in)
	defer planes.put(out)
	for i := range in {
		in[i] = 0.5
	}
	if err := n.Predict(ctx, in, side, side, out); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	return nil
}
