package agent

import (
	"time"

	"github.com/spf13/cobra"
)

func newDemoCommand() *cobra.Command {
	d := demo{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "See everything work, nothing to set up",
		Long: `A simulated microscope writes micrographs into a folder; the daemon watches it, finds and
measures the particles, and publishes over a real MQTT broker inside this process. At the end
the measurements are compared with the truth, and the run's report is named.

The exit status is 0 only when the count and the median diameter are within 5 % of the truth,
every scale is right, and every frame arrived as a message.`,
		Example: "  aimsd demo\n  aimsd demo --for 2m",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if d.Frames < 1 || d.For < 0 {
				return usagef("demo: --frames must be at least 1 and --for not negative")
			}
			if d.Seed == 0 {
				d.Seed = 1 + uint64(time.Now().UnixNano())%99999
			}
			d.Stdout = c.OutOrStdout()
			return d.Run(c.Context())
		},
	}
	f := c.Flags()
	f.IntVar(&d.Frames, "frames", 12, "how many frames")
	f.DurationVar(&d.For, "for", 0, "go on for this long instead")
	f.Uint64Var(&d.Seed, "seed", 1, "of the simulated sample; 0 chooses one at random")
	f.StringVar(&d.Provider, "provider", "auto", "what runs the network: auto, cpu, cuda")
	return c
}
