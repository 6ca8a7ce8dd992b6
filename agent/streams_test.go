package agent

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/uni-aims/aimsd/stream"
)

func TestStreamsAreDeclaredBesideFolders(t *testing.T) {
	const folder = "data_dir: /d\nsources:\n  - {name: a, path: /a, policy: latest}\n"
	c, err := ParseConfig([]byte(folder+"  - {name: cam, type: grpc, policy: latest, mode: grains}\n  - {name: grpc, type: grpc}\n"), nil)
	require.NoError(t, err)
	require.Len(t, c.folders(), 1)
	require.Len(t, c.streams(), 2)
	require.Equal(t, stream.Clients{"a": nil}, c.clients(), "nobody pushes frames of a folder")
	require.Len(t, newStreamLanes(c.streams()), 1)
	require.Equal(t, "grains", c.modes()["cam"])
	for text, want := range map[string]string{
		"  - {name: b, type: grpc, path: /b}\n":       "has no path",
		"  - {name: b, type: grpc, policy: newest}\n": "block, latest",
		"  - {name: b, type: grpc, mode: cells}\n":    "mode",
		"  - {name: b, type: serial}\n":               "folder, grpc",
		"  - {name: a, type: grpc}\n":                 "used twice",
		"  - {name: grpc, path: /g}\n":                "choose another one",
		"  - {name: b, type: grpc, clients: [x]}\n":   "grpc.tls.client_ca_file",
		"  - {name: b, path: /b, clients: [x]}\n":     "a folder has none",
		"grpc: {tls: {client_ca_file: ca.pem}}\n":     "cert_file",
		"grpc: {max_connections: 0}\n":                "max_connections",
		"grpc: {max_calls_per_s: -1}\n":               "max_calls_per_s",
	} {
		_, err := ParseConfig([]byte(folder+text), nil)
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestStreamsAreSetUpOnceButForTheirMode(t *testing.T) {
	parse := func(text string) *Config {
		c, err := ParseConfig([]byte("data_dir: /d\nsources:\n"+text), nil)
		require.NoError(t, err)
		return &c
	}
	a := parse("  - {name: s, type: grpc}\n")
	require.True(t, sameStreams(a, parse("  - {name: s, type: grpc, mode: pores}\n  - {name: f, path: /f}\n")))
	require.False(t, sameStreams(a, parse("  - {name: s, type: grpc, policy: latest}\n")))
	require.False(t, sameStreams(a, parse("  - {name: f, path: /f}\n")))
}

func TestEverySourceHasItsHealth(t *testing.T) {
	o := newOverloaded(t, time.Millisecond, "block")
	conn, err := grpc.NewClient(o.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	for _, service := range []string{"", "aims.v1.FrameService", "folder", "stream", "grpc"} {
		require.Eventually(t, func() bool {
			reply, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
			return err == nil && reply.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING
		}, time.Minute, 10*time.Millisecond, "health of %q", service)
	}
}

func TestTheAuthorityOfClientsIsReadFromItsFile(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "aimsd"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
	const text = "data_dir: d\ngrpc: {tls: {cert_file: cert.pem, key_file: key.pem, client_ca_file: %s}}\n" +
		"sources:\n  - {name: fib, type: grpc, clients: [fib.lab]}\n"
	load := func(ca string) (*stream.GRPCListener, error) {
		path := filepath.Join(dir, "aimsd.yaml")
		require.NoError(t, os.WriteFile(path, []byte(fmt.Sprintf(text, ca)), 0o600))
		c, err := LoadConfig(path, nil)
		require.NoError(t, err)
		require.Equal(t, stream.Clients{"fib": {"fib.lab"}}, c.clients())
		return grpcListener(c.GRPC)
	}
	l, err := load("cert.pem")
	require.NoError(t, err)
	require.NotNil(t, l.TLS.ClientCAs)
	require.Equal(t, 64, l.MaxConnections)
	_, err = load("key.pem")
	require.ErrorContains(t, err, "holds no certificate")
	_, err = load("missing.pem")
	require.ErrorContains(t, err, "grpc.tls.client_ca_file")
}
