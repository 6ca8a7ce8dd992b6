// Package streamtest has what tests of sources and of their users need: a journal in memory.
package streamtest

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/uni-aims/aimsd/stream"
)

// Journal is a stream.Journal in memory. The zero value is empty and ready; it outlives the sources that
// use it, as a store outlives a restart.
type Journal struct {
	mu      sync.Mutex
	frames  map[string]*entry // by source and key
	order   []*entry
	sources map[string]bool
	fault   error
	recalls int
	open    int
}

type entry struct {
	receipt   stream.Receipt
	admission stream.Admission
}

var (
	_ stream.Journal  = (*Journal)(nil)
	_ stream.Recaller = (*Journal)(nil)

	_ stream.Withdrawer = (*Journal)(nil)
)

// Fail makes every call return err until it is nil again.
func (j *Journal) Fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fault = err
}

// Admit implements stream.Journal.
func (j *Journal) Admit(_ context.Context, r stream.Receipt) (stream.Admission, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fault != nil {
		return stream.Admission{}, j.fault
	}
	a := j.record(r, stream.StateAccepted).admission
	if a.State == stream.StateAccepted {
		j.open++
	}
	return a, nil
}

// Withdraw implements stream.Withdrawer.
func (j *Journal) Withdraw(stream.Admission) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.open--
}

// Open returns how many admissions were neither finished nor withdrawn.
func (j *Journal) Open() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.open
}

// Skip implements stream.Journal.
func (j *Journal) Skip(_ context.Context, rs []stream.Receipt) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fault != nil {
		return j.fault
	}
	for _, r := range rs {
		j.record(r, stream.StateGated)
	}
	return nil
}

// FirstSight implements stream.Journal.
func (j *Journal) FirstSight(_ context.Context, source string) (bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fault != nil {
		return false, j.fault
	}
	if j.sources == nil {
		j.sources = map[string]bool{}
	}
	first := !j.sources[source]
	j.sources[source] = true
	return first, nil
}

// Recall implements stream.Recaller.
func (j *Journal) Recall(_ context.Context, source, keyPrefix string) (bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fault != nil {
		return false, j.fault
	}
	for id, e := range j.frames {
		if strings.HasPrefix(id, source+"\x00"+keyPrefix) && e.admission.State.Final() {
			j.recalls++
			return true, nil
		}
	}
	return false, nil
}

// Finish settles a frame in the journal and then with its source, as the pipeline does.
func (j *Journal) Finish(a stream.Arrival, o stream.Outcome) {
	j.mu.Lock()
	if e := j.frames[a.Source+"\x00"+a.Key]; e != nil {
		e.admission.State, e.admission.Result = o.State, o.Result
		j.open--
	}
	j.mu.Unlock()
	a.Settle(o)
}

// Receipts returns what was recorded, in order, in any of the given states; in all when none is given.
func (j *Journal) Receipts(states ...stream.State) []stream.Receipt {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []stream.Receipt
	for _, e := range j.order {
		keep := len(states) == 0
		for _, s := range states {
			keep = keep || s == e.admission.State
		}
		if keep {
			out = append(out, e.receipt)
		}
	}
	return out
}

// Recalls returns how often Recall answered yes.
func (j *Journal) Recalls() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.recalls
}

func (j *Journal) record(r stream.Receipt, state stream.State) *entry {
	id := r.Source + "\x00" + r.Key
	if e, ok := j.frames[id]; ok {
		return e
	}
	if j.frames == nil {
		j.frames = map[string]*entry{}
	}
	seq := r.Seq
	if seq == 0 {
		seq = uint64(len(j.order) + 1)
	}
	run := r.RunHint
	if run == "" {
		run = "run-1"
	}
	e := &entry{receipt: r, admission: stream.Admission{
		FrameID: fmt.Sprintf("frame-%06d", len(j.order)+1), RunID: run, Seq: seq, State: state,
	}}
	j.frames[id] = e
	j.order = append(j.order, e)
	return e
}
