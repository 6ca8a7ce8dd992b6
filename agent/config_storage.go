package agent

import (
	"fmt"
	"time"
)

// DiskConfig says how much room the data directory's disk must have.
type DiskConfig struct {
	LowMB  int `yaml:"low_mb"`
	FullMB int `yaml:"full_mb"`
}

// RetentionConfig says what is deleted from the data directory, and when.
type RetentionConfig struct {
	Every    time.Duration `yaml:"every"`
	DryRun   bool          `yaml:"dry_run"`
	Overlays KeepConfig    `yaml:"overlays"`
	Labels   KeepConfig    `yaml:"labels"`
	Evidence KeepConfig    `yaml:"evidence"`
	Results  KeepConfig    `yaml:"results"`
	Alerts   KeepConfig    `yaml:"alerts"`
}

// KeepConfig bounds one kind by age and by size; 0 is without bound.
type KeepConfig struct {
	MaxAge time.Duration `yaml:"max_age"`
	MaxMB  int           `yaml:"max_mb"`
}

// maxBytes is the bound in bytes, 0 without.
func (k KeepConfig) maxBytes() int64 { return int64(k.MaxMB) << 20 }

func defaultDisk() DiskConfig { return DiskConfig{LowMB: 2048, FullMB: 256} }

func defaultRetention() RetentionConfig { return RetentionConfig{Every: 10 * time.Minute} }

func (c DiskConfig) validate() error {
	if c.FullMB < 1 || c.LowMB < c.FullMB {
		return fmt.Errorf("disk.low_mb is %d and disk.full_mb %d; full_mb must be at least 1 and low_mb no smaller", c.LowMB, c.FullMB)
	}
	return nil
}

func (c RetentionConfig) validate() error {
	if c.Every <= 0 {
		return fmt.Errorf("retention.every is %s; it must be longer than 0", c.Every)
	}
	for name, k := range map[string]KeepConfig{
		"overlays": c.Overlays, "labels": c.Labels, "evidence": c.Evidence, "results": c.Results, "alerts": c.Alerts,
	} {
		if k.MaxAge < 0 || k.MaxMB < 0 {
			return fmt.Errorf("retention.%s: max_age and max_mb must be 0 (no bound) or more", name)
		}
	}
	return nil
}
