package agent

import (
	"github.com/uni-aims/aimsd/stream"
)

// latest passes arrivals on, always the newest, and only when the one before has passed the pipeline's longest
// stage: one that is not passed on before the next arrives is dropped. So a frame never waits behind older ones
// of its source, and its result is as fresh as it can be: where frames come twice as fast as results, at most
// one and a half times the analysis old. It returns when in is closed, after passing the last one on.
//
//	in ─▶ newest ─▶ out
//	        └─────▶ drop
func latest(in <-chan stream.Arrival, out chan<- stream.Arrival, drop func(stream.Arrival)) {
	passed := make(chan struct{}, 1)
	passed <- struct{}{}
	for a := range in {
		a.Passed = func() { passed <- struct{}{} } // one is on its way at a time: there is room
		turn, next := passed, (chan<- stream.Arrival)(nil)
		for waiting := true; waiting; {
			select {
			case <-turn:
				turn, next = nil, out
			case next <- a:
				waiting = false
			case newer, ok := <-in:
				if !ok {
					out <- a
					return
				}
				drop(a)
				newer.Passed = a.Passed
				a = newer
			}
		}
	}
}
