package agent

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/uni-aims/aimsd/infer/models"
	"github.com/uni-aims/aimsd/metrics/rules"
)

// Config is the daemon's configuration. configs/aimsd.yaml documents every key.
type Config struct {
	Site       string         `yaml:"site"`
	Instrument string         `yaml:"instrument"`
	DataDir    string         `yaml:"data_dir"`
	Sources    []SourceConfig `yaml:"sources"`
	GRPC       GRPCConfig     `yaml:"grpc"`
	HTTP       HTTPConfig     `yaml:"http"`
	MQTT       MQTTConfig     `yaml:"mqtt"`
	Infer      InferConfig    `yaml:"infer"`
	Scale      ScaleConfig    `yaml:"scale"`
	Run        RunConfig      `yaml:"run"`
	Rules      []rules.Rule   `yaml:"rules"`
	Log        LogConfig      `yaml:"log"`
}

// SourceConfig is one watched folder.
type SourceConfig struct {
	Name      string        `yaml:"name"`
	Type      string        `yaml:"type"`
	Path      string        `yaml:"path"`
	Recursive bool          `yaml:"recursive"`
	Backlog   string        `yaml:"backlog"`
	Watch     string        `yaml:"watch"`
	Policy    string        `yaml:"policy"`
	Settle    time.Duration `yaml:"settle"`
	Poll      time.Duration `yaml:"poll"`
	GiveUp    time.Duration `yaml:"give_up"`
	Sidecar   time.Duration `yaml:"sidecar_wait"`
	Mode      string        `yaml:"mode"`
}

// GRPCConfig is the frame stream's listener.
type GRPCConfig struct {
	Listen        string    `yaml:"listen"`
	TLS           ServerTLS `yaml:"tls"`
	TokenFile     string    `yaml:"token_file"`
	MaxInFlightMB int       `yaml:"max_in_flight_mb"`
}

// ServerTLS is a listener's certificate.
type ServerTLS struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// HTTPConfig is the listener for health and metrics.
type HTTPConfig struct {
	Listen string `yaml:"listen"`
}

// MQTTConfig is the broker messages go to.
type MQTTConfig struct {
	URL          string    `yaml:"url"`
	Username     string    `yaml:"username"`
	PasswordFile string    `yaml:"password_file"`
	TLS          ClientTLS `yaml:"tls"`
}

// ClientTLS is what a TLS connection to the broker needs.
type ClientTLS struct {
	CAFile   string `yaml:"ca_file"`
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// InferConfig says which network runs where.
type InferConfig struct {
	Provider string `yaml:"provider"`
	Model    string `yaml:"model"`
	Threads  int    `yaml:"threads"`
}

// ScaleConfig sets the pixel size where files do not tell.
type ScaleConfig struct {
	FixedNmPerPx *float64 `yaml:"fixed_nm_per_px"`
}

// RunConfig says when a run ends.
type RunConfig struct {
	IdleTimeout time.Duration `yaml:"idle_timeout"`
}

// LogConfig says how the daemon logs.
type LogConfig struct {
	Level  string `yaml:"level"`
	Format string `yaml:"format"`
}

// DefaultConfig has the values of keys that a file leaves out.
func DefaultConfig() Config {
	return Config{
		Site: "lab", Instrument: "instrument",
		GRPC:  GRPCConfig{Listen: "127.0.0.1:7443", MaxInFlightMB: 1024},
		HTTP:  HTTPConfig{Listen: "127.0.0.1:7480"},
		Infer: InferConfig{Provider: "auto", Model: "default"},
		Run:   RunConfig{IdleTimeout: 10 * time.Minute},
		Log:   LogConfig{Level: "info", Format: "json"},
	}
}

// defaultSource has the values of keys that a source leaves out.
func defaultSource() SourceConfig {
	return SourceConfig{
		Type: "folder", Recursive: true, Backlog: "skip", Watch: "auto", Policy: "block",
		Settle: 300 * time.Millisecond, Poll: time.Second, GiveUp: 10 * time.Minute, Sidecar: 3 * time.Second,
		Mode: ModeParticles,
	}
}

// UnmarshalYAML fills a source's missing keys with their defaults.
func (s *SourceConfig) UnmarshalYAML(n *yaml.Node) error {
	type plain SourceConfig
	*s = defaultSource()
	if err := knownKeys(n, plain{}, "sources."); err != nil { // KnownFields does not reach through UnmarshalYAML
		return err
	}
	return n.Decode((*plain)(s))
}

// LoadConfig reads a configuration file, applies AIMSD_... environment variables and checks it. Relative
// paths are taken from the file's folder.
func LoadConfig(path string, environ []string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w; give its path with -c", err)
	}
	c, err := ParseConfig(data, environ)
	if err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	dir, err := filepath.Abs(filepath.Dir(path)) // messages name folders to others
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	c.DataDir = underDir(dir, c.DataDir)
	c.MQTT.PasswordFile = underDir(dir, c.MQTT.PasswordFile)
	c.GRPC.TokenFile = underDir(dir, c.GRPC.TokenFile)
	for _, file := range []*string{
		&c.GRPC.TLS.CertFile, &c.GRPC.TLS.KeyFile, &c.MQTT.TLS.CAFile, &c.MQTT.TLS.CertFile, &c.MQTT.TLS.KeyFile,
	} {
		*file = underDir(dir, *file)
	}
	for i := range c.Sources {
		c.Sources[i].Path = underDir(dir, c.Sources[i].Path)
		if within(c.DataDir, c.Sources[i].Path) {
			return Config{}, fmt.Errorf("configuration %s: source %s watches %s inside data_dir %s, where aimsd writes; move one of them",
				path, c.Sources[i].Name, c.Sources[i].Path, c.DataDir)
		}
	}
	if c.Infer.Model != models.DefaultName {
		c.Infer.Model = underDir(dir, c.Infer.Model)
	}
	return c, nil
}

