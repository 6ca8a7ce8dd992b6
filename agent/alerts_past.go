package agent

import (
	"context"
	"fmt"
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
	p := rules.Past{Source: source}
	for i := range recent {
		p.Recent = append(p.Recent, frameInput(&recent[i].Frame, &recent[i].Result))
	}
	run := recent[len(recent)-1].Frame.RunID
	if p.Frames, err = store.CountResults(ctx, run, source); err != nil {
		return err
	}
	p.First = func(yield func(rules.Input) bool) {
		for r, e := range store.DoneResults(ctx, run, source) {
			if e != nil {
				err = e
				return
			}
			if !before.IsZero() && !r.Frame.DoneAt.Before(before) || !yield(frameInput(&r.Frame, &r.Result)) {
				return
			}
		}
	}
	set.Recall(p)
	if err != nil {
		return fmt.Errorf("past of source %s for its rules: %w", source, err)
	}
	return nil
}
