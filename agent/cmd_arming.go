package agent

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// armTimeout bounds a call.
const armTimeout = 10 * time.Second

func newArmCommand() *cobra.Command {
	var to feedbackFlags
	r := &aimsv1.ArmRequest{}
	var lease time.Duration
	c := &cobra.Command{
		Use:   "arm --source S --for DURATION --by NAME [--run ID] [--allow-stop]",
		Short: "Let the daemon act on its milling advice, for a time",
		Long: `Allow the daemon to pause the milling of one run by itself when it advises so, until the time is
over, the run closes or somebody disarms it. Without this it only advises. The source needs a
controller (milling.act in the configuration). --allow-stop allows a stop too, which cannot be
resumed. Arming again renews the time. Without --run, the source's open run is armed.`,
		Example: "  aimsd arm --source acq --for 10m --by anna -c aimsd.yaml",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case r.GetSource() == "" || r.GetBy() == "":
				return usagef("arm: say what with --source and who you are with --by")
			case lease < time.Millisecond:
				return usagef("arm: say for how long with --for, such as --for 10m")
			}
			target, _, err := to.target("arm")
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), armTimeout)
			defer cancel()
			r.LeaseMs = lease.Milliseconds()
			return tellArmed(ctx, c.OutOrStdout(), &target, func(ctx context.Context, client aimsv1.FeedbackServiceClient) (*aimsv1.ArmState, error) {
				return client.Arm(ctx, r)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&r.Source, "source", "", "whose milling")
	f.StringVar(&r.RunId, "run", "", "the run that is armed, which must be the source's open one; without it, that one")
	f.DurationVar(&lease, "for", 0, "how long, such as 10m; at most milling.act.max_lease")
	f.BoolVar(&r.AllowStop, "allow-stop", false, "besides a pause also a stop, which cannot be resumed")
	f.StringVar(&r.By, "by", "", "who arms it, for the record")
	to.add(f)
	return c
}

func newDisarmCommand() *cobra.Command {
	var to feedbackFlags
	r := &aimsv1.DisarmRequest{}
	c := &cobra.Command{
		Use:   "disarm --source S --by NAME",
		Short: "End what arm allowed, at once",
		Long: `From now on the daemon only advises. Milling that it has paused stays paused. Where nothing is
armed, nothing happens.`,
		Example: "  aimsd disarm --source acq --by anna -c aimsd.yaml",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if r.GetSource() == "" || r.GetBy() == "" {
				return usagef("disarm: say what with --source and who you are with --by")
			}
			target, _, err := to.target("disarm")
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), armTimeout)
			defer cancel()
			return tellArmed(ctx, c.OutOrStdout(), &target, func(ctx context.Context, client aimsv1.FeedbackServiceClient) (*aimsv1.ArmState, error) {
				return client.Disarm(ctx, r)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&r.Source, "source", "", "whose milling")
	f.StringVar(&r.By, "by", "", "who disarms it, for the record")
	to.add(f)
	return c
}

// tellArmed asks a daemon and prints what holds then.
func tellArmed(ctx context.Context, out io.Writer, t *feedbackTarget, ask func(context.Context, aimsv1.FeedbackServiceClient) (*aimsv1.ArmState, error)) error {
	state, err := calling(ctx, t, ask)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, armText(state))
	return nil
}

// armText says in a line whether advice is acted on.
func armText(s *aimsv1.ArmState) string {
	if !s.GetArmed() {
		why := s.GetWhy()
		if why == "" {
			why = "nobody has armed it"
		}
		return fmt.Sprintf("source %s is not armed (%s): the daemon only advises", s.GetSource(), why)
	}
	may := "pauses its milling when it advises so; a stop is not allowed"
	if s.GetAllowStop() {
		may = "pauses or stops its milling when it advises so"
	}
	left := (time.Duration(s.GetLeaseLeftMs()) * time.Millisecond).Round(time.Second)
	return fmt.Sprintf("source %s is ARMED by %s for run %s, %s left: the daemon %s", s.GetSource(), s.GetBy(), s.GetRunId(), left, may)
}
