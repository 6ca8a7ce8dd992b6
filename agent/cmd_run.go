package agent

import (
	"context"
	"os"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"golang.org/x/term"
)

func newRunCommand() *cobra.Command {
	var config string
	var service bool
	c := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Run the daemon",
		Long: `Watch folders, take gRPC frame streams, analyse every frame, publish over MQTT and write a
report for every run, until SIGTERM or Ctrl-C. Frames that were taken are finished first. A changed
configuration or model is taken up between two frames (SIGHUP does it at once); when it is wrong, the
old one goes on.

  http://127.0.0.1:7480/healthz   is it alive
  http://127.0.0.1:7480/readyz    is it ready, else what is wrong
  http://127.0.0.1:7480/metrics   numbers for Prometheus`,
		Example: "  aimsd run -c /etc/aimsd/aimsd.yaml",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return serve(c.Context(), service, func(ctx context.Context, n *notifier, asked <-chan struct{}) error {
				return runDaemon(ctx, config, n, asked)
			})
		},
	}
	c.Flags().BoolVar(&service, serviceFlag, false, "answer the service control manager of Windows")
	_ = c.Flags().MarkHidden(serviceFlag) // it is there
	c.Flags().StringVarP(&config, "config", "c", "", "configuration file (configs/aimsd.yaml explains every key)")
	return c
}

// runDaemon runs the daemon until ctx ends; asked has it take up its configuration again.
func runDaemon(ctx context.Context, path string, n *notifier, asked <-chan struct{}) error {
	load := func() (Config, error) {
		cfg, err := loadConfig(path)
		if n != nil && n.LogFile != nil && cfg.Log.File == "" {
			cfg.Log.File = n.LogFile(cfg.DataDir)
		}
		return cfg, err
	}
	cfg, err := load()
	if err != nil {
		return err
	}
	log, err := newLogger(cfg.Log)
	if err != nil {
		return usageError{err}
	}
	defer log.Close() // nobody is left to tell of an error
	if cfg.Priority == PriorityBelowNormal {
		if err := lowerPriority(); err != nil {
			log.Warn("the instrument's own programs are not put first", zap.Error(err))
		}
	}
	d := &Daemon{
		Config: cfg, Log: log.Logger, Notify: n, Reload: asked, ConfigPath: path, SetLevel: log.setLevel,
		Load: load, Watched: term.IsTerminal(int(os.Stderr.Fd())),
	}
	if err := d.Run(ctx); err != nil {
		if cfg.Log.File != "" { // where nobody sees stderr; there the error is said once
			log.Error("the daemon ended", zap.Error(oneLine(err)))
		}
		return err
	}
	return nil
}

func loadConfig(path string) (Config, error) {
	if path == "" {
		return Config{}, usagef("configuration: none given; name it with -c FILE (configs/aimsd.yaml is a commented sample)")
	}
	cfg, err := LoadConfig(path, os.Environ())
	if err != nil {
		return Config{}, usageError{err}
	}
	return cfg, nil
}
