package rules

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"time"
)

// Mark is a moment to which Rollback returns.
type Mark struct {
	states    []State
	evaluated uint64
}

// Mark remembers the present moment.
func (s *Set) Mark() Mark {
	states := s.State()
	s.mu.Lock()
	defer s.mu.Unlock()
	return Mark{states, s.evaluated}
}

// Rollback undoes what came after a mark: of frames one at most, Ticks and Restores as many as there were.
func (s *Set) Rollback(m Mark, now time.Time) {
	s.Restore(m.states, now)
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.histories[s.newest]; h != nil && s.evaluated == m.evaluated+1 {
		h.takeBack()
	}
	s.evaluated = m.evaluated
}

// Window is how many of a source's newest frames the rules look at; 0: no rule looks back.
func (s *Set) Window() int { return s.table.kept }

// Past is what a store knows of one source's frames before the next one.
type Past struct {
	Source string
	Recent []Input   // the newest Window() of them, oldest first
	Runs   []PastRun // that the source's next frame can be of, the likeliest last; few are remembered
}

// PastRun is the beginning of a run.
type PastRun struct {
	ID     string
	Frames int             // of the source
	First  iter.Seq[Input] // from the first on; no more is asked for than the rules need
}

// Recall takes up what a store knows of a source's past. Numbers that are remembered already stay, as the store may
// not have all of them.
func (s *Set) Recall(p Past) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table.kept == 0 || len(p.Recent) == 0 {
		return
	}
	old, h := s.of(p.Source), newHistory(s.table)
	for i := range p.Recent {
		in := &p.Recent[i]
		s.scope.look(in)
		numbers := s.scope.slots()
		if known := old.find(in.FrameID); known >= 0 {
			for slot, v := range old.numbers[known*old.slots : (known+1)*old.slots] {
				if !math.IsNaN(v) {
					numbers[slot] = v
				}
			}
		}
		h.push(in.past(s.scope.flags), numbers)
	}
	for _, r := range p.Runs[max(0, len(p.Runs)-maxRuns):] {
		begun := h.begin(r.ID)
		begun.frames = r.Frames
		s.recallFirst(begun, r.First)
	}
	for _, r := range old.runs {
		i := slices.IndexFunc(h.runs, func(known *run) bool { return known.id == r.id })
		if i < 0 {
			continue
		}
		h.runs[i].frames = max(h.runs[i].frames, r.frames)
		for b, first := range r.first {
			if len(first) > len(h.runs[i].first[b]) {
				h.runs[i].first[b] = first
			}
		}
	}
	s.histories[p.Source] = h
}

// recallFirst takes a run's beginning from its first frames.
func (s *Set) recallFirst(r *run, frames iter.Seq[Input]) {
	if len(s.table.baselines) == 0 || frames == nil {
		return
	}
	for in := range frames {
		s.scope.look(&in)
		full := true
		for i, b := range s.table.baselines {
			r.begins(i, b.n, s.scope.values[b.name])
			full = full && len(r.first[i]) == b.n
		}
		if full {
			return
		}
	}
}

// find is a frame's place in the ring, -1 where it is not seen.
func (h *history) find(id string) int {
	for back := range h.len() {
		if h.at(back).id == id {
			return h.place(back)
		}
	}
	return -1
}

// Adopt takes over what another set remembers of frames, as far as the rules of this one look at it.
func (s *Set) Adopt(other *Set) {
	if other == nil || other == s {
		return
	}
	other.mu.Lock()
	defer other.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table.kept == 0 {
		return
	}
	sources := make([]string, 0, len(other.histories))
	for source := range other.histories {
		sources = append(sources, source)
	}
	slices.SortFunc(sources, func(a, b string) int {
		return cmp.Or(other.histories[a].last().Compare(other.histories[b].last()), cmp.Compare(a, b))
	})
	for _, source := range sources {
		s.adopt(s.of(source), other, other.histories[source])
	}
}

func (s *Set) adopt(h *history, other *Set, old *history) {
	// from is where the other set keeps a name's numbers, -1 where it does not.
	from := func(kept []int, name int) int {
		return slices.IndexFunc(kept, func(n int) bool { return other.table.names[n].name == s.table.names[name].name })
	}
	slots := make([]int, len(s.table.slots))
	for i, name := range s.table.slots {
		slots[i] = from(other.table.slots, name)
	}
	numbers := make([]float64, len(slots))
	for back := old.len() - 1; back >= 0; back-- {
		for i, slot := range slots {
			numbers[i] = math.NaN()
			if slot >= 0 {
				numbers[i] = old.number(back, slot)
			}
		}
		p := *old.at(back)
		p.flags = 0
		for i, flag := range s.table.flags {
			if j := slices.Index(other.table.flags, flag); j >= 0 && old.at(back).flags&(1<<j) != 0 {
				p.flags |= 1 << i
			}
		}
		h.push(p, numbers)
	}
	beginnings := make([]int, len(other.table.baselines))
	for i, b := range other.table.baselines {
		beginnings[i] = b.name
	}
	for _, was := range old.runs {
		r := h.begin(was.id)
		r.frames = was.frames
		for i, b := range s.table.baselines {
			j := from(beginnings, b.name)
			if j < 0 {
				continue
			}
			// Of a full beginning that is too short the next values are not known.
			if first := was.first[j]; len(first) >= b.n || len(first) < other.table.baselines[j].n {
				r.first[i] = slices.Clone(first[:min(len(first), b.n)])
			}
		}
	}
}
