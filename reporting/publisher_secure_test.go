package reporting

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
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
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// authority issues certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.issue("ca", &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// issue makes NAME.pem and NAME.key.
func (a *authority) issue(name string, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	require.NoError(a.t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(a.t, err)
	require.NoError(a.t, os.WriteFile(a.path(name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(a.t, os.WriteFile(a.path(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	cert, err := x509.ParseCertificate(der)
	require.NoError(a.t, err)
	return cert, key
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

// secureBroker wants a certificate of the authority, and the user mia with a password.
func secureBroker(t *testing.T, a *authority) (url string) {
	pair, err := tls.LoadX509KeyPair(a.path("broker.pem"), a.path("broker.key"))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, MinVersion: tls.VersionTLS12,
	})
	require.NoError(t, err)
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	require.NoError(t, server.AddHook(new(auth.Hook), &auth.Options{Ledger: &auth.Ledger{
		Auth: auth.AuthRules{{Username: "mia", Password: "pass word", Allow: true}},
		ACL:  auth.ACLRules{{Username: "mia"}},
	}}))
	require.NoError(t, server.AddListener(listeners.NewNet("tls", l)))
	require.NoError(t, server.Serve())
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return "ssl://127.0.0.1:" + port
}

func TestABrokerWithTLSPasswordAndClientCertificates(t *testing.T) {
	a := newAuthority(t)
	a.issue("broker", &x509.Certificate{DNSNames: []string{"broker.lab"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	a.issue("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	require.NoError(t, os.WriteFile(a.path("password"), []byte("pass word\n"), 0o600))
	require.NoError(t, os.WriteFile(a.path("wrong"), []byte("guess\n"), 0o600))
	url := secureBroker(t, a)
	good := func() *Publisher {
		return &Publisher{
			URL: url, Username: "mia", PasswordFile: a.path("password"),
			TLS: TLSFiles{CAFile: a.path("ca.pem"), CertFile: a.path("client.pem"), KeyFile: a.path("client.key"), ServerName: "broker.lab"},
		}
	}
	t.Run("all is right", func(t *testing.T) {
		p := good()
		p.Store = openStore(t, StoreOptions{})
		enqueue(t, p.Store.(*Store), "a", 0)
		startPublisher(t, p)
		eventually(t, "sent", outboxIsEmpty(t, p.Store.(*Store)))
		require.NoError(t, p.Ready())
	})
	for name, change := range map[string]func(*Publisher){
		"not the broker's name": func(p *Publisher) { p.TLS.ServerName = "other.lab" },
		"unknown authority":     func(p *Publisher) { p.TLS.CAFile = newAuthority(t).path("ca.pem") },
		"no client certificate": func(p *Publisher) { p.TLS.CertFile, p.TLS.KeyFile = "", "" },
		"a stranger's certificate": func(p *Publisher) {
			s := newAuthority(t)
			s.issue("c", &x509.Certificate{})
			p.TLS.CertFile, p.TLS.KeyFile = s.path("c.pem"), s.path("c.key")
		},
		"a wrong password": func(p *Publisher) { p.PasswordFile = a.path("wrong") },
		"no user":          func(p *Publisher) { p.Username, p.PasswordFile = "", "" },
		"no encryption":    func(p *Publisher) { p.URL, p.TLS = strings.Replace(p.URL, "ssl", "tcp", 1), TLSFiles{} },
	} {
		t.Run(name, func(t *testing.T) {
			p := good()
			change(p)
			s := openStore(t, StoreOptions{})
			p.Store = s
			enqueue(t, s, "a", 0)
			startPublisher(t, p)
			eventually(t, "refused", func() bool { return strings.HasPrefix(p.Ready().Error(), "mqtt broker ") })
			require.NotContains(t, p.Ready().Error(), "pass word")
			require.False(t, outboxIsEmpty(t, s)(), "it waits")
		})
	}
}

// An access list that lets the daemon write and not read costs the commands, not the messages.
func TestABrokerThatForbidsReadingGetsTheMessages(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	require.NoError(t, server.AddHook(new(auth.Hook), &auth.Options{Ledger: &auth.Ledger{
		Auth: auth.AuthRules{{Username: "mia", Allow: true}},
		ACL:  auth.ACLRules{{Username: "mia", Filters: auth.Filters{"aims/v1/lab/fib/#": auth.WriteOnly}}},
	}}))
	require.NoError(t, server.AddListener(listeners.NewNet("acl", l)))
	require.NoError(t, server.Serve())
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	s := openStore(t, StoreOptions{})
	core, logged := observer.New(zap.WarnLevel)
	p := &Publisher{
		URL: "tcp://" + l.Addr().String(), Username: "mia", Store: s, Log: zap.New(core),
		OnCommand: func(context.Context, Command) error { return nil },
	}
	enqueue(t, s, "a", 0)
	startPublisher(t, p)
	eventually(t, "sent", outboxIsEmpty(t, s))
	require.NoError(t, p.Ready())
	require.Equal(t, 3, logged.FilterMessageSnippet("refuses a subscription").Len())
}
