package agent

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/uni-aims/aimsd/metrics/rules"
)

var (
	topicLevel = regexp.MustCompile(`^[^/+#\x00-\x1f\x7f$][^/+#\x00-\x1f\x7f]{0,63}$`)
	sourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

// validate reports the first thing wrong with a configuration.
func (c *Config) validate() error {
	if !topicLevel.MatchString(c.Site) || !topicLevel.MatchString(c.Instrument) {
		return fmt.Errorf("site %q and instrument %q become MQTT topic levels: 1 to 64 characters without / + #", c.Site, c.Instrument)
	}
	if c.DataDir == "" {
		return errors.New("data_dir is missing; name a folder on a local disk for the store and the runs")
	}
	seen := map[string]bool{}
	for _, s := range c.Sources {
		if err := s.validate(); err != nil {
			return err
		}
		if seen[s.Name] {
			return fmt.Errorf("source name %q is used twice", s.Name)
		}
		if s.Name == sourceGRPC && s.Type != sourceGRPC {
			return fmt.Errorf("source name %q is that of streamed frames whose header names no source; choose another one", s.Name)
		}
		seen[s.Name] = true
	}
	if err := oneOf("infer.provider", c.Infer.Provider, "auto", "cpu", "cuda"); err != nil {
		return err
	}
	if err := oneOf("infer.dynamics", c.Infer.Dynamics, DynamicsSquaring, DynamicsEuler); err != nil {
		return err
	}
	if c.Infer.Threads < 0 || c.Infer.MemoryMB < 0 {
		return fmt.Errorf("infer.threads is %d and infer.memory_mb %d; they must be at least 0", c.Infer.Threads, c.Infer.MemoryMB)
	}
	if err := oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error"); err != nil {
		return err
	}
	if err := oneOf("log.format", c.Log.Format, "json", "console"); err != nil {
		return err
	}
	if c.Log.MaxSizeMB < 1 || c.Log.Keep < 0 {
		return fmt.Errorf("log.max_size_mb is %d and log.keep %d; they must be at least 1 and 0", c.Log.MaxSizeMB, c.Log.Keep)
	}
	if err := oneOf("reload", c.Reload, ReloadAuto, ReloadSignal); err != nil {
		return err
	}
	if err := oneOf("priority", c.Priority, PriorityBelowNormal, PriorityNormal); err != nil {
		return err
	}
	if p := c.Scale.FixedNmPerPx; p != nil && !validNmPerPx(*p) {
		return fmt.Errorf("scale.fixed_nm_per_px is %g; it must be between 0.001 nm and 1 mm", *p)
	}
	if c.Run.IdleTimeout <= 0 {
		return fmt.Errorf("run.idle_timeout is %s; it must be longer than 0", c.Run.IdleTimeout)
	}
	if err := errors.Join(c.Disk.validate(), c.Retention.validate(), c.MQTT.Outbox.validate(), c.Evidence.validate()); err != nil {
		return oneLine(err)
	}
	if c.GRPC.MaxConnections < 1 || c.GRPC.MaxCalls < 0 {
		return fmt.Errorf("grpc.max_connections is %d and grpc.max_calls_per_s %g; they must be at least 1 and 0 (no limit)", c.GRPC.MaxConnections, c.GRPC.MaxCalls)
	}
	if err := firstError(c.validateClients(), c.validateMilling()); err != nil {
		return err
	}
	if c.GRPC.MaxInFlightMB < 1 {
		return fmt.Errorf("grpc.max_in_flight_mb is %d; it must be at least 1", c.GRPC.MaxInFlightMB)
	}
	if _, err := rules.Compile(allRules(c.Rules)); err != nil {
		return err
	}
	return nil
}

func (s *SourceConfig) validate() error {
	if !sourceName.MatchString(s.Name) {
		return fmt.Errorf("source name %q: use 1 to 64 letters, digits, '.', '_' and '-'", s.Name)
	}
	if err := oneOf("source "+s.Name+": type", s.Type, sourceFolder, sourceGRPC); err != nil {
		return err
	}
	if s.Type == sourceGRPC {
		return s.validateStream()
	}
	if s.Path == "" {
		return fmt.Errorf("source %s: path is missing; name the folder to watch", s.Name)
	}
	if s.Settle <= 0 || s.Poll <= 0 || s.GiveUp <= 0 {
		return fmt.Errorf("source %s: settle, poll and give_up must be longer than 0", s.Name)
	}
	if s.Sidecar < 0 {
		return fmt.Errorf("source %s: sidecar_wait is %s; it must be 0 (do not wait) or longer", s.Name, s.Sidecar)
	}
	return firstError(
		oneOf("source "+s.Name+": backlog", s.Backlog, "skip", "process"),
		oneOf("source "+s.Name+": watch", s.Watch, "auto", "events", "poll"),
		oneOf("source "+s.Name+": policy", s.Policy, "block", "latest"),
		ValidMode(s.Mode),
	)
}

func oneOf(key, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%s is %q; it must be one of %s", key, value, strings.Join(allowed, ", "))
}

// validNmPerPx limits pixel sizes to 1 pm .. 1 mm.
func validNmPerPx(v float64) bool { return v >= 1e-3 && v <= 1e6 }
