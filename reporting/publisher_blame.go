package reporting

import (
	"time"

	"go.uber.org/zap"
)

// suspect is a message at which connections end: see Publisher.blame.
type suspect struct {
	id    int64
	times int
}

// parked is a message that was set aside. Messages of one alert stay in order: while one is set aside, so are
// those after it.
type parked struct {
	until time.Time
	key   string // of an alert, "" otherwise
	again bool   // it is tried again
}

// After blameLimit connections in a row that ended with the same message first in line, the last ones with
// nothing else under way, the message is set aside for parkTime, so that one that the broker refuses does not
// hold up all others. It stays in the outbox.
const (
	blameLimit = 5
	parkTime   = 10 * time.Minute
	shortLived = 5 * time.Second
)

func (p *Publisher) blame(s *session) {
	switch {
	case !s.greeted:
		return // the broker did not take the greeting either
	case s.firstWaiting == 0:
		p.suspect = suspect{}
		return
	case p.suspect.id != s.firstWaiting:
		p.suspect = suspect{id: s.firstWaiting}
	}
	if p.suspect.times++; p.suspect.times < blameLimit {
		return
	}
	p.Log.Error("broker ends the connection at this message: set aside and tried again later; see the broker's size limit and access list",
		zap.Int64("message", p.suspect.id), zap.String("topic", s.firstMessage.Topic), zap.Duration("retry_in", parkTime))
	p.park(s.firstMessage, p.Now().Add(parkTime))
	p.suspect = suspect{}
}

func (p *Publisher) park(m Message, until time.Time) {
	it := parked{until: until}
	if m.class() == classAlert {
		it.key = m.Key
	}
	p.parked[m.ID] = it
}

// isParked reports whether a message is not to be sent now, because it or an earlier one of its alert is set
// aside.
func (p *Publisher) isParked(m Message) bool {
	if len(p.parked) == 0 {
		return false
	}
	if _, ok := p.parked[m.ID]; ok {
		return true
	}
	if m.class() == classAlert {
		for _, other := range p.parked {
			if other.key == m.Key {
				p.park(m, other.until)
				return true
			}
		}
	}
	return false
}

// retryParked lets a new connection take up what was set aside long enough ago, and what the last one was about to
// try again, in their place among all others.
func (p *Publisher) retryParked() {
	now := p.Now()
	for id, it := range p.parked {
		if it.again || !now.Before(it.until) {
			delete(p.parked, id)
		}
	}
}
