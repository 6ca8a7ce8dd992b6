package agent

import (
	"github.com/uni-aims/aimsd/stream"
)

// latest passes arrivals on, always the newest: one that is not taken before the next arrives is dropped.
// It returns when in is closed, after passing the last one on.
//
//	in ─▶ newest ─▶ out
//	        └─────▶ drop
func latest(in <-chan stream.Arrival, out chan<- stream.Arrival, drop func(stream.Arrival)) {
	for a := range in {
		for waiting := true; waiting; {
			select {
			case out <- a:
				waiting = false
			case next, ok := <-in:
				if !ok {
					out <- a
					return
				}
				drop(a)
				a = next
			}
		}
	}
}
