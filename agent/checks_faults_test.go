package agent

import (
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/hooks/auth"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/infer/models"
)

// broker is an MQTT broker that knows one user, with TLS where files are given.
func broker(t *testing.T, files *ServerTLS) string {
	t.Helper()
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	ledger := &auth.Ledger{Auth: auth.AuthRules{{Username: "aimsd", Password: "right", Allow: true}}}
	require.NoError(t, server.AddHook(new(auth.Hook), &auth.Options{Ledger: ledger}))
	config := listeners.Config{ID: "t", Address: "127.0.0.1:0"}
	if files != nil {
		var err error
		config.TLSConfig, _, err = protection("broker", *files, "")
		require.NoError(t, err)
	}
	listener := listeners.NewTCP(config)
	require.NoError(t, server.AddListener(listener))
	require.NoError(t, server.Serve())
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return listener.Address()
}

func TestCheckNamesTheBrokersFaultsAndTheirRemedies(t *testing.T) {
	dir := t.TempDir()
	files, _ := selfSigned(t, dir)
	other, _ := selfSigned(t, t.TempDir())
	open, closed := broker(t, nil), broker(t, &files)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	right, wrong := write("right", "right\n"), write("wrong", "wrong\n")
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	user := MQTTConfig{URL: "tcp://" + open, Username: "aimsd", PasswordFile: right}
	secret := MQTTConfig{URL: "ssl://" + closed, Username: "aimsd", PasswordFile: right, TLS: ClientTLS{CAFile: files.CertFile}}
	with := func(c MQTTConfig, change func(*MQTTConfig)) MQTTConfig { change(&c); return c }
	for name, c := range map[string]struct {
		config       MQTTConfig
		status, says string
	}{
		"fine":           {user, "ok", "accepts"},
		"fine, by TLS":   {secret, "ok", "accepts"},
		"none":           {MQTTConfig{}, "note", "no mqtt.url"},
		"no address":     {MQTTConfig{URL: "broker"}, "FAULT", "want a URL such as tcp://127.0.0.1:1883"},
		"nobody":         {MQTTConfig{URL: "tcp://" + nobody.Addr().String()}, "FAULT", "start the broker, or correct mqtt.url"},
		"wrong password": {with(user, func(c *MQTTConfig) { c.PasswordFile = wrong }), "FAULT", "correct mqtt.username and mqtt.password_file"},
		"no password":    {with(user, func(c *MQTTConfig) { c.PasswordFile = filepath.Join(dir, "none") }), "FAULT", "mqtt.password_file"},
		"not trusted":    {with(secret, func(c *MQTTConfig) { c.TLS.CAFile = "" }), "FAULT", "set mqtt.tls.ca_file"},
		"another CA":     {with(secret, func(c *MQTTConfig) { c.TLS.CAFile = other.CertFile }), "FAULT", "set mqtt.tls.ca_file"},
		"another name":   {with(secret, func(c *MQTTConfig) { c.TLS.ServerName = "elsewhere" }), "FAULT", "set mqtt.tls.server_name"},
		"no TLS there":   {with(secret, func(c *MQTTConfig) { c.URL = "ssl://" + open }), "FAULT", "mqtt.url"},
		"no such CA":     {with(secret, func(c *MQTTConfig) { c.TLS.CAFile = filepath.Join(dir, "none") }), "FAULT", "mqtt.tls.ca_file"},
		"half a pair":    {with(secret, func(c *MQTTConfig) { c.TLS.CertFile = files.CertFile }), "FAULT", "set both files"},
	} {
		t.Run(name, func(t *testing.T) {
			found := checkBroker(t.Context(), c.config)
			require.Len(t, found, 1)
			require.Equal(t, c.status, found[0].status, found[0].text)
			require.Contains(t, found[0].text, c.says)
			require.NotContains(t, found[0].text, "\n")
		})
	}
}

