// Package agent wires the rooms together: configuration, commands, the daemon's pipeline and lifecycle,
// listeners and health. It is the only room that imports every other; nobody imports it.
//
//	sources ─▶ arrivals ─▶ decode ─▶ analyse ─▶ write and commit ─▶ settle
//	   ▲                                              │
//	   └───────────── back-pressure, acks ◀───────────┘
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// Version is set by the build; see version.
var Version = unversioned //nolint:gochecknoglobals // written by the linker

const unversioned = "dev"

// version is what the build set, or what go install knows of the module.
func version() string {
	if Version != unversioned {
		return Version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return Version
}

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // an input failed, check found a fault, demo missed its truth
	exitUsage  = 2 // usage, configuration, no inputs, missing model or library
)

// Main runs the command line and returns the exit status. Errors are one line on stderr.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	limitMemory()
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if failed := errors.As(err, &failedError{}); failed || errors.Is(err, context.Canceled) {
		if !failed && ctx.Err() != nil {
			err = errors.New("interrupted; run it again")
		}
		fmt.Fprintln(stderr, "aimsd:", oneLine(err))
		return exitFailed
	}
	fmt.Fprintln(stderr, "aimsd:", oneLine(err))
	if errors.As(err, &usageError{}) {
		return exitUsage
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "aimsd",
		Short: "Real-time image analysis beside the electron microscope",
		Long: `aimsd watches acquisition folders or takes gRPC frame streams, finds every particle,
grain, pore or fibre, measures them in nanometres, publishes results and alerts over
MQTT, and writes a report for every run. Source files are never touched.

Start here:
  aimsd demo                      see everything work, nothing to set up
  aimsd analyze -o out IMAGES     analyse files and folders once
  aimsd check -c aimsd.yaml       is this machine ready?
  aimsd run -c aimsd.yaml         the daemon
  aimsd watch -c aimsd.yaml       its milling advice, live`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(args)
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%s: %w; see %s --help", c.Name(), err, c.CommandPath())
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		newRunCommand(), newDemoCommand(), newAnalyzeCommand(), newMeasureCommand(), newScaleCommand(),
		newEvaluateCommand(), newSimulateCommand(), newReportCommand(), newRulesCommand(), newWatchCommand(), newArmCommand(), newDisarmCommand(),
		newCheckCommand(), newServiceCommand(), newVersionCommand(), newCandidatesCommand(), newBenchCommand(),
	)
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			c.RunE = helpOn
			continue
		}
		args := c.Args
		c.Args = func(c *cobra.Command, given []string) error {
			if args == nil {
				return nil
			}
			if err := args(c, given); err != nil {
				return usagef("%s: %w; see %s --help", c.Name(), err, c.CommandPath())
			}
			return nil
		}
	}
	return root
}

// helpOn prints a command's help.
func helpOn(help *cobra.Command, args []string) error {
	c, rest, err := help.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return unknownCommand(args)
	}
	return c.Help()
}

func unknownCommand(args []string) error {
	return usagef("unknown command %q; see aimsd --help", args[0])
}

// noArgs is the Args of commands that take flags only.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q", args[0])
	}
	return nil
}
