package reporting

import (
	"context"
	"time"
)

// lateAfter is the age from which a message counts as late though its connection stood all the while.
const lateAfter = 5 * time.Second

// pastBytes bounds what is under way of the past, so that a slow line does not hold up the present.
const pastBytes = 64 << 10

// lane is one way through the outbox, by ascending id.
type lane struct {
	after int64 // highest id taken
	queue []Message
	more  bool // there may be more in the outbox
}

// lanes order what waits in the outbox when a connection begins (the past) and what comes after (the present):
//
//	id > last ──▶ alerts without a past ─▶ urgent ──┐
//	   │      └─▶ alerts with a past ──────┐        │
//	   └────────▶ all others ─▶ present ───┼────────┼──▶ broker
//	id <= last ─▶ alerts ──────────────────┴ alerts ┤
//	          └─▶ all others ─▶ others ─────────────┘
//
// The past goes first, in the order in which it was made, marked as historical. When it is so much that the present
// has waited for patience, the present overtakes it: then order holds within the present and within the past, for
// every key. Alerts are the exception at both ends: one without a past goes at once, and one with a past never
// overtakes it, since the last message on a retained topic must be the last to arrive.
type lanes struct {
	store    Outbox
	window   int
	patience time.Duration
	parked   func(Message) bool // set aside: not to be sent now

	last    int64 // id up to which it is the past
	left    int64 // messages of the past not yet sent; evicted ones count until the past is over
	urgent  []Message
	present lane
	alerts  lane
	others  lane
	again   []Message // of the past: set aside once, tried again

	held       map[string]int     // messages of an alert, by key, that wait in the alerts lane
	skipped    map[int64]struct{} // present alerts that take the alerts lane
	waiting    time.Time          // since when the present waits for the past; zero: it does not
	overtaking bool
	turn       int
}

// begin finds out what is the past.
func (l *lanes) begin(ctx context.Context) (err error) {
	if l.last, l.left, l.held, err = l.store.Backlog(ctx); err != nil {
		return err
	}
	l.skipped = map[int64]struct{}{}
	l.present = lane{after: l.last, more: true}
	l.alerts.more, l.others.more = true, true
	return nil
}

// fetch fills the lanes that are empty, from the outbox, a window at a time.
func (l *lanes) fetch(ctx context.Context) error {
	for len(l.urgent)+len(l.present.queue) < l.window && l.present.more {
		msgs, err := l.store.NextMessages(ctx, l.present.after, l.window)
		if err != nil {
			return err
		}
		l.present.more = len(msgs) == l.window
		for _, m := range msgs {
			l.present.after = m.ID
			switch {
			case l.parked(m):
			case m.class() == classAlert && l.held[m.Key] > 0:
				l.held[m.Key]++
				l.skipped[m.ID] = struct{}{}
				l.alerts.more = true
			case m.class() == classAlert:
				l.urgent = append(l.urgent, m)
			default:
				l.present.queue = append(l.present.queue, m)
			}
		}
	}
	// Not beyond what the present has decided about.
	for len(l.alerts.queue) == 0 && l.alerts.more {
		msgs, err := l.store.NextAlertMessages(ctx, l.alerts.after, l.present.after, l.window)
		if err != nil {
			return err
		}
		l.alerts.more = len(msgs) == l.window
		for _, m := range msgs {
			l.alerts.after = m.ID
			if _, skipped := l.skipped[m.ID]; (m.ID <= l.last || skipped) && !l.parked(m) {
				l.alerts.queue = append(l.alerts.queue, m)
			}
		}
	}
	if len(l.alerts.queue) == 0 { // what was counted and did not come is gone from the outbox, or set aside
		clear(l.held)
		clear(l.skipped)
	}
	for len(l.others.queue) == 0 && l.others.more {
		msgs, err := l.store.NextOtherMessages(ctx, l.others.after, l.last, l.window)
		if err != nil {
			return err
		}
		l.others.more = len(msgs) == l.window
		for _, m := range msgs {
			l.others.after = m.ID
			if !l.parked(m) {
				l.others.queue = append(l.others.queue, m)
			}
		}
	}
	return nil
}

// next takes the message to send next; ok is false when none can go now. The past goes only while less than
// three quarters of the window and pastBytes of it are under way, so that there is room for the present.
func (l *lanes) next(pastFlying, pastFlyingBytes int, now time.Time) (m Message, past, ok bool) {
	if len(l.urgent) > 0 {
		return pop(&l.urgent), false, true
	}
	from := l.pastLane()
	if from == nil {
		l.left, l.overtaking, l.waiting = 0, false, time.Time{}
		if len(l.present.queue) == 0 {
			return Message{}, false, false
		}
		return pop(&l.present.queue), false, true
	}
	blocked := pastFlying > 0 && (pastFlying >= max(l.window*3/4, 1) || pastFlyingBytes+len((*from)[0].Payload) > pastBytes)
	if l.overtakes(now) {
		if l.turn++; blocked || l.turn%4 != 0 { // the past is not held up for ever
			return pop(&l.present.queue), false, true
		}
	}
	if blocked {
		return Message{}, false, false
	}
	l.left--
	m = pop(from)
	if from == &l.alerts.queue {
		delete(l.skipped, m.ID)
		if l.held[m.Key]--; l.held[m.Key] <= 0 {
			delete(l.held, m.Key)
		}
	}
	return m, true, true
}

// overtakes reports whether the present goes before the past: it has waited for patience and what is left of the
// past is more than a moment's work, or it has waited twice as long.
func (l *lanes) overtakes(now time.Time) bool {
	switch {
	case len(l.present.queue) == 0:
		l.waiting = time.Time{}
		return false
	case l.waiting.IsZero():
		l.waiting = now
	}
	waited := now.Sub(l.waiting)
	l.overtaking = l.overtaking || waited >= 2*l.patience || (waited >= l.patience && l.left > int64(4*l.window))
	return l.overtaking
}

func (l *lanes) pastLane() *[]Message {
	for _, q := range []*[]Message{&l.again, &l.alerts.queue, &l.others.queue} {
		if len(*q) > 0 {
			return q
		}
	}
	return nil
}

// empty reports whether nothing that was fetched waits, and nothing more is to be fetched.
func (l *lanes) empty() bool {
	return len(l.urgent) == 0 && len(l.present.queue) == 0 && l.pastLane() == nil && !l.present.more && !l.alerts.more && !l.others.more
}

func pop(queue *[]Message) Message {
	m := (*queue)[0]
	if *queue = (*queue)[1:]; len(*queue) == 0 {
		*queue = nil
	}
	return m
}

// historical marks a message's JSON object as late. Its time and id stay as they are.
func historical(payload []byte) []byte {
	const flag = `{"historical":true,`
	if len(payload) < 3 || payload[0] != '{' || payload[1] != '"' {
		return payload
	}
	return append(append(make([]byte, 0, len(flag)+len(payload)), flag...), payload[1:]...)
}
