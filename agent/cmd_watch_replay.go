package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/uni-aims/aimsd/metrics/milling"
	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// replay decides about a run's recorded observations again, source by source.
type replay struct {
	Out      io.Writer
	Plans    map[string]milling.Plan // by source
	trackers map[string]*milling.Tracker

	frames, compared int
	differ, advised  int    // decisions, and advices among them, that are other ones
	first, firstWord string // what differs first, and the first other advice
	unplanned        map[string]bool
}

// replayRun is watch --replay.
func replayRun(c *cobra.Command, r *aimsv1.WatchRequest, asJSON bool, f *feedbackFlags) error {
	switch {
	case r.GetRunId() == "":
		return usagef("watch: --replay needs a run; name it with --run ID")
	case asJSON || f.address != "":
		return usagef("watch: --replay reads the store; leave out --json and --address")
	}
	cfg, path, err := usualConfig(f.config)
	if err != nil {
		return err
	}
	p := &replay{Out: c.OutOrStdout(), Plans: cfg.plans()}
	return p.run(c.Context(), cfg.DataDir, r.GetRunId(), r.GetSource(), path)
}

// run replays a run of a store; source "" is every one. It returns a failedError unless every decision is the recorded
// one.
func (p *replay) run(ctx context.Context, data, id, source, config string) (err error) {
	store, _, err := storedRun(ctx, data, id)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	p.trackers, p.unplanned = map[string]*milling.Tracker{}, map[string]bool{}
	frames, err := observed(ctx, store, id, source)
	if err != nil {
		return err
	}
	for i := range frames {
		if err := p.frame(&frames[i]); err != nil {
			return err
		}
	}
	return p.conclude(id, config)
}

// frame decides about a frame again and prints it. Without a plan the recorded decision is printed.
func (p *replay) frame(seen *observedFrame) error {
	p.frames++
	decision := seen.Decision
	if plan, ok := p.Plans[seen.source]; ok {
		tracker := p.trackers[seen.source]
		if tracker == nil {
			tracker = milling.NewTracker(plan)
			p.trackers[seen.source] = tracker
		}
		again := tracker.Decide(seen.Observation)
		if seen.Decision != nil {
			if err := p.compare(seen, &again); err != nil {
				return err
			}
		}
		decision = &again
	} else {
		p.unplanned[seen.source] = true
	}
	if decision == nil {
		_, err := fmt.Fprintf(p.Out, "%s  %s  frame %d  no decision was recorded\n", clockText(seen.Observation.FrameTime), plainText(seen.source), seen.seq)
		return err
	}
	text := adviceLine(seen.Observation.FrameTime.UTC(), seen.source, seen.seq, decision.Advice, decision.Text, decision.Reasons)
	_, err := fmt.Fprintln(p.Out, plainText(text))
	return err
}

// compare notes where two decisions differ.
func (p *replay) compare(seen *observedFrame, is *milling.Decision) error {
	was := seen.Decision
	p.compared++
	name, old, now, err := firstDifference(was, is)
	if err != nil {
		return fmt.Errorf("frame %d of source %s: %w", seen.seq, seen.source, err)
	}
	if name == "" {
		return nil
	}
	p.differ++
	if p.first == "" {
		p.first = fmt.Sprintf("frame %d of source %s: %s was %s, is %s", seen.seq, seen.source, name, old, now)
	}
	if was.Advice != is.Advice {
		p.advised++
		if p.firstWord == "" {
			p.firstWord = fmt.Sprintf("the first other advice is at frame %d: %s was recorded, %s is decided", seen.seq, was.Advice, is.Advice)
		}
	}
	return nil
}

// firstDifference names the first field of two decisions that is not the same, with its values; "" where all are.
func firstDifference(was, is *milling.Decision) (name, old, now string, err error) {
	a, err := fieldsOf(was)
	if err != nil {
		return "", "", "", err
	}
	b, err := fieldsOf(is)
	if err != nil {
		return "", "", "", err
	}
	maps.Copy(a, missingFrom(a, b))
	for _, key := range slices.Sorted(maps.Keys(a)) {
		if a[key] != b[key] {
			return key, orNone(a[key]), orNone(b[key]), nil
		}
	}
	return "", "", "", nil
}

// missingFrom are the keys of b that a lacks, without values.
func missingFrom(a, b map[string]string) map[string]string {
	missing := map[string]string{}
	for key := range b {
		if _, ok := a[key]; !ok {
			missing[key] = ""
		}
	}
	return missing
}

func orNone(s string) string {
	if s == "" || s == "null" {
		return "unknown"
	}
	return s
}

// fieldsOf are a decision's values by name, such as endpoint.value, each as JSON.
func fieldsOf(d *milling.Decision) (map[string]string, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("decision: %w", err)
	}
	var tree map[string]json.RawMessage
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	fields := map[string]string{}
	for name, value := range tree {
		var inner map[string]json.RawMessage
		if json.Unmarshal(value, &inner) != nil || inner == nil {
			fields[name] = string(value)
			continue
		}
		for sub, v := range inner {
			fields[name+"."+sub] = string(v)
		}
	}
	return fields, nil
}

// conclude says whether all decisions are the recorded ones.
func (p *replay) conclude(id, config string) error {
	switch {
	case p.frames == 0:
		return failedError{fmt.Sprintf("run %s has no frame in which something is milled", id)}
	case len(p.unplanned) > 0:
		return failedError{fmt.Sprintf("%s mills nothing in source %s: its recorded decisions are shown, and not compared",
			config, strings.Join(slices.Sorted(maps.Keys(p.unplanned)), ", "))}
	case p.compared == 0:
		return failedError{fmt.Sprintf("run %s has no recorded decision to compare with", id)}
	case p.differ > 0:
		text := fmt.Sprintf("%d of %s differ; first %s", p.differ, plural(p.compared, "decision"), p.first)
		if p.firstWord != "" {
			text += fmt.Sprintf("; %d with another advice, %s", p.advised, p.firstWord)
		}
		return failedError{text}
	}
	_, err := fmt.Fprintf(p.Out, "%s: every one equals the recorded one\n", plural(p.compared, "decision"))
	return err
}