func TestCheckNamesTheModelsFaultsAndTheirRemedies(t *testing.T) {
	needLibrary(t)
	dir := t.TempDir()
	m, err := models.Load(models.DefaultName + "-" + models.INT8)
	require.NoError(t, err)
	whole := m.Form().ONNX
	path := filepath.Join(dir, "net.onnx")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "net.json"), m.Scorer, 0o600))
	empty := append([]byte{}, whole...)
	clear(empty[len(empty)/2:])
	for name, c := range map[string]struct {
		data     []byte
		manifest string
		says     []string
	}{
		"fine":        {whole, "", nil},
		"not there":   {nil, "", []string{"net.onnx", `use "default"`}},
		"cut off":     {whole[:len(whole)/2], "", []string{"net.onnx", "it must be ONNX"}},
		"no model":    {[]byte("hello"), "", []string{"net.onnx", "it must be ONNX"}},
		"half zeros":  {empty, "", []string{"net.onnx"}},
		"another one": {whole, strings.Repeat("0", 64) + "  net.onnx", []string{"copy both again"}},
	} {
		t.Run(name, func(t *testing.T) {
			_ = os.Remove(path)
			_ = os.Remove(path + manifestSuffix)
			if c.data != nil {
				require.NoError(t, os.WriteFile(path, c.data, 0o600))
			}
			if c.manifest != "" {
				require.NoError(t, os.WriteFile(path+manifestSuffix, []byte(c.manifest), 0o600))
			}
			found := checkNetwork(t.Context(), InferConfig{Provider: "cpu", Model: path, SelfTest: true})
			require.Equal(t, "library", found[0].name)
			require.Equal(t, "model", found[1].name)
			if c.says == nil {
				require.Equal(t, "ok", found[1].status, found[1].text)
				return
			}
			require.Equal(t, "FAULT", found[1].status, found[1].text)
			for _, says := range c.says {
				require.Contains(t, found[1].text, says)
			}
		})
	}
}

func TestCheckNamesAFolderThatCannotBeReadAndALogThatCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	found := checkFolders([]SourceConfig{{Name: "a", Path: dir}, {Name: "b", Path: filepath.Join(dir, "none")}, {Name: "c", Path: file}})
	require.Equal(t, "ok", found[0].status)
	require.Contains(t, found[1].text, "create it or correct the path")
	require.Equal(t, "FAULT", found[2].status)
	require.Contains(t, found[2].text, "file")
	require.Empty(t, checkLog(LogConfig{}))
	require.Equal(t, "ok", checkLog(LogConfig{File: filepath.Join(dir, "log", "aimsd.log")})[0].status)
	require.NoDirExists(t, filepath.Join(dir, "log"), "nothing is made")
	bad := checkLog(LogConfig{File: filepath.Join(file, "aimsd.log")})
	require.Equal(t, "FAULT", bad[0].status)
	require.Contains(t, bad[0].text, "name a file in another one")
}

func TestCheckLooksAtTheListenersProtection(t *testing.T) {
	dir := t.TempDir()
	files, _ := selfSigned(t, dir) // for an hour
	token := filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(token, []byte("secret\n"), 0o600))
	found := checkListeners(t.Context(), Config{
		GRPC: GRPCConfig{Listen: "0.0.0.0:0", TokenFile: token}, HTTP: HTTPConfig{Listen: "0.0.0.0:0", TLS: files},
	})
	require.Equal(t, "note", found[0].status)
	require.Contains(t, found[0].text, "travels in plain text: configure grpc.tls")
	require.Equal(t, "note", found[1].status)
	require.Contains(t, found[1].text, "have it renewed")
	f, ok := checkCertificate("http", files, time.Now().Add(2*time.Hour))
	require.True(t, ok)
	require.Equal(t, "FAULT", f.status)
	_, ok = checkCertificate("http", files, time.Now().Add(-30*24*time.Hour))
	require.True(t, ok, "it does not hold yet")
}
