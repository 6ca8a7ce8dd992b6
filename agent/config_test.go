package agent

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/uni-aims/aimsd/configs"
	"github.com/uni-aims/aimsd/metrics/milling"
)

// keysOf collects the dotted keys of a YAML document; lists count as their first item.
func keysOf(prefix string, n *yaml.Node, out map[string]bool) {
	switch n.Kind {
	case yaml.DocumentNode:
		keysOf(prefix, n.Content[0], out)
	case yaml.SequenceNode:
		for _, item := range n.Content {
			keysOf(prefix, item, out)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := prefix + n.Content[i].Value
			list := n.Content[i+1].Kind == yaml.SequenceNode && !slices.ContainsFunc(n.Content[i+1].Content, func(item *yaml.Node) bool { return item.Kind != yaml.ScalarNode })
			if n.Content[i+1].Kind == yaml.ScalarNode || list && len(n.Content[i+1].Content) > 0 {
				out[key] = true
			}
			keysOf(key+".", n.Content[i+1], out)
		}
	}
}

// keysOfType collects the dotted keys a struct can take.
func keysOfType(prefix string, t reflect.Type, out map[string]bool) {
	for name, f := range yamlFields(t) {
		ft := f.Type
		if ft.Kind() == reflect.Slice {
			ft = ft.Elem()
		}
		if ft.Kind() == reflect.Struct {
			keysOfType(prefix+name+".", ft, out)
		} else {
			out[prefix+name] = true
		}
	}
}

func TestTheSampleConfigurationDocumentsExactlyTheOptionsThereAre(t *testing.T) {
	var doc yaml.Node
	require.NoError(t, yaml.Unmarshal(configs.Sample, &doc))
	documented, exist := map[string]bool{}, map[string]bool{}
	keysOf("", &doc, documented)
	keysOfType("", reflect.TypeFor[Config](), exist)
	require.Equal(t, exist, documented)
	_, err := ParseConfig(configs.Sample, nil)
	require.NoError(t, err)
}

func TestTheSampleConfigurationShowsTheDefaults(t *testing.T) {
	c, err := ParseConfig(configs.Sample, nil)
	require.NoError(t, err)
	want := DefaultConfig()
	s := defaultSource()
	s.Name, s.Path = "acq", "/data/acq"
	want.Sources, want.DataDir, want.MQTT.URL, want.Rules = []SourceConfig{s}, "/var/lib/aimsd", "tcp://127.0.0.1:1883", c.Rules
	m := defaultMilling()
	m.Source, m.ROI = "acq", milling.Rectangle{Left: 0.3, Top: 0.25, Width: 0.4, Height: 0.5}
	want.Milling = []MillingConfig{m}
	require.Equal(t, want, c)
}

const minimal = "data_dir: /d\nsources:\n  - {name: a, path: /a}\n"

func TestMissingKeysTakeTheirDefaults(t *testing.T) {
	c, err := ParseConfig([]byte(minimal), nil)
	require.NoError(t, err)
	s := defaultSource()
	s.Name, s.Path = "a", "/a"
	require.Equal(t, []SourceConfig{s}, c.Sources)
	require.Equal(t, DefaultConfig().GRPC, c.GRPC)
}

func TestEnvironmentVariablesOverrideKeys(t *testing.T) {
	c, err := ParseConfig([]byte(minimal), []string{
		"AIMSD_MQTT__URL=tcp://b:1883", "AIMSD_SITE=fab-7", "AIMSD_RUN__IDLE_TIMEOUT=30s", "AIMSD_ORT_LIB=/x",
		"AIMSD_SCALE__FIXED_NM_PER_PX=2.5", "AIMSD_GRPC__TLS__CERT_FILE=/c.pem", "PATH=/bin",
	})
	require.NoError(t, err)
	require.Equal(t, "tcp://b:1883", c.MQTT.URL)
	require.Equal(t, "fab-7", c.Site)
	require.Equal(t, "30s", c.Run.IdleTimeout.String())
	require.InDelta(t, 2.5, *c.Scale.FixedNmPerPx, 0)
	require.Equal(t, "/c.pem", c.GRPC.TLS.CertFile)
	_, err = ParseConfig([]byte(minimal), []string{"AIMSD_MQTT__URI=x"})
	require.EqualError(t, err, "environment variable AIMSD_MQTT__URI: there is no key mqtt.uri")
	_, err = ParseConfig([]byte(minimal), []string{"AIMSD_RUN__IDLE_TIMEOUT=10"})
	require.EqualError(t, err, "run.idle_timeout: 10 needs a unit, such as 10m")
}

