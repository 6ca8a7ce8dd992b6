package agent

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newCheckCommand() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "check -c FILE",
		Short: "Look at everything the daemon needs and name what is missing",
		Long: `Look at the library, the model, the GPU, the broker, the folders, the clock and the disk; one
line each, with the remedy for what is wrong. The exit status is 1 when something is at fault;
a missing GPU is a note.`,
		Example: "  aimsd check -c aimsd.yaml",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(config)
			if err != nil {
				return err
			}
			faults := 0
			for finding := range checkAll(c.Context(), cfg) {
				if finding.status == "FAULT" {
					faults++
				}
				fmt.Fprintf(c.OutOrStdout(), "%-5s  %-12s %s\n", finding.status, finding.name, finding.text)
			}
			if faults > 0 {
				return failedError{fmt.Sprintf("check: %s; see the lines above", plural(faults, "fault"))}
			}
			return nil
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "", "configuration file")
	return c
}
