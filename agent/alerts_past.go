package agent

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/uni-aims/aimsd/metrics/rules"
	"github.com/uni-aims/aimsd/reporting"
)

// recallAll gives rules the past of every source that the store knows.
func recallAll(ctx context.Context, store *reporting.Store, set *rules.Set) error {
	if set.Window() == 0 {
		return nil
	}
	counts, err := store.Counts(ctx)
	if err != nil {
		return err
	}
	for _, source := range slices.Sorted(maps.Keys(counts)) {
		if err := recall(ctx, store, set, source, time.Time{}); err != nil {
			return err
		}
	}
	return nil
}

// recall gives rules the past of a source before a time, the zero one for all of it.
func recall(ctx context.Context, store *reporting.Store, set *rules.Set, source string, before time.Time) error {
	recent, err := store.RecentResults(ctx, source, before, set.Window())
	if err != nil || len(recent) == 0 {
		return err
	}
	var failed error
	p := rules.Past{Source: source}
	for i := range recent {
		p.Recent = append(p.Recent, frameInput(&recent[i].Frame, &recent[i].Result))
	}
	open, err := store.OpenRuns(ctx)
	if err != nil {
		return err
	}
	var ids []string
	for _, r := range open {
		ids = append(ids, r.ID)
	}
	for i := range recent { // the one of the newest frame last
		run := recent[i].Frame.RunID
		ids = append(slices.DeleteFunc(ids, func(id string) bool { return id == run }), run)
	}
	for _, run := range ids {
		n, err := store.CountResults(ctx, run, source)
		if err != nil {
			return err
		}
		if n > 0 {
			p.Runs = append(p.Runs, rules.PastRun{ID: run, Frames: n, First: inputs(store.DoneResults(ctx, run, source), &failed)})
		}
	}
	set.Recall(p)
	return failed
}

// inputs are results as rules see them; an error ends them and is put into failed.
func inputs(results iter.Seq2[reporting.FrameResult, error], failed *error) iter.Seq[rules.Input] {
	return func(yield func(rules.Input) bool) {
		for r, err := range results {
			if err != nil {
				*failed = err
				return
			}
			if !yield(frameInput(&r.Frame, &r.Result)) {
				return
			}
		}
	}
}
