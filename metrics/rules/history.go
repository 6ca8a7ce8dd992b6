package rules

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

// maxSources bounds the sources whose past is remembered; the one that was silent longest gives way.
const maxSources = 256

// history is what a set remembers of one source's frames: of the newest ones the numbers and flags that its rules
// look back at, and the first numbers of the present run.
//
//	pushed:      0 1 2 ... n-3 n-2 n-1      the newest `kept` are seen; the ring has one place more, so that
//	                           └ ring ┘     taking the newest back brings the oldest again
type history struct {
	kept    int
	slots   int // numbers of a frame
	pushed  uint64
	frames  []past
	numbers []float64 // slots of each frame
	run     run
	before  run // as it was before the newest frame
}

// past is one frame.
type past struct {
	id    string
	at    time.Time // when it was done
	taken time.Time // when it came
	flags uint64
}

// run is the present run of a source.
type run struct {
	id     string
	frames int         // so far
	first  [][]float64 // by baseline: its number's first defined values
}

func newHistory(kept, slots, baselines int) *history {
	return &history{kept: kept, slots: slots, run: run{first: make([][]float64, baselines)}}
}

// len is how many frames can be looked at.
func (h *history) len() int { return int(min(h.pushed, uint64(h.kept))) }

// place is where a frame is in the ring; back 0 is the newest.
func (h *history) place(back int) int { return int((h.pushed - 1 - uint64(back)) % uint64(h.kept+1)) }

func (h *history) at(back int) *past { return &h.frames[h.place(back)] }

// number is a frame's, NaN where it is undefined.
func (h *history) number(back, slot int) float64 { return h.numbers[h.place(back)*h.slots+slot] }

// push appends a frame with its numbers.
func (h *history) push(p past, numbers []float64) {
	h.pushed++
	if i := h.place(0); i == len(h.frames) {
		h.frames, h.numbers = append(h.frames, p), append(h.numbers, numbers...)
	} else {
		h.frames[i] = p
		copy(h.numbers[i*h.slots:], numbers)
	}
}

// enter counts a frame of a run, and begins the run with it if it is another than before.
func (h *history) enter(id string) {
	h.before.id, h.before.frames, h.before.first = h.run.id, h.run.frames, append(h.before.first[:0], h.run.first...)
	if id != h.run.id || h.run.frames == 0 {
		h.run.id, h.run.frames = id, 0
		clear(h.run.first) // before keeps the old ones
	}
	h.run.frames++
}

// begins takes a number into a baseline until that has n.
func (r *run) begins(baseline, n int, v float64) {
	if first := r.first[baseline]; len(first) < n && !math.IsNaN(v) {
		r.first[baseline] = append(first, v)
	}
}

// takeBack forgets the newest frame.
func (h *history) takeBack() {
	h.pushed--
	h.run, h.before = h.before, h.run
}

// last is when the source's newest frame was done.
func (h *history) last() time.Time {
	if h.len() == 0 {
		return time.Time{}
	}
	return h.at(0).at
}

// of returns a source's history, begun if there is none.
func (s *Set) of(source string) *history {
	h := s.histories[source]
	if h == nil {
		if len(s.histories) >= maxSources {
			sources := slices.Collect(maps.Keys(s.histories))
			delete(s.histories, slices.MinFunc(sources, func(a, b string) int {
				return cmp.Or(s.histories[a].last().Compare(s.histories[b].last()), cmp.Compare(a, b))
			}))
		}
		h = newHistory(s.table.kept, len(s.table.slots), len(s.table.baselines))
		s.histories[source] = h
	}
	return h
}
