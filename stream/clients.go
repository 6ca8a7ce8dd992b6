package stream

import (
	"context"
	"crypto/x509"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// Clients says who may send the frames of which source: by source, the names in the certificates of its
// clients (subject alternative names, or the common name where there are none). A source that is not listed is
// everyone's; a client that is listed sends to its sources only.
type Clients map[string][]string

// source returns the source of a frame whose header asks for one, "" leaves it to the client's certificate.
func (c Clients) source(ctx context.Context, asked string) (string, error) {
	if len(c) == 0 {
		return orGRPC(asked), nil
	}
	names := identities(clientCertificate(ctx))
	own := func(source string) bool {
		return slices.ContainsFunc(c[source], func(name string) bool { return slices.Contains(names, name) })
	}
	var mine []string
	for _, source := range slices.Sorted(maps.Keys(c)) {
		if own(source) {
			mine = append(mine, source)
		}
	}
	who := "a client without a certificate"
	if len(names) > 0 {
		who = "client " + strings.Join(names, ", ")
	}
	shown := orGRPC(asked)
	shown = shown[:min(len(shown), maxSourceBytes)] // it is not checked yet
	switch _, listed := c[orGRPC(asked)]; {
	case asked == "" && len(mine) == 1:
		return mine[0], nil
	case asked == "" && len(mine) > 1:
		return "", status.Errorf(codes.PermissionDenied, "%s has several sources: set the header's source to one of %s", who, strings.Join(mine, ", "))
	case own(orGRPC(asked)), !listed && len(mine) == 0:
		return orGRPC(asked), nil
	case len(mine) > 0:
		return "", status.Errorf(codes.PermissionDenied, "%s may not send frames of source %q: its own are %s", who, shown, strings.Join(mine, ", "))
	}
	return "", status.Errorf(codes.PermissionDenied, "%s may not send frames of source %q: add it to the clients of that source", who, shown)
}

func orGRPC(source string) string {
	if source == "" {
		return grpcSourceName
	}
	return source
}

// clientCertificate returns the certificate a call's client has proved to own; nil when it has not.
func clientCertificate(ctx context.Context) *x509.Certificate {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 || len(info.State.VerifiedChains[0]) == 0 {
		return nil
	}
	return info.State.VerifiedChains[0][0]
}

// identities are the names in a certificate.
func identities(cert *x509.Certificate) []string {
	if cert == nil {
		return nil
	}
	names := slices.Concat(cert.DNSNames, cert.EmailAddresses)
	for _, u := range cert.URIs {
		names = append(names, u.String())
	}
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 && cert.Subject.CommonName != "" {
		names = append(names, cert.Subject.CommonName)
	}
	return names
}

// errNoCertificate answers a call whose client was asked for a certificate.
func errNoCertificate() error {
	return status.Error(codes.Unauthenticated, "present a client certificate that an authority in aimsd's grpc.tls.client_ca_file has signed")
}
