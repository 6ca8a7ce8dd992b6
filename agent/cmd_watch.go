package agent

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// watch shows what a daemon advises.
//
//	daemon ─▶ watchLink ─▶ sighting ─▶ screen, log or JSON
type watch struct {
	Request *aimsv1.WatchRequest
	Link    *watchLink
	State   *watchState
	Out     io.Writer
	Err     io.Writer
	JSON    bool
	Now     func() time.Time
}

func newWatchCommand() *cobra.Command {
	var to feedbackFlags
	var asJSON, replay bool
	r := &aimsv1.WatchRequest{}
	c := &cobra.Command{
		Use:   "watch [--source S] [--run ID] [-c FILE | --address HOST:PORT]",
		Short: "Show the milling advice of a running daemon, live",
		Long: `One screen that can be read from across the room: for every source where something is milled the
advice, why, how far milling is, drift, and how old the advice is. An advice that has run out is
shown as NO ADVICE: treat it as a pause. Ctrl-C ends it. Where the output is no terminal, each
feedback is one line; with --json, one JSON object. Without -c and --address, aimsd.yaml in this
folder is read, else /etc/aimsd/aimsd.yaml.

--replay reads the store instead and decides about a run's recorded observations again, with the plan
that the configuration has now: one line per frame, and whether every decision is the recorded one
(exit status 1 if not). Change a threshold in a copy of the configuration to see what it would have done.`,
		Example: `  aimsd watch -c aimsd.yaml
  aimsd watch --address fib-pc:7443 --ca ca.pem --token-file token --source acq
  aimsd watch --run 20260114-093000-acq --replay -c aimsd.yaml`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if replay {
				return replayRun(c, r, asJSON, &to)
			}
			target, cfg, err := to.target("watch")
			if err != nil {
				return err
			}
			if err := target.check(c.Context()); err != nil {
				return err
			}
			w := &watch{
				Request: r, Link: &watchLink{Target: target, Request: r, Now: time.Now}, State: newWatchState(target.Address, r.GetSource(), cfg),
				Out: c.OutOrStdout(), Err: c.ErrOrStderr(), JSON: asJSON, Now: time.Now,
			}
			return w.Run(c.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&r.Source, "source", "", "only this source; else every one where something is milled")
	f.StringVar(&r.RunId, "run", "", "only this run")
	f.BoolVar(&asJSON, "json", false, "print each feedback as a JSON object on a line")
	f.BoolVar(&replay, "replay", false, "decide about a recorded run again; needs --run and -c")
	to.add(f)
	return c
}

// Run shows feedback until ctx ends.
func (w *watch) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	sightings := make(chan sighting)
	g.Go(func() error {
		defer close(sightings)
		return w.Link.Run(ctx, sightings)
	})
	g.Go(func() error {
		if f, ok := w.Out.(*os.File); ok && !w.JSON && isTerminal(w.Out) && os.Getenv("TERM") != "dumb" {
			return newWatchScreen(f, w.State, w.Now).Run(ctx, sightings)
		}
		return w.log(ctx, sightings)
	})
	return g.Wait()
}
