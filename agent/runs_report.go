package agent

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// report writes a run's tables and report from the store.
func (r *runs) report(ctx context.Context, rec reporting.RunRecord, dir string) error {
	b := reporting.Batch{Run: rec, Generated: rec.ClosedAt}
	if r.Describe != nil {
		r.Describe(&b)
	}
	if err := gatherInputs(ctx, r.Store, rec.ID, &b); err != nil {
		return err
	}
	return reporting.WriteBatch(dir, b)
}

// gatherInputs lists a run's frames from the store, in their order.
func gatherInputs(ctx context.Context, store *reporting.Store, id string, b *reporting.Batch) error {
	results := map[string]reporting.FrameResult{}
	for res, err := range store.Results(ctx, id) {
		if err != nil {
			return err
		}
		results[res.Frame.ID] = res
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
			res := results[f.ID]
			in.Status, in.Result, in.Sizes, in.Error = reporting.StatusOK, &res.Result, res.Sizes, ""
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
