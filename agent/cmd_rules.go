package agent

import (
	"encoding/json"

	"github.com/spf13/cobra"
)

func newRulesCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "rules COMMAND",
		Short: "List the QA rules, or try them on a run that is in the store",
		Example: `  aimsd rules list -c aimsd.yaml
  aimsd rules test -c aimsd.yaml --run 20260114-093000-acq`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("rules: unknown command %q; see %s --help", args[0], c.CommandPath())
			}
			return c.Help()
		},
	}
	c.AddCommand(newRulesListCommand(), newRulesTestCommand())
	return c
}

// rulesArgs is the Args of the commands below rules.
func rulesArgs(c *cobra.Command, args []string) error {
	if err := noArgs(c, args); err != nil {
		return usagef("rules %s: %w; see %s --help", c.Name(), err, c.CommandPath())
	}
	return nil
}

func newRulesListCommand() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "list [-c FILE]",
		Short: "Print the rules in force: those of the configuration and the built-in ones",
		Args:  rulesArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := usualConfig(config)
			if err != nil {
				return err
			}
			return printRules(c.OutOrStdout(), cfg.Rules)
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "", "configuration file with the rules")
	return c
}

func newRulesTestCommand() *cobra.Command {
	var config, run string
	var asJSON bool
	c := &cobra.Command{
		Use:   "test --run ID [-c FILE] [--json]",
		Short: "Say what the rules of a configuration would have made of a run",
		Long: `Take the results of a run from the store, in the order in which they were done, through the
rules of the configuration, and print for each rule what it would have raised and cleared, the
frames without a verdict and why, and how near a rule came that never raised. Nothing is sent
or written; it can be used beside a running daemon. What the rules look back at is there as it
was then; alerts begin cleared.`,
		Example: "  aimsd rules test -c new-rules.yaml --run 20260114-093000-acq",
		Args:    rulesArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if run == "" {
				return usagef("rules test: name the run with --run ID, as in data_dir/runs and in messages")
			}
			cfg, _, err := usualConfig(config)
			if err != nil {
				return err
			}
			trial, err := tryRules(c.Context(), cfg.DataDir, run, cfg.Rules)
			if err != nil {
				return err
			}
			if !asJSON {
				return trial.print(c.OutOrStdout())
			}
			e := json.NewEncoder(c.OutOrStdout())
			e.SetIndent("", "  ")
			e.SetEscapeHTML(false)
			return e.Encode(trial)
		},
	}
	c.Flags().StringVar(&run, "run", "", "the run's id, as in data_dir/runs and in messages")
	c.Flags().StringVarP(&config, "config", "c", "", "configuration file with the rules and data_dir")
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return c
}
