package agent

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/uni-aims/aimsd/configs"
	"github.com/uni-aims/aimsd/metrics/rules"
)

// FuzzParseConfig wants of any bytes and any environment a sound configuration or an error of one line; a sound
// one is the same when it is written and read again.
func FuzzParseConfig(f *testing.F) {
	f.Add(configs.Sample, "AIMSD_MQTT__URL=tcp://b:1883")
	f.Add([]byte(minimal), "")
	f.Add([]byte("a: &a {b: *a}\n"), "AIMSD_RUN__IDLE_TIMEOUT=1h")
	f.Add([]byte(minimal+"rules:\n  - &r {code: A, metric: objects, max: 1}\n  - *r\n"), "AIMSD_SITE=\x00")
	f.Add([]byte("data_dir: /d\n<<: {site: x}\n"), "AIMSD___=1")
	f.Add([]byte("---\n...\n---\nsite: [\n"), "AIMSD_LOG__MAX_SIZE_MB=1e9")
	f.Add([]byte("data_dir: !!binary aGVsbG8=\nrun: {idle_timeout: 99999999h}\n"), "AIMSD_GRPC__TLS=x")
	f.Fuzz(func(t *testing.T, data []byte, variable string) {
		c, err := ParseConfig(data, []string{variable})
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		var b bytes.Buffer
		require.NoError(t, yaml.NewEncoder(&b).Encode(c))
		again, err := ParseConfig(b.Bytes(), nil)
		require.NoError(t, err, "%s", b.String())
		require.Equal(t, c.Hash(), again.Hash())
		require.Empty(t, changes(&c, &again))
		_, err = rules.Compile(allRules(c.Rules))
		require.NoError(t, err)
	})
}

func TestAFileThatIsNoConfigurationIsNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "aimsd.yaml")
	require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("#\n"), maxConfigBytes), 0o600))
	_, err := LoadConfig(path, nil)
	require.ErrorContains(t, err, "is no configuration")
	_, err = LoadConfig(filepath.Dir(path), nil)
	require.ErrorContains(t, err, "give its path with -c")

	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for _, name := range []string{"b", "c", "d", "e", "f", "g", "h"} {
		before := string(rune(name[0] - 1))
		bomb += name + ": &" + name + " [" + strings.Repeat("*"+before+",", 9) + "*" + before + "]\n"
	}
	_, err = ParseConfig([]byte(bomb), nil)
	require.Error(t, err)
}
