package agent

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// writeReport writes a run's tables and report into dir, from the store and the folder where its frames lie.
// A run that is not closed is reported up to its last frame.
func writeReport(ctx context.Context, store *reporting.Store, rec reporting.RunRecord, exit, frames, dir string) error {
	made, err := reporting.DecodeProvenance(rec.Provenance)
	if err != nil {
		return err
	}
	b := reporting.Batch{Run: rec, ExitStatus: exit, Generated: rec.ClosedAt}
	if rec.ClosedAt.IsZero() {
		b.Generated = rec.LastFrame
	}
	b.SetProvenance(made)
	if err := gatherInputs(ctx, store, rec.ID, &b); err != nil {
		return err
	}
	if b.Frames, err = store.RunTotals(ctx, rec.ID); err != nil {
		return err
	}
	if b.Alerts, err = store.AlertChanges(ctx, rec.ID); err != nil {
		return err
	}
	return reporting.WriteBatchFrom(frames, dir, b)
}

// gatherInputs lists a run's frames from the store, in their order.
func gatherInputs(ctx context.Context, store *reporting.Store, id string, b *reporting.Batch) error {
	results, milled := map[string]*reporting.FrameResult{}, map[string]*reporting.MillingFrame{}
	for res, err := range store.Results(ctx, id) {
		if err != nil {
			return err
		}
		if m := reporting.MillingFrameOf(res.Frame.Source, res.Frame.Seq, res.Result.Milling); m != nil {
			milled[res.Frame.ID] = m
		}
		// A run may have hundreds of thousands of frames: only what reports show of each is kept in memory.
		res.Result.Statistics = map[string]metrics.Stat{"ecd_px": res.Result.Statistics["ecd_px"]}
		res.Result.Acquisition, res.Result.Milling, res.Frame = nil, nil, reporting.FrameRecord{ID: res.Frame.ID}
		results[res.Frame.ID] = &res
	}
	frames, err := store.Frames(ctx, id)
	if err != nil {
		return err
	}
	for _, f := range frames {
		in := reporting.BatchInput{Path: pagePath(f.Path, f.Name), Folder: f.Folder, Error: f.Reason}
		if in.Path == "" {
			in.Path = f.Name
		}
		switch f.State {
		case "processed":
			res, ok := results[f.ID]
			if !ok {
				in.Status, in.Error = reporting.StatusGated, "its result was removed by retention"
				break
			}
			in.Status, in.Result, in.Sizes, in.Error = reporting.StatusOK, &res.Result, res.Sizes, ""
			in.Milling = milled[f.ID]
		case "gated":
			in.Status = reporting.StatusGated
		case "dropped":
			in.Status = reporting.StatusDropped
		case "rejected":
			in.Status = reporting.StatusFailed
		default: // still in flight: it belongs to a later report
			continue
		}
		b.Inputs = append(b.Inputs, in)
	}
	return nil
}

// pagePath adds to a file's path the page that a frame's name ends in (see stream.PageName).
func pagePath(path, name string) string {
	number, ok := strings.CutPrefix(name, filepath.Base(path)+".p")
	page, err := strconv.Atoi(number)
	if path == "" || !ok || err != nil {
		return path
	}
	return stream.PageID(path, page)
}