func TestMistakesAreNamedInOneLine(t *testing.T) {
	for name, c := range map[string]struct{ yaml, want string }{
		"unknown key":         {minimal + "colour: red\n", `line 4: unknown key "colour"`},
		"unknown nested key":  {minimal + "mqtt:\n  uri: x\n", `line 5: unknown key "uri"`},
		"unknown source key":  {"data_dir: /d\nsources:\n  - {name: a, path: /a, pth: /b}\n", `line 3: unknown key "pth"`},
		"unknown rule key":    {minimal + "rules:\n  - {code: A, metric: objects, max: 1, mx: 2}\n", `line 5: unknown key "mx"`},
		"wrong type":          {minimal + "run: {idle_timeout: soon}\n", `line 4: run.idle_timeout: "soon" is no duration`},
		"no unit":             {minimal + "run:\n  idle_timeout: 10\n", "line 5: run.idle_timeout: 10 needs a unit, such as 10m"},
		"no unit in a source": {"data_dir: /d\nsources:\n  - {name: a, path: /a, settle: 300}\n", "line 3: sources.settle: 300 needs a unit, such as 300ms"},
		"no unit, zero":       {minimal + "run: {idle_timeout: 0}\n", "line 4: run.idle_timeout: 0 needs a unit"},
		"no data_dir":         {"site: a\n", "data_dir is missing"},
		"empty":               {"", "is empty"},
		"not a mapping":       {"- a\n", "a mapping of keys to values"},
		"source without path": {"data_dir: /d\nsources:\n  - {name: a}\n", "source a: path is missing"},
		"source twice":        {"data_dir: /d\nsources:\n  - {name: a, path: /a}\n  - {name: a, path: /b}\n", "used twice"},
		"reserved source":     {"data_dir: /d\nsources:\n  - {name: grpc, path: /a}\n", "choose another one"},
		"bad backlog":         {"data_dir: /d\nsources:\n  - {name: a, path: /a, backlog: al}\n", "must be one of skip, process"},
		"two mistakes":        {"data_dir: /d\nsources:\n  - {name: a, path: /a, backlog: al, watch: no}\n", "must be one of skip, process"},
		"bad topic":           {minimal + "site: a/b\n", "without / + #"},
		"bad provider":        {minimal + "infer: {provider: tpu}\n", "must be one of auto, cpu, cuda"},
		"bad scale":           {minimal + "scale: {fixed_nm_per_px: -1}\n", "between 0.001 nm and 1 mm"},
		"bad rule":            {minimal + "rules:\n  - {code: A, metric: colour, max: 1}\n", "colour"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseConfig([]byte(c.yaml), nil)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestRelativePathsAreTakenFromTheFilesFolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "aimsd.yaml")
	require.NoError(t, os.WriteFile(path, []byte("data_dir: data\nsources:\n  - {name: a, path: in}\ninfer: {model: grains.onnx}\n"), 0o600))
	c, err := LoadConfig(path, nil)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "data"), c.DataDir)
	require.Equal(t, filepath.Join(dir, "in"), c.Sources[0].Path)
	require.Equal(t, filepath.Join(dir, "grains.onnx"), c.Infer.Model)
	for _, model := range []string{"default", "light", "large-fp16", "default-int8"} {
		require.NoError(t, os.WriteFile(path, []byte("data_dir: data\ninfer: {model: "+model+"}\n"), 0o600))
		c, err = LoadConfig(path, nil)
		require.NoError(t, err)
		require.Equal(t, model, c.Infer.Model, "a network inside the program")
	}
	for source, inside := range map[string]bool{"data": true, "data/in": true, "data2": false, ".": false} {
		require.NoError(t, os.WriteFile(path, []byte("data_dir: data\nsources:\n  - {name: a, path: "+source+"}\n"), 0o600))
		_, err = LoadConfig(path, nil)
		require.Equal(t, inside, err != nil, source)
	}
	_, err = LoadConfig(filepath.Join(dir, "missing.yaml"), nil)
	require.ErrorContains(t, err, "missing.yaml")
}
