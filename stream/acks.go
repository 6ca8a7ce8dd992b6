package stream

import (
	"context"
	"sync"

	"google.golang.org/protobuf/proto"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// maxAcksWaiting bounds the acknowledgements a stream may owe a client that sends but does not read.
const maxAcksWaiting = 256

// ackQueue holds the acknowledgements of one stream in order; one goroutine sends them.
type ackQueue struct {
	wake chan struct{} // holds one
	room chan struct{} // holds one

	mu      sync.Mutex
	list    []*aimsv1.FrameAck
	pending int  // frames whose outcome the stream still waits for
	ending  bool // the client sends no more
	closed  bool // the stream is gone
}

func newAckQueue() *ackQueue {
	return &ackQueue{wake: make(chan struct{}, 1), room: make(chan struct{}, 1)}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// push adds an acknowledgement; it never blocks.
func (q *ackQueue) push(ack *aimsv1.FrameAck) { q.add(ack, 0) }

// accept adds the ACCEPTED of a frame whose outcome will follow by settle.
func (q *ackQueue) accept(uid string) {
	q.add(&aimsv1.FrameAck{FrameUid: uid, State: aimsv1.FrameAck_ACCEPTED}, 1)
}

// settle adds the outcome of an accepted frame. Several streams may share ack.
func (q *ackQueue) settle(ack *aimsv1.FrameAck) {
	own, _ := proto.Clone(ack).(*aimsv1.FrameAck)
	q.add(own, -1)
}

func (q *ackQueue) add(ack *aimsv1.FrameAck, pending int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending += pending
	if !q.closed {
		q.list = append(q.list, ack)
		signal(q.wake)
	}
}

// end says that the client sends no more: send returns once every outcome is sent.
func (q *ackQueue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ending = true
	signal(q.wake)
}

// close drops what is left; the client will resend.
func (q *ackQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.list = true, nil
}

func (q *ackQueue) take() (list []*aimsv1.FrameAck, finished bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	list, q.list = q.list, nil
	signal(q.room)
	return list, q.closed || q.ending && q.pending == 0 && len(list) == 0
}

// waitRoom blocks a client that sends faster than it reads.
func (q *ackQueue) waitRoom(ctx context.Context) error {
	for {
		q.mu.Lock()
		full := len(q.list) > maxAcksWaiting
		q.mu.Unlock()
		if !full {
			return nil
		}
		select {
		case <-q.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// send sends acknowledgements until the stream ends.
func (q *ackQueue) send(ctx context.Context, send func(*aimsv1.FrameAck) error, credits func() uint32) error {
	for {
		list, finished := q.take()
		if finished {
			return nil
		}
		for _, ack := range list {
			ack.Credits = credits()
			if err := send(ack); err != nil {
				return err
			}
		}
		if len(list) > 0 {
			continue
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
