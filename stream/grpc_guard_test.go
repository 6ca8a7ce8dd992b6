package stream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/streamtest"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	made := a.sign("authority", template)
	var err error
	a.cert, err = x509.ParseCertificate(made.Certificate[0])
	require.NoError(t, err)
	a.key = made.PrivateKey.(*ecdsa.PrivateKey)
	a.pool.AddCert(a.cert)
	return a
}

// sign makes a certificate; the first one signs itself.
func (a *authority) sign(name string, template *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.t, err)
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	require.NoError(a.t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) client(name string, dns ...string) tls.Certificate {
	return a.sign(name, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, DNSNames: dns})
}

// guarded runs a listener with an ingest behind it, whose frames are done at once.
func guarded(t *testing.T, l *stream.GRPCListener, clients stream.Clients) (address string, journal *streamtest.Journal) {
	t.Helper()
	journal = &streamtest.Journal{}
	server := &stream.PushServer{Journal: journal, Clients: clients}
	l.Listen, l.Frames = "127.0.0.1:0", server
	require.NoError(t, l.Open(t.Context()))
	ctx, cancel := context.WithCancel(context.Background())
	out := make(chan stream.Arrival)
	var wg sync.WaitGroup
	wg.Go(func() { errorTo(t, l.Run(ctx)) })
	wg.Go(func() { errorTo(t, server.Run(ctx, out)) })
	wg.Go(func() {
		for {
			select {
			case a := <-out:
				journal.Finish(a, stream.Outcome{State: stream.StateProcessed})
			case <-ctx.Done():
				return
			}
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	require.Eventually(t, func() bool { return server.Ready() == nil }, soon, time.Millisecond)
	return l.Addr().String(), journal
}

func dial(t *testing.T, address string, creds credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(creds))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// sendOne sends a small frame of a source and returns how it ends.
func sendOne(t *testing.T, conn *grpc.ClientConn, uid, source string) error {
	t.Helper()
	push, err := aimsv1.NewFrameServiceClient(conn).Push(t.Context())
	if err != nil {
		return err
	}
	h, pixels := gray8(uid, 64)
	h.Source = source
	for _, r := range []*aimsv1.PushRequest{
		{Part: &aimsv1.PushRequest_Header{Header: h}},
		{Part: &aimsv1.PushRequest_Chunk{Chunk: &aimsv1.FrameChunk{Data: pixels}}},
	} {
		if push.Send(r) != nil {
			break // Recv says why
		}
	}
	_ = push.CloseSend()
	for {
		ack, err := push.Recv()
		switch {
		case err != nil:
			return err
		case ack.GetState() == aimsv1.FrameAck_DONE:
			return nil
		case ack.GetState() != aimsv1.FrameAck_ACCEPTED:
			return fmt.Errorf("%s: %s", ack.GetState(), ack.GetReason())
		}
	}
}

func TestClientCertificatesSayWhoseFramesTheyAre(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	server := ours.sign("aimsd", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	address, journal := guarded(t,
		&stream.GRPCListener{TLS: &tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: ours.pool, MinVersion: tls.VersionTLS12}},
		stream.Clients{"fib": {"fib.lab", "spare.lab"}, "sem": {"sem.lab"}, "tem": {"sem.lab"}})
	with := func(certs ...tls.Certificate) *grpc.ClientConn {
		return dial(t, address, credentials.NewTLS(&tls.Config{RootCAs: ours.pool, Certificates: certs, MinVersion: tls.VersionTLS12}))
	}
	fib, sem, guest := with(ours.client("whatever", "fib.lab")), with(ours.client("sem.lab")), with(ours.client("guest"))

	require.NoError(t, sendOne(t, fib, "1", ""))
	require.Equal(t, "fib", journal.Receipts()[0].Source, "the certificate names the source")
	require.NoError(t, sendOne(t, fib, "2", "fib"))
	require.NoError(t, sendOne(t, sem, "3", "tem"))
	require.NoError(t, sendOne(t, guest, "4", "other"), "a source that is not listed is everyone's")
	require.NoError(t, sendOne(t, guest, "5", ""))
	require.Equal(t, "grpc", journal.Receipts()[4].Source)

	for _, c := range []struct {
		conn   *grpc.ClientConn
		source string
		want   codes.Code
		says   string
	}{
		{fib, "sem", codes.PermissionDenied, "its own are fib"},
		{fib, "other", codes.PermissionDenied, "its own are fib"},
		{sem, "", codes.PermissionDenied, "one of sem, tem"},
		{guest, "fib", codes.PermissionDenied, "client guest"},
		{with(), "other", codes.Unauthenticated, "present a client certificate"},
	} {
		err := sendOne(t, c.conn, "x", c.source)
		require.Equal(t, c.want, status.Code(err), "%q: %v", c.source, err)
		require.ErrorContains(t, err, c.says)
	}
	err := sendOne(t, with(theirs.client("fib.lab")), "x", "fib")
	require.Equal(t, codes.Unavailable, status.Code(err), "a stranger's certificate ends the handshake: %v", err)
	require.Error(t, sendOne(t, dial(t, address, insecure.NewCredentials()), "x", ""))
	_, err = grpc_health_v1.NewHealthClient(with()).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	require.Equal(t, codes.Unauthenticated, status.Code(err))
	require.Len(t, journal.Receipts(), 5)
}

func TestConnectionsBeyondTheLimitAreClosedAndOthersGoOn(t *testing.T) {
	l := &stream.GRPCListener{MaxConnections: 2}
	address, _ := guarded(t, l, nil)
	first := dial(t, address, insecure.NewCredentials())
	require.NoError(t, sendOne(t, first, "1", ""))
	idle, err := net.Dial("tcp", address)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return l.Connections() == 2 }, soon, time.Millisecond)
	third := dial(t, address, insecure.NewCredentials())
	require.Equal(t, codes.Unavailable, status.Code(sendOne(t, third, "2", "")))
	require.NoError(t, sendOne(t, first, "2", ""))
	require.NoError(t, idle.Close())
	require.Eventually(t, func() bool { return l.Connections() < 2 }, soon, time.Millisecond)
	require.Eventually(t, func() bool { return sendOne(t, third, "3", "") == nil }, soon, 50*time.Millisecond)
}

func TestCallsBeyondTheRateAreRefused(t *testing.T) {
	address, _ := guarded(t, &stream.GRPCListener{CallsPerSecond: 0.4}, nil) // a burst of two
	conn := dial(t, address, insecure.NewCredentials())
	require.NoError(t, sendOne(t, conn, "1", ""))
	require.NoError(t, sendOne(t, conn, "2", ""))
	var err error
	for i := 0; i < 50 && err == nil; i++ {
		err = sendOne(t, conn, "3", "")
		if err != nil && status.Code(err) == codes.Unknown {
			err = nil // it is a duplicate by now
		}
	}
	require.Equal(t, codes.ResourceExhausted, status.Code(err), err)
	require.ErrorContains(t, err, "keep one stream open")
}

func TestPingFloodIsSentAway(t *testing.T) {
	address, _ := guarded(t, &stream.GRPCListener{}, nil)
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(soon)))
	_, err = conn.Write([]byte(http2.ClientPreface))
	require.NoError(t, err)
	framer := http2.NewFramer(conn, conn)
	require.NoError(t, framer.WriteSettings())
	go func() {
		for range 20 {
			if framer.WritePing(false, [8]byte{}) != nil {
				return
			}
		}
	}()
	for {
		frame, err := framer.ReadFrame()
		require.NoError(t, err, "the connection ended without a word")
		if away, ok := frame.(*http2.GoAwayFrame); ok {
			require.Equal(t, http2.ErrCodeEnhanceYourCalm, away.ErrCode)
			return
		}
	}
}

func TestSourceNamesAreBounded(t *testing.T) {
	address, journal := guarded(t, &stream.GRPCListener{}, nil)
	conn := dial(t, address, insecure.NewCredentials())
	for i := range 256 {
		require.NoError(t, sendOne(t, conn, "uid", fmt.Sprint("s", i)))
	}
	require.ErrorContains(t, sendOne(t, conn, "uid", "s256"), "one too many")
	require.NoError(t, sendOne(t, conn, "uid2", "s3"))
	require.Len(t, journal.Receipts(), 257)
}
