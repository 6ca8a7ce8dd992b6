package steer

import "sync"

// journalLimit bounds what waits for a journal that cannot be written; beyond it, what was ignored is left out.
const journalLimit = 1024

// journal is the queue between acting and recording, so that a full disk delays no pause.
type journal struct {
	noted chan struct{}

	mu     *sync.Mutex
	events []event
	last   Command
}

// event is one of both.
type event struct {
	command *Command
	arming  *ArmState
}

func newJournal() journal {
	return journal{noted: make(chan struct{}, 1), mu: new(sync.Mutex)}
}

// command queues a record. One that asked for nothing and says the same as the one before is left out: a paused mill is
// advised to pause with every frame.
func (j *journal) command(c Command) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.last
	same := c.RunID == l.RunID && c.Source == l.Source && c.Advice == l.Advice && c.Outcome == l.Outcome && c.Why == l.Why
	if c.Requests == 0 && (same || len(j.events) >= journalLimit && c.Outcome == Ignored) {
		return false
	}
	j.last = c
	j.add(event{command: &c})
	return true
}

// arming queues a change of the arming.
func (j *journal) arming(s ArmState) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last = Command{}
	j.add(event{arming: &s})
}

func (j *journal) add(e event) {
	j.events = append(j.events, e)
	select {
	case j.noted <- struct{}{}:
	default:
	}
}

// deliver hands the events over, in order; at the end those that are left.
func (j *journal) deliver(end <-chan struct{}, record func(Command), changed func(ArmState)) {
	for last := false; ; {
		j.mu.Lock()
		events := j.events
		j.events = nil
		j.mu.Unlock()
		for _, e := range events {
			switch {
			case e.command != nil && record != nil:
				record(*e.command)
			case e.arming != nil && changed != nil:
				changed(*e.arming)
			}
		}
		if last {
			return
		}
		select {
		case <-j.noted:
		case <-end:
			last = true
		}
	}
}
