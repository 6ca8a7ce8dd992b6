package stream

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// pushedFrame is a streamed frame between its admission and its outcome.
type pushedFrame struct {
	mu      sync.Mutex // held while the journal admits it
	settled bool
	waiting []*ackQueue // streams that want to know
}

// frameID is a streamed frame's identity, as the journal's: source and frame_uid.
func frameID(h *aimsv1.FrameHeader) string {
	return cmp.Or(h.GetSource(), grpcSourceName) + "\x00" + h.GetFrameUid()
}

func (s *PushServer) inFlight(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frames[id] != nil
}

// enter returns the frame's entry; a new one comes locked.
func (s *PushServer) enter(id string) (p *pushedFrame, isNew bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p = s.frames[id]; p != nil {
		return p, false
	}
	p = &pushedFrame{}
	p.mu.Lock()
	s.frames[id] = p
	return p, true
}

func (s *PushServer) leave(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.frames, id)
}

// join brings a completely received frame and its outcome together: the first stream to get here has it
// journalled and processed, any other only waits. pixels are nil for a frame that was in flight when its
// header came; release gives its memory back. An error ends the stream.
func (r *receiver) join(ctx context.Context, pixels *assembler, release func()) error {
	id, uid := frameID(r.header), r.header.GetFrameUid()
	for {
		p, isNew := r.s.enter(id)
		if isNew {
			return r.admit(ctx, p, pixels, release)
		}
		p.mu.Lock()
		if p.settled { // just now: ask the journal
			p.mu.Unlock()
			continue
		}
		p.waiting = append(p.waiting, r.q)
		r.q.accept(uid)
		p.mu.Unlock()
		release()
		r.s.counts.duplicate.Add(1)
		return nil
	}
}

// admit has the journal take a frame and hands it on. p is new and locked.
func (r *receiver) admit(ctx context.Context, p *pushedFrame, pixels *assembler, release func()) error {
	id, uid := frameID(r.header), r.header.GetFrameUid()
	receipt := receiptOf(r.header, r.layout)
	give := func(ack *aimsv1.FrameAck) {
		r.s.leave(id)
		p.settled = true
		p.mu.Unlock()
		release()
		if ack != nil {
			r.q.push(ack)
		}
	}
	admission, err := r.s.Journal.Admit(ctx, receipt)
	switch {
	case err != nil:
		r.s.counts.busy.Add(1)
		r.log.Error("the journal does not take frames", zap.String("frame_uid", uid), zap.Error(err))
		give(&aimsv1.FrameAck{FrameUid: uid, State: aimsv1.FrameAck_BUSY, Reason: "the journal does not take frames now: send it again later"})
		return nil
	case admission.State.Final():
		r.s.counts.duplicate.Add(1)
		give(duplicateAck(uid, admission))
		return nil
	case pixels == nil: // the run that had it in flight was stopped
		give(&aimsv1.FrameAck{FrameUid: uid, State: aimsv1.FrameAck_BUSY, Reason: "its first copy was lost: send it again"})
		return nil
	}
	r.s.counts.accepted.Add(1)
	p.waiting = []*ackQueue{r.q}
	r.q.accept(uid)
	p.mu.Unlock()
	open, abandon := opened(frameOf(r.header, receipt, admission), pixels, release)
	a := Arrival{
		Receipt:   receipt,
		Admission: admission,
		Open:      open,
		Settle: func(o Outcome) {
			r.s.leave(id)
			abandon()
			p.acknowledge(outcomeAck(uid, o))
		},
	}
	if !r.s.deliver(r.run, a) {
		r.s.leave(id)
		abandon()
		return errStopping()
	}
	return nil
}

// opened returns an Arrival's Open for a frame in memory, which gives it away once, and what gives its memory
// back if it was not: from then on the frame's own Release does.
func opened(f *Frame, pixels *assembler, release func()) (open func(context.Context) (*Frame, error), abandon func()) {
	f.Gray8, f.Gray16, f.SHA256 = pixels.gray8, pixels.gray16, pixels.sha256()
	f.OnRelease(release)
	var taken atomic.Bool
	open = func(context.Context) (*Frame, error) {
		if taken.Swap(true) {
			return nil, fmt.Errorf("frame %s: its pixels were already taken", f.Name)
		}
		return f, nil
	}
	return open, func() {
		if !taken.Swap(true) {
			f.Release()
		}
	}
}

// acknowledge tells every waiting stream the outcome.
func (p *pushedFrame) acknowledge(ack *aimsv1.FrameAck) {
	p.mu.Lock()
	waiting := p.waiting
	p.waiting, p.settled = nil, true
	p.mu.Unlock()
	for _, q := range waiting {
		q.settle(ack)
	}
}

// outcomeAck is the acknowledgement of a frame's end.
func outcomeAck(uid string, o Outcome) *aimsv1.FrameAck {
	ack := &aimsv1.FrameAck{FrameUid: uid, State: aimsv1.FrameAck_DONE, Reason: o.Reason}
	switch o.State {
	case StateRejected:
		ack.State = aimsv1.FrameAck_REJECTED
	case StateGated, StateDropped:
		if ack.Reason == "" {
			ack.Reason = string(o.State)
		}
	}
	ack.Result = resultOf(o.Result)
	return ack
}

// duplicateAck is the acknowledgement of a frame that was finished before.
func duplicateAck(uid string, ad Admission) *aimsv1.FrameAck {
	ack := &aimsv1.FrameAck{FrameUid: uid, State: aimsv1.FrameAck_DUPLICATE, Reason: string(ad.State), Result: resultOf(ad.Result)}
	if ack.Result == nil {
		ack.Result = &aimsv1.FrameResult{FrameId: ad.FrameID, RunId: ad.RunID}
	}
	return ack
}

// resultOf reads the fields of a committed summary; nil when there is none.
func resultOf(summary []byte) *aimsv1.FrameResult {
	var s struct {
		FrameID     string   `json:"frame_id"`
		RunID       string   `json:"run_id"`
		Objects     uint32   `json:"objects"`
		NmPerPx     *float64 `json:"nm_per_px"`
		ScaleSource string   `json:"scale_source"`
		Folder      string   `json:"folder"`
	}
	if len(summary) == 0 {
		return nil
	}
	r := &aimsv1.FrameResult{SummaryJson: string(summary)}
	if json.Unmarshal(summary, &s) == nil {
		r.FrameId, r.RunId, r.Objects, r.ScaleSource, r.Folder = s.FrameID, s.RunID, s.Objects, s.ScaleSource, s.Folder
		if s.NmPerPx != nil {
			r.NmPerPx = *s.NmPerPx
		}
	}
	return r
}
