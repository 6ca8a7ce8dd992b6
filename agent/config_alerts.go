package agent

import (
	"fmt"
	"time"
)

// OutboxConfig bounds the messages that wait for the broker.
type OutboxConfig struct {
	MaxMB  int           `yaml:"max_mb"`
	MaxAge time.Duration `yaml:"max_age"`
}

// EvidenceConfig says what is kept of the frames around an alert.
type EvidenceConfig struct {
	Keep   bool `yaml:"keep"`
	Before int  `yaml:"before"`
	After  int  `yaml:"after"`
}

func defaultOutbox() OutboxConfig { return OutboxConfig{MaxMB: 1024, MaxAge: 30 * 24 * time.Hour} }

func defaultEvidence() EvidenceConfig { return EvidenceConfig{Keep: true, Before: 2, After: 2} }

// mostEvidence bounds the frames on each side of an alert's.
const mostEvidence = 50

func (c OutboxConfig) validate() error {
	if c.MaxMB < 1 || c.MaxAge <= 0 {
		return fmt.Errorf("mqtt.outbox.max_mb is %d and max_age %s; they must be at least 1 and longer than 0", c.MaxMB, c.MaxAge)
	}
	return nil
}

func (c EvidenceConfig) validate() error {
	if c.Before < 0 || c.Before > mostEvidence || c.After < 0 || c.After > mostEvidence {
		return fmt.Errorf("evidence.before is %d and after %d; they must be 0 to %d frames", c.Before, c.After, mostEvidence)
	}
	return nil
}
