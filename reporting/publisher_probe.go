package reporting

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// probeTimeout is how long a broker may take to answer a probe.
const probeTimeout = 5 * time.Second

// Probe connects to the broker with the credentials and certificates that Run uses, under a name of its own, and
// leaves at once. The error says what is wrong and what to do.
func (p *Publisher) Probe(ctx context.Context) error {
	if err := p.Validate(); err != nil {
		return err
	}
	o, err := p.options(fmt.Sprintf("aimsd-probe-%d", os.Getpid()))
	if err != nil {
		return err
	}
	o.SetCleanSession(true).SetConnectTimeout(probeTimeout).SetWriteTimeout(probeTimeout)
	client := mqtt.NewClient(o)
	token := client.Connect()
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	select {
	case <-token.Done():
		err = token.Error()
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	client.Disconnect(quiesceMs)
	if err != nil {
		return fmt.Errorf("%s: %w; %s", shownURL(p.URL), err, remedy(err))
	}
	return nil
}

// remedy is what to do about a connection that does not come about.
func remedy(err error) string {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "set mqtt.tls.server_name to a name in the broker's certificate, or use one in mqtt.url"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "set mqtt.tls.ca_file to the authority that signed the broker's certificate"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "have the broker's certificate renewed, or set this machine's clock"
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return "set mqtt.tls.cert_file and key_file to a certificate that the broker takes"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the broker does not speak TLS on this port; use tcp:// or its TLS port in mqtt.url"
	}
	if errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword) || errors.Is(err, packets.ErrorRefusedNotAuthorised) {
		return "correct mqtt.username and mqtt.password_file, or let the broker take them"
	}
	return "start the broker, or correct mqtt.url"
}
