package reporting

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// TLSFiles are the files of an encrypted connection, all PEM and all optional.
type TLSFiles struct {
	CAFile             string // authorities to trust; "": the system's
	CertFile, KeyFile  string // this client's certificate
	ServerName         string // expected in the broker's certificate; "": the URL's host
	InsecureSkipVerify bool   // trust any certificate: for tests only
}

// config returns nil when the URL is not of an encrypted kind.
func (f TLSFiles) config(rawURL string) (*tls.Config, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "ssl", "tls", "mqtts", "wss":
	default:
		if f != (TLSFiles{}) {
			return nil, fmt.Errorf("mqtt.tls is set but mqtt.url begins with %s://; use ssl:// or wss://", u.Scheme)
		}
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.ServerName, InsecureSkipVerify: f.InsecureSkipVerify} //nolint:gosec // asked for by name
	if c.ServerName == "" {
		c.ServerName = u.Hostname()
	}
	if f.CAFile != "" {
		pem, err := os.ReadFile(f.CAFile)
		if err != nil {
			return nil, fmt.Errorf("mqtt.tls.ca_file: %w; correct the path, or let aimsd's user read it", err)
		}
		if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("mqtt.tls.ca_file: %s has no PEM certificate; give the broker's authorities as PEM", f.CAFile)
		}
	}
	if (f.CertFile == "") != (f.KeyFile == "") {
		return nil, errors.New("mqtt.tls: a certificate needs its key and a key its certificate; set both files")
	}
	if f.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(f.CertFile, f.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("mqtt.tls.cert_file, key_file: %w; give a certificate and its key as PEM files that aimsd's user can read", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// password reads the file; one line end after the password is not part of it.
func (p *Publisher) password() (string, error) {
	if p.PasswordFile == "" {
		return "", nil
	}
	b, err := os.ReadFile(p.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("mqtt.password_file: %w; correct the path, or let aimsd's user read it", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}
