package agent

import (
	"context"
	"errors"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/reporting"
)

// closeAll closes every run at stop.
func (r *runs) closeAll(ctx context.Context) {
	r.mu.Lock()
	var ids []string
	for id := range r.open {
		ids = append(ids, id)
	}
	r.mu.Unlock()
	for _, id := range ids {
		r.close(ctx, id, closedByStop)
	}
}

// close writes a run's report, then closes it in the store with its message. Meanwhile frames of other runs
// are taken; one of this run waits in begin. A close that has begun is finished when ctx ends.
func (r *runs) close(ctx context.Context, id, reason string) {
	r.mu.Lock()
	run, ok := r.open[id]
	if !ok || run.closing != nil || (reason != closedByStop && run.inFlight > 0) { // a frame came in between
		r.mu.Unlock()
		return
	}
	run.closing = make(chan struct{})
	for source, current := range r.current {
		if current == id {
			delete(r.current, source)
		}
	}
	r.mu.Unlock()
	if r.OnClosed != nil {
		r.OnClosed(id, run.record.Source)
	}
	err := r.conclude(context.WithoutCancel(ctx), run, reason)
	r.mu.Lock()
	defer r.mu.Unlock()
	close(run.closing)
	if err != nil && reporting.DiskFault(err) && reason != closedByStop {
		run.closing, run.again = nil, r.Now().Add(closeAgain)
		r.Log.Error("run not closed; trying again", zap.String("run_id", id), zap.Duration("in", closeAgain), zap.Error(err))
		return
	}
	if err != nil { // it stays open in the store, and the next start takes it up
		r.Log.Error("run not closed; the next start takes it up", zap.String("run_id", id), zap.Error(err))
	}
	if err := run.out.Close(); err != nil {
		r.Log.Error("run folder not closed", zap.String("run_id", id), zap.Error(err))
	}
	delete(r.open, id)
}

// conclude writes a run's report and closes it in the store.
func (r *runs) conclude(ctx context.Context, run *openRun, reason string) error {
	id := run.record.ID
	rec := run.record
	rec.ClosedAt, rec.Reason = r.Now().UTC(), reason
	rec.Provenance = r.provenance(rec)
	log := r.Log.With(zap.String("run_id", id))
	if err := r.Store.DescribeRun(ctx, id, rec.Provenance); err != nil {
		return err
	}
	if err := writeReport(ctx, r.Store, rec, exitSuccess, run.out.Dir, run.out.Dir); reporting.DiskFault(err) {
		return err
	} else if err != nil {
		log.Error("run report not written", zap.Error(err))
	}
	totals, err := r.Store.RunTotals(ctx, id)
	if err != nil {
		log.Error("run totals not read", zap.Error(err))
	}
	msg, err := r.Builder.Run(reporting.RunMessageOf(rec, totals, run.out.Dir))
	if err != nil {
		log.Error("run message not built", zap.Error(err))
	}
	if err := r.Store.CloseRun(ctx, id, rec.ClosedAt, reason, []reporting.Message{msg}); err != nil && !errors.Is(err, reporting.ErrRunClosed) {
		return err
	}
	log.Info("run closed", zap.String("reason", reason), zap.Int64("frames", totals.Frames.Received),
		zap.Int64("objects", totals.Objects), zap.String("report", filepath.Join(run.out.Dir, reporting.ReportFile)))
	return nil
}

// provenance is what makes a run's results now.
func (r *runs) provenance(rec reporting.RunRecord) []byte {
	b := reporting.Batch{Run: rec}
	if r.Describe != nil {
		r.Describe(&b)
	}
	return b.Provenance().Encode()
}