// ParseConfig is LoadConfig without files.
func ParseConfig(data []byte, environ []string) (Config, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return Config{}, err
	}
	if err := overrideFromEnv(&root, environ); err != nil {
		return Config{}, err
	}
	c := DefaultConfig()
	if root.Kind == 0 {
		return c, errors.New("is empty; start from configs/aimsd.yaml")
	}
	if err := knownKeys(root.Content[0], c, ""); err != nil {
		return Config{}, err
	}
	if err := root.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, oneLine(err)
	}
	return c, c.validate()
}

// oneLine folds yaml's list of errors into one line.
func oneLine(err error) error {
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}

// within reports whether path is dir or lies in it.
func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func underDir(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

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
	seen := map[string]bool{"grpc": true}
	for _, s := range c.Sources {
		if err := s.validate(); err != nil {
			return err
		}
		if seen[s.Name] {
			return fmt.Errorf("source name %q is used twice (\"grpc\" is taken by the stream)", s.Name)
		}
		seen[s.Name] = true
	}
	if err := oneOf("infer.provider", c.Infer.Provider, "auto", "cpu", "cuda"); err != nil {
		return err
	}
	if err := oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error"); err != nil {
		return err
	}
	if err := oneOf("log.format", c.Log.Format, "json", "console"); err != nil {
		return err
	}
	if p := c.Scale.FixedNmPerPx; p != nil && !validNmPerPx(*p) {
		return fmt.Errorf("scale.fixed_nm_per_px is %g; it must be between 0.001 nm and 1 mm", *p)
	}
	if c.Run.IdleTimeout <= 0 {
		return fmt.Errorf("run.idle_timeout is %s; it must be longer than 0", c.Run.IdleTimeout)
	}
	if c.GRPC.MaxInFlightMB < 1 {
		return fmt.Errorf("grpc.max_in_flight_mb is %d; it must be at least 1", c.GRPC.MaxInFlightMB)
	}
	if _, err := rules.Compile(c.Rules); err != nil {
		return err
	}
	return nil
}

func (s *SourceConfig) validate() error {
	if !sourceName.MatchString(s.Name) {
		return fmt.Errorf("source name %q: use 1 to 64 letters, digits, '.', '_' and '-'", s.Name)
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
	return errors.Join(
		oneOf("source "+s.Name+": type", s.Type, "folder"),
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

// Hash identifies the settings a result depends on: SHA-256 of the configuration as YAML, 16 hex digits.
func (c *Config) Hash() string {
	var b bytes.Buffer
	_ = yaml.NewEncoder(&b).Encode(c) // cannot fail: plain values into memory
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:8])
}
