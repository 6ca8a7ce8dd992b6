package agent

import (
	"github.com/uni-aims/aimsd/stream"
)

// supersededAtOnce bounds the frames that wait to be dropped.
const supersededAtOnce = 64

// latest passes arrivals on, always the newest, and only when the one before has passed the pipeline's longest
// stage: one that is not passed on before the next arrives is dropped. So a frame never waits behind older ones
// of its source, and its result is as fresh as it can be: where frames come twice as fast as results, at most
// one and a half times the analysis old. It returns when in is closed, after passing the last one on and
// dropping the others. Dropping takes a commit; it goes on beside, so that the newest does not wait for it.
//
//	in ─▶ newest ─▶ out
//	        └─────▶ superseded ─▶ drop
func latest(in <-chan stream.Arrival, out chan<- stream.Arrival, drop func(stream.Arrival)) {
	superseded, ended := make(chan stream.Arrival, supersededAtOnce), make(chan struct{})
	go func() {
		defer close(ended)
		for a := range superseded {
			drop(a)
		}
	}()
	defer func() { close(superseded); <-ended }()
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
				superseded <- a
				newer.Passed = a.Passed
				a = newer
			}
		}
	}
}
