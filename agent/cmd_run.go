package agent

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func newRunCommand() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Run the daemon",
		Long: `Watch folders, take gRPC frame streams, analyse every frame, publish over MQTT and write a
report for every run, until SIGTERM or Ctrl-C. Frames that were taken are finished first.

  http://127.0.0.1:7480/healthz   is it alive
  http://127.0.0.1:7480/readyz    is it ready, else what is wrong
  http://127.0.0.1:7480/metrics   numbers for Prometheus`,
		Example: "  aimsd run -c /etc/aimsd/aimsd.yaml",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(config)
			if err != nil {
				return err
			}
			log, err := newLogger(cfg.Log)
			if err != nil {
				return usageError{err}
			}
			defer log.Sync() //nolint:errcheck // stderr cannot be synced
			d := &Daemon{Config: cfg, Log: log}
			return d.Run(c.Context())
		},
	}
	c.Flags().StringVarP(&config, "config", "c", "", "configuration file (configs/aimsd.yaml explains every key)")
	return c
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

// newLogger logs to stderr: JSON for machines or lines for people.
func newLogger(c LogConfig) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(c.Level)
	if err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	encoder := zap.NewProductionEncoderConfig()
	encoder.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	enc := zapcore.NewJSONEncoder(encoder)
	if c.Format == "console" {
		encoder.EncodeLevel = zapcore.CapitalLevelEncoder
		enc = zapcore.NewConsoleEncoder(encoder)
	}
	return zap.New(zapcore.NewCore(enc, zapcore.Lock(os.Stderr), level)), nil
}
