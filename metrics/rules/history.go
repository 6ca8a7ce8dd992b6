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

// maxRuns bounds the runs of a source whose beginning is remembered: as many can take turns.
const maxRuns = 8

// history is what a set remembers of one source's frames: of the newest ones the numbers and flags that its rules
// look back at, and the first numbers of its latest runs.
//
//	pushed:      0 1 2 ... n-3 n-2 n-1      the newest `kept` are seen; the ring has one place more, so that
//	                           └ ring ┘     taking the newest back brings the oldest again
type history struct {
	kept    int
	slots   int // numbers of a frame
	pushed  uint64
	frames  []past
	numbers []float64 // slots of each frame
	runs    []*run    // the one of the newest frame last
	undo    undo

	baselines int
}

// past is one frame.
type past struct {
	id    string
	at    time.Time // when it was done
	taken time.Time // when it came
	flags uint64
}

// run is a run of a source, as far as it came.
type run struct {
	id     string
	frames int
	first  [][]float64 // by baseline: its number's first defined values
}

// undo is what the newest frame changed in the runs.
type undo struct {
	runs   []*run
	frames int         // of the newest frame's run, before
	first  [][]float64 // the same
}

func newHistory(t *table) *history {
	return &history{kept: t.kept, slots: len(t.slots), baselines: len(t.baselines)}
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

// enter counts a frame of a run and returns the run.
func (h *history) enter(id string) *run {
	h.undo.runs = append(h.undo.runs[:0], h.runs...)
	r := h.begin(id)
	h.undo.frames, h.undo.first = r.frames, append(h.undo.first[:0], r.first...)
	r.frames++
	return r
}

// begin makes a run, known or new, the present one.
func (h *history) begin(id string) *run {
	i := slices.IndexFunc(h.runs, func(r *run) bool { return r.id == id })
	r := &run{id: id, first: make([][]float64, h.baselines)}
	switch {
	case i >= 0:
		r = h.runs[i]
		h.runs = slices.Delete(h.runs, i, i+1)
	case len(h.runs) == maxRuns:
		h.runs = slices.Delete(h.runs, 0, 1)
	}
	h.runs = append(h.runs, r)
	return r
}

// present is the run of the newest frame.
func (h *history) present() *run { return h.runs[len(h.runs)-1] }

// begins takes a number into a baseline until that has n.
func (r *run) begins(baseline, n int, v float64) {
	if first := r.first[baseline]; len(first) < n && !math.IsNaN(v) {
		r.first[baseline] = append(first, v)
	}
}

// takeBack forgets the newest frame.
func (h *history) takeBack() {
	h.pushed--
	r := h.present()
	r.frames = h.undo.frames
	copy(r.first, h.undo.first)
	h.runs = append(h.runs[:0], h.undo.runs...)
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
		h = newHistory(s.table)
		s.histories[source] = h
	}
	return h
}
