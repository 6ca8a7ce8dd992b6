package agent

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/uni-aims/aimsd/metrics/rules"
)

// Config is the daemon's configuration. configs/aimsd.yaml documents every key.
type Config struct {
	Site       string          `yaml:"site"`
	Instrument string          `yaml:"instrument"`
	DataDir    string          `yaml:"data_dir"`
	Sources    []SourceConfig  `yaml:"sources"`
	GRPC       GRPCConfig      `yaml:"grpc"`
	HTTP       HTTPConfig      `yaml:"http"`
	MQTT       MQTTConfig      `yaml:"mqtt"`
	Infer      InferConfig     `yaml:"infer"`
	Scale      ScaleConfig     `yaml:"scale"`
	Run        RunConfig       `yaml:"run"`
	Disk       DiskConfig      `yaml:"disk"`
	Retention  RetentionConfig `yaml:"retention"`
	Rules      []rules.Rule    `yaml:"rules"`
	Milling    []MillingConfig `yaml:"milling"`
	Evidence   EvidenceConfig  `yaml:"evidence"`
	Log        LogConfig       `yaml:"log"`
	Reload     string          `yaml:"reload"`
	Priority   string          `yaml:"priority"`
}

// SourceConfig is one watched folder, or one stream of frames that clients push.
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
	Clients   []string      `yaml:"clients"`
}

// GRPCConfig is the frame stream's listener.
type GRPCConfig struct {
	Listen         string    `yaml:"listen"`
	TLS            ServerTLS `yaml:"tls"`
	TokenFile      string    `yaml:"token_file"`
	MaxInFlightMB  int       `yaml:"max_in_flight_mb"`
	MaxConnections int       `yaml:"max_connections"`
	MaxCalls       float64   `yaml:"max_calls_per_s"`
}

// ServerTLS is a listener's certificate, and the authority that its clients' certificates are signed by.
type ServerTLS struct {
	CertFile     string `yaml:"cert_file"`
	KeyFile      string `yaml:"key_file"`
	ClientCAFile string `yaml:"client_ca_file"`
}

// HTTPConfig is the listener for health and metrics.
type HTTPConfig struct {
	Listen    string    `yaml:"listen"`
	TLS       ServerTLS `yaml:"tls"`
	TokenFile string    `yaml:"token_file"`
	Pprof     bool      `yaml:"pprof"`
}

// MQTTConfig is the broker messages go to.
type MQTTConfig struct {
	URL          string       `yaml:"url"`
	Username     string       `yaml:"username"`
	PasswordFile string       `yaml:"password_file"`
	TLS          ClientTLS    `yaml:"tls"`
	Outbox       OutboxConfig `yaml:"outbox"`
}

// ClientTLS is what a TLS connection to the broker needs.
type ClientTLS struct {
	CAFile     string `yaml:"ca_file"`
	CertFile   string `yaml:"cert_file"`
	KeyFile    string `yaml:"key_file"`
	ServerName string `yaml:"server_name"`
}

// InferConfig says which network runs where.
type InferConfig struct {
	Provider string `yaml:"provider"`
	Model    string `yaml:"model"`
	Threads  int    `yaml:"threads"`
	MemoryMB int    `yaml:"memory_mb"`
	Dynamics string `yaml:"dynamics"`
	SelfTest bool   `yaml:"self_test"`
}

// ScaleConfig sets the pixel size where files do not tell.
type ScaleConfig struct {
	FixedNmPerPx *float64 `yaml:"fixed_nm_per_px"`
}

// RunConfig says when a run ends.
type RunConfig struct {
	IdleTimeout time.Duration `yaml:"idle_timeout"`
}

// When a changed configuration is taken up: with the file's change and on a signal, or on a signal alone.
const (
	ReloadAuto   = "auto"
	ReloadSignal = "signal"
)

// How the daemon shares the processor with the instrument's own programs.
const (
	PriorityBelowNormal = "below_normal"
	PriorityNormal      = "normal"
)

// LogConfig says how the daemon logs.
type LogConfig struct {
	Level     string `yaml:"level"`
	Format    string `yaml:"format"`
	File      string `yaml:"file"`
	MaxSizeMB int    `yaml:"max_size_mb"`
	Keep      int    `yaml:"keep"`
}

// DefaultConfig has the values of keys that a file leaves out.
func DefaultConfig() Config {
	return Config{
		Site: "lab", Instrument: "instrument",
		GRPC:  GRPCConfig{Listen: "127.0.0.1:7443", MaxInFlightMB: 1024, MaxConnections: 64, MaxCalls: 100},
		HTTP:  HTTPConfig{Listen: "127.0.0.1:7480"},
		Infer: InferConfig{Provider: "auto", Model: "default", Dynamics: DynamicsSquaring, SelfTest: true},
		Run:   RunConfig{IdleTimeout: 10 * time.Minute},
		Disk:  defaultDisk(), Retention: defaultRetention(),
		MQTT:     MQTTConfig{Outbox: defaultOutbox()},
		Evidence: defaultEvidence(),
		Log:      LogConfig{Level: "info", Format: "json", MaxSizeMB: 50, Keep: 10},
		Reload:   ReloadAuto, Priority: PriorityBelowNormal,
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

// Hash identifies the settings a result depends on: SHA-256 of the configuration as YAML, 16 hex digits.
func (c *Config) Hash() string {
	var b bytes.Buffer
	_ = yaml.NewEncoder(&b).Encode(c) // cannot fail: plain values into memory
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:8])
}
