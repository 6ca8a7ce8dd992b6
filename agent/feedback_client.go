package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

// feedbackFlags say where a daemon is and how to get in: its own configuration, or what another machine needs.
type feedbackFlags struct {
	config, address, ca, cert, key, token string
}

func (f *feedbackFlags) add(flags *pflag.FlagSet) {
	flags.StringVarP(&f.config, "config", "c", "", "configuration file of the daemon, for its address and token")
	flags.StringVar(&f.address, "address", "", "host:port of the daemon's gRPC listener, in place of the configuration's")
	flags.StringVar(&f.ca, "ca", "", "PEM file of the authority that signed the daemon's certificate, for TLS from another machine")
	flags.StringVar(&f.cert, "cert", "", "PEM file of this client's certificate, where the daemon asks for one")
	flags.StringVar(&f.key, "key", "", "PEM file of its key")
	flags.StringVar(&f.token, "token-file", "", "file with the daemon's token")
}

// feedbackTarget is a daemon's feedback service. Its files are read with every connection, because certificates and
// tokens are renewed.
type feedbackTarget struct {
	Address   string // host:port
	CA        string // PEM files; "": none
	Own       string // the daemon's own certificate, trusted as it is
	Cert, Key string // of the client
	TokenFile string
}

// target is the daemon that flags mean, with its configuration; nil where none was named.
func (f *feedbackFlags) target(command string) (feedbackTarget, *Config, error) {
	t := feedbackTarget{Address: f.address, CA: f.ca, Cert: f.cert, Key: f.key, TokenFile: f.token}
	if (f.cert == "") != (f.key == "") {
		return t, nil, usagef("%s: --cert and --key belong together; give both", command)
	}
	if f.config == "" && f.address != "" {
		return t, nil, checkAddress(command, t.Address)
	}
	cfg, path, err := usualConfig(f.config)
	if err != nil {
		return t, nil, err
	}
	g := &cfg.GRPC
	if t.Address == "" {
		if t.Address = reachable(g.Listen); t.Address == "" {
			return t, nil, usagef("%s: grpc.listen is empty in %s, so the daemon tells nobody; set it, or give --address", command, path)
		}
	}
	if t.CA == "" {
		t.Own = g.TLS.CertFile
	}
	if g.TLS.ClientCAFile != "" && t.Cert == "" {
		return t, nil, usagef("%s: the daemon asks for a client's certificate (grpc.tls.client_ca_file); give one with --cert and --key", command)
	}
	if t.TokenFile == "" {
		t.TokenFile = g.TokenFile
	}
	return t, &cfg, checkAddress(command, t.Address)
}

func checkAddress(command, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return usagef("%s: address %q: write host:port, such as 127.0.0.1:7443", command, address)
	}
	return nil
}

// reachable is the address at which a listener is reached from its own machine.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// dial makes a connection; it is opened with the first call. The context it returns carries the token.
func (t *feedbackTarget) dial(ctx context.Context) (context.Context, *grpc.ClientConn, error) {
	creds, err := t.credentials()
	if err != nil {
		return nil, nil, err
	}
	if t.TokenFile != "" {
		token, err := os.ReadFile(t.TokenFile)
		if err != nil {
			return nil, nil, fmt.Errorf("token: %w; correct the path, or ask for the right to read it", err)
		}
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	conn, err := grpc.NewClient("passthrough:///"+t.Address, grpc.WithTransportCredentials(creds),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}))
	if err != nil {
		return nil, nil, fmt.Errorf("address %s: %w", t.Address, err)
	}
	return ctx, conn, nil
}

func (t *feedbackTarget) credentials() (credentials.TransportCredentials, error) {
	trusted := t.CA
	if trusted == "" {
		trusted = t.Own
	}
	if trusted == "" {
		return insecure.NewCredentials(), nil
	}
	data, err := os.ReadFile(trusted)
	if err != nil {
		return nil, fmt.Errorf("certificate of the daemon: %w; correct the path, or name its authority with --ca", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("certificate of the daemon: %s holds none; give it as PEM", trusted)
	}
	if t.CA == "" { // it is the daemon's, whatever name it is reached by
		if config.ServerName, err = certificateName(t.Own); err != nil {
			return nil, err
		}
	}
	if t.Cert != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("certificate of this client: %w; give it and its key as PEM files", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return credentials.NewTLS(config), nil
}

// certificateName is a name that a certificate is made out to; "" where it has none.
func certificateName(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("certificate of the daemon: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return "", fmt.Errorf("certificate of the daemon: %s holds none; give it as PEM", path)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
		return "", fmt.Errorf("certificate of the daemon: %s: %w", path, err)
	case len(leaf.DNSNames) > 0:
		return leaf.DNSNames[0], nil
	case len(leaf.IPAddresses) > 0:
		return leaf.IPAddresses[0].String(), nil
	}
	return "", fmt.Errorf("certificate of the daemon: %s is made out to no name or address; make one with a subject alternative name", path)
}

// check reports the first thing wrong with the files that a connection needs.
func (t *feedbackTarget) check(ctx context.Context) error {
	_, conn, err := t.dial(ctx)
	if err != nil {
		return usageError{err}
	}
	return conn.Close()
}

// calling makes one call with a connection of its own.
func calling[T any](ctx context.Context, t *feedbackTarget, call func(context.Context, aimsv1.FeedbackServiceClient) (T, error)) (T, error) {
	var none T
	ctx, conn, err := t.dial(ctx)
	if err != nil {
		return none, usageError{err}
	}
	defer conn.Close()
	v, err := call(ctx, aimsv1.NewFeedbackServiceClient(conn))
	if err != nil {
		return none, t.said(err)
	}
	return v, nil
}

// said is what went wrong with a call, in a line.
func (t *feedbackTarget) said(err error) error {
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	text := st.Message()
	if _, after, ok := strings.Cut(text, "desc = "); ok { // of a connection that could not be made
		if plain, err := strconv.Unquote(after); err == nil {
			after = plain
		}
		return fmt.Errorf("no connection to the daemon at %s: %s", t.Address, strings.TrimPrefix(after, "transport: "))
	}
	return fmt.Errorf("the daemon at %s: %s", t.Address, text)
}
