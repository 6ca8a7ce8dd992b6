package agent

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"github.com/uni-aims/aimsd/stream"
)

// grpcListener reads the files of the stream's listener.
func grpcListener(c GRPCConfig) (l *stream.GRPCListener, err error) {
	l = &stream.GRPCListener{Listen: c.Listen, MaxConnections: c.MaxConnections, CallsPerSecond: c.MaxCalls}
	if l.TLS, l.Token, err = protection("grpc", c.TLS, c.TokenFile); err != nil {
		return nil, err
	}
	return l, nil
}

// httpListener reads the files of the listener for health and metrics.
func httpListener(c HTTPConfig) (h *healthServer, err error) {
	h = &healthServer{Listen: c.Listen, Pprof: c.Pprof}
	if h.TLS, h.Token, err = protection("http", c.TLS, c.TokenFile); err != nil {
		return nil, err
	}
	return h, nil
}

// authorities reads the certificates that clients' certificates are signed with; nil without a file.
func authorities(key, path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s.tls.client_ca_file: %w; correct the path, or let aimsd's user read it", key, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s.tls.client_ca_file: %s holds no certificate; give the authority's as PEM", key, path)
	}
	return pool, nil
}

// protection reads what protects a listener: its certificate and its token, either or both of which may be
// missing. key names the listener in errors.
func protection(key string, c ServerTLS, tokenFile string) (*tls.Config, string, error) {
	var config *tls.Config
	if c.CertFile != "" || c.KeyFile != "" {
		file := &certificateFile{Cert: c.CertFile, Key: c.KeyFile}
		_, err := file.get(nil)
		if err != nil {
			return nil, "", fmt.Errorf("%s.tls: %w; give a certificate and its key as PEM files that aimsd's user can read", key, err)
		}
		config = &tls.Config{GetCertificate: file.get, MinVersion: tls.VersionTLS12}
		if config.ClientCAs, err = authorities(key, c.ClientCAFile); err != nil {
			return nil, "", err
		}
		if config.ClientCAs != nil {
			config.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	if tokenFile == "" {
		return config, "", nil
	}
	data, err := os.ReadFile(tokenFile)
	if err != nil {
		return nil, "", fmt.Errorf("%s.token_file: %w; correct the path, or let aimsd's user read it", key, err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" { // it would mean that none is asked for
		return nil, "", fmt.Errorf("%s.token_file: %s is empty; write a token, such as that of: openssl rand -hex 32", key, tokenFile)
	}
	return config, token, nil
}
