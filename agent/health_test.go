package agent

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// selfSigned writes a certificate for 127.0.0.1 and its key, and returns whom clients must trust.
func selfSigned(t *testing.T, dir string) (ServerTLS, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	files := ServerTLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	require.NoError(t, os.WriteFile(files.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(files.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	trusted := x509.NewCertPool()
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	trusted.AddCert(cert)
	return files, trusted
}

// serveHealth runs a listener for the test.
func serveHealth(t *testing.T, c HTTPConfig) *healthServer {
	t.Helper()
	h, err := httpListener(c)
	require.NoError(t, err)
	h.Log, h.Registry, h.Parts = zap.NewNop(), prometheus.NewRegistry(), func() []part { return nil }
	require.NoError(t, h.Open(t.Context()))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-ended) })
	return h
}

func TestHealthBeyondLoopbackAsksWhoIsCalling(t *testing.T) {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(token, []byte("a-token-of-some-length\n"), 0o600))
	files, trusted := selfSigned(t, dir)
	h := serveHealth(t, HTTPConfig{Listen: "0.0.0.0:0", TLS: files, TokenFile: token})
	_, port, err := net.SplitHostPort(h.Addr())
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, DisableKeepAlives: true}}
	get := func(path, authorization string) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://127.0.0.1:"+port+path, nil)
		require.NoError(t, err)
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		response, err := client.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		return response.StatusCode
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/"} {
		require.Equal(t, http.StatusUnauthorized, get(path, ""), path)
		require.Equal(t, http.StatusUnauthorized, get(path, "Bearer another-token"), path)
	}
	require.Equal(t, http.StatusOK, get("/healthz", "Bearer a-token-of-some-length"))
	require.Equal(t, http.StatusNotFound, get("/", "Bearer a-token-of-some-length"))

	require.NoError(t, os.WriteFile(token, []byte(" \n"), 0o600))
	_, err = httpListener(HTTPConfig{Listen: "0.0.0.0:0", TokenFile: token})
	require.ErrorContains(t, err, "is empty; write a token")
	_, err = grpcListener(GRPCConfig{Listen: "0.0.0.0:0", TokenFile: token})
	require.ErrorContains(t, err, "grpc.token_file")
	_, err = httpListener(HTTPConfig{TLS: ServerTLS{CertFile: files.CertFile}})
	require.ErrorContains(t, err, "http.tls")
}

func TestRequestsToHealthAreBounded(t *testing.T) {
	h := serveHealth(t, HTTPConfig{Listen: "127.0.0.1:0"})
	status := func(request string) string {
		conn, err := net.Dial("tcp", h.Addr())
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
		_, _ = io.WriteString(conn, request) // a refused request may be cut off
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(line)
	}
	require.Equal(t, "HTTP/1.1 200 OK", status("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"))
	require.Contains(t, status("GET /healthz HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n"), "431")
	require.Contains(t, status("POST /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), "405")
	for _, path := range []string{
		"/../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "/metrics/../../etc/passwd", "//etc/passwd",
		`/..\..\windows\win.ini`, "/con", "/healthz%00", "/.git/config", "/debug/pprof/",
	} {
		got := status("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		require.Regexp(t, `^HTTP/1.1 (30[178]|400|404)`, got, path)
	}
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			conn.Close()
		}
	}()
	for range httpConnections {
		conn, err := net.Dial("tcp", h.Addr())
		require.NoError(t, err)
		open = append(open, conn)
		_, err = fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		_, err = bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
	}
	one, err := net.Dial("tcp", h.Addr())
	require.NoError(t, err)
	defer one.Close()
	_, err = fmt.Fprint(one, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	require.NoError(t, one.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
	_, err = bufio.NewReader(one).ReadString('\n')
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "one too many waits")
	open[0].Close()
	require.NoError(t, one.SetReadDeadline(time.Now().Add(20*time.Second)))
	line, err := bufio.NewReader(one).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "200")
}

func TestARenewedCertificateIsTakenUp(t *testing.T) {
	dir := t.TempDir()
	files, _ := selfSigned(t, dir)
	c := &certificateFile{Cert: files.CertFile, Key: files.KeyFile}
	first, err := c.get(nil)
	require.NoError(t, err)
	same, err := c.get(nil)
	require.NoError(t, err)
	require.Same(t, first, same)
	_, trusted := selfSigned(t, dir)
	later := time.Now().Add(time.Hour)
	require.NoError(t, os.Chtimes(files.CertFile, later, later))
	second, err := c.get(nil)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(second.Certificate[0])
	require.NoError(t, err)
	_, err = leaf.Verify(x509.VerifyOptions{Roots: trusted})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(files.KeyFile, []byte("half"), 0o600))
	require.NoError(t, os.Chtimes(files.KeyFile, later.Add(time.Hour), later.Add(time.Hour)))
	third, err := c.get(nil)
	require.NoError(t, err, "the old pair goes on")
	require.Equal(t, second.Certificate, third.Certificate)
}
