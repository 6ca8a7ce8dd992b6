package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// drop ends a frame that a newer one has overtaken.
func (p *pipeline) drop(ctx context.Context, a stream.Arrival, reason string) {
	p.commit(ctx, a, reporting.Completion{FrameID: a.FrameID, State: string(stream.StateDropped), Reason: reason, Cause: causeSuperseded})
}

// commit ends a frame in one transaction with its messages, then tells the source. It returns the frame's row
// and the alerts that it raised; ok is false when it could not be committed.
func (p *pipeline) commit(ctx context.Context, a stream.Arrival, c reporting.Completion) (rec reporting.FrameRecord, raised []reporting.AlertState, ok bool) {
	now := p.Now().UTC()
	rec = reporting.FrameRecord{
		ID: a.FrameID, RunID: a.RunID, Source: a.Source, Key: a.Key, Path: a.Path, Name: a.Name, Seq: a.Admission.Seq,
		Size: a.Size, SHA256: c.SHA256, State: c.State, Reason: c.Reason, Folder: c.Folder, DoneAt: now,
	}
	said := rec
	said.Path = stream.PageID(rec.Path, a.Page)
	msg, err := p.Builder.Frame(reporting.FrameMessageOf(said, c.Result))
	if err != nil {
		p.Log.Error("frame message not built", zap.String("frame_id", a.FrameID), zap.Error(err))
	} else {
		c.Summary, c.Messages = msg.Payload, append(c.Messages, msg)
	}
	var next *advised
	p.Millings.preview(rec, c.Result)
	err = p.retry(ctx, "commit", func() (err error) {
		all := c
		var advice []reporting.Message
		if c.Result == nil {
			if next, advice, err = p.Millings.unseen(ctx, a, rec); err != nil {
				return err
			}
			all.Messages = append(slices.Clip(c.Messages), advice...)
			return p.Store.Commit(ctx, all)
		}
		raised, err = p.Alerts.evaluate(ctx, rec, c.Result, func(states []reporting.AlertState, messages []reporting.Message) error {
			if next, advice, err = p.Millings.decide(rec, c.Result, p.Alerts.advices(rec.Source)); err != nil {
				return err
			}
			all.Alerts, all.Messages = states, slices.Concat(c.Messages, advice, messages)
			return p.Store.Commit(ctx, all)
		})
		return err
	})
	if err != nil && !errors.Is(err, reporting.ErrAlreadyFinal) {
		p.Log.Error("frame not committed; it is taken up again at the next start",
			zap.String("frame_id", a.FrameID), zap.String("path", a.Path), zap.Error(err))
		if p.OnDamage != nil && p.Store.Damaged(err) {
			p.OnDamage(err)
		}
		return rec, nil, false
	}
	if err == nil {
		p.Millings.publish(next)
	}
	p.Suspects.clear(a.FrameID)
	a.Settle(stream.Outcome{State: stream.State(c.State), Reason: c.Reason, Result: c.Summary})
	p.Runs.done(ctx, a.RunID, a.EndOfRun)
	p.observe(rec, c, a, now)
	return rec, raised, true
}

// observe logs the frame in one line and counts it.
func (p *pipeline) observe(rec reporting.FrameRecord, c reporting.Completion, a stream.Arrival, now time.Time) {
	res := c.Result
	since := a.ModTime
	if since.IsZero() && res != nil {
		since = res.Time
	}
	latency := max(now.Sub(since), 0)
	if since.IsZero() {
		latency = 0
	}
	fields := []zap.Field{
		zap.String("source", rec.Source), zap.String("run_id", rec.RunID), zap.Uint64("seq", rec.Seq),
		zap.String("name", rec.Name), zap.String("outcome", rec.State), zap.Float64("latency_ms", ms(latency)),
	}
	if res != nil {
		fields = append(fields, zap.Int("objects", res.Objects), zap.String("scale_source", res.Scale.Source),
			zap.Float64("total_ms", res.TimingsMs.Total))
	}
	if rec.State == string(stream.StateRejected) {
		p.Log.Warn("frame", append(fields, zap.String("reason", rec.Reason))...)
	} else {
		p.Log.Info("frame", fields...)
	}
	p.Stats.frame(res, latency)
	if p.OnFrame != nil {
		p.OnFrame(FrameDone{Record: rec, Result: res, Sizes: c.Sizes, Latency: latency})
	}
}
