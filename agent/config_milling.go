package agent

import (
	"fmt"
	"net/url"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/uni-aims/aimsd/metrics/milling"
	"github.com/uni-aims/aimsd/stream"
)

// MillingConfig says what is milled in the frames of a source.
type MillingConfig struct {
	Source       string `yaml:"source"`
	milling.Plan `yaml:",inline"`
	Act          ActConfig `yaml:"act"`
}

// ActConfig names what can pause milling. Nothing is done before a run is armed.
type ActConfig struct {
	Controller  string        `yaml:"controller"`
	URL         string        `yaml:"url"`
	Timeout     time.Duration `yaml:"timeout"`
	MaxLease    time.Duration `yaml:"max_lease"`
	AllowRemote bool          `yaml:"allow_remote"`
}

// controllerOpenFIBSEM is OpenFIBSEM's HTTP server.
const controllerOpenFIBSEM = "openfibsem"

func defaultMilling() MillingConfig {
	return MillingConfig{
		Plan: milling.DefaultPlan(),
		Act:  ActConfig{URL: "http://127.0.0.1:8001", Timeout: 2 * time.Second, MaxLease: time.Hour},
	}
}

// UnmarshalYAML fills missing keys with their defaults.
func (m *MillingConfig) UnmarshalYAML(n *yaml.Node) error {
	type plain MillingConfig
	*m = defaultMilling()
	if err := knownKeys(n, plain{}, "milling."); err != nil {
		return err
	}
	return n.Decode((*plain)(m))
}

// validateMilling reports the first thing wrong with what is milled where.
func (c *Config) validateMilling() error {
	seen := map[string]bool{}
	for i := range c.Milling {
		m := &c.Milling[i]
		if !sourceName.MatchString(m.Source) {
			return fmt.Errorf("milling: source %q: name the source whose frames show the milling", m.Source)
		}
		if seen[m.Source] {
			return fmt.Errorf("milling: source %q is there twice; a source has one region", m.Source)
		}
		seen[m.Source] = true
		if err := firstError(m.Validate(), m.Act.validate()); err != nil {
			return fmt.Errorf("source %s: %w", m.Source, err)
		}
	}
	return nil
}

func (a *ActConfig) validate() error {
	if err := oneOf("milling.act.controller", a.Controller, "", controllerOpenFIBSEM); err != nil {
		return err
	}
	u, err := url.Parse(a.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return fmt.Errorf("milling.act.url %q: write the address of OpenFIBSEM's server, such as http://127.0.0.1:8001", a.URL)
	}
	if a.Controller != "" && !a.AllowRemote && !stream.IsLoopback(u.Hostname()) {
		return fmt.Errorf("milling.act.url %s is another machine, and OpenFIBSEM's server knows no password; reach it by a tunnel to 127.0.0.1, or set allow_remote: true", a.URL)
	}
	if a.Timeout <= 0 || a.MaxLease <= 0 {
		return fmt.Errorf("milling.act.timeout is %s and max_lease %s; they must be longer than 0", a.Timeout, a.MaxLease)
	}
	return nil
}

// plans are what is milled, by source.
func (c *Config) plans() map[string]milling.Plan {
	plans := map[string]milling.Plan{}
	for _, m := range c.Milling {
		plans[m.Source] = m.Plan
	}
	return plans
}
