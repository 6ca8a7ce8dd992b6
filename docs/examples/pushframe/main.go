// Command pushframe sends images to a running aimsd over gRPC and prints what it answers:
//
//	go run ./docs/examples/pushframe -to 127.0.0.1:7443 image1.tif image2.tif
//
// Without a file it sends a generated 1024x1024 frame. It is meant to be copied from: it keeps a frame until aimsd
// has committed its result, and sends what is not settled again when the connection breaks or aimsd has no room.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func main() {
	p := pusher{Out: os.Stdout}
	to := flag.String("to", "127.0.0.1:7443", "address of aimsd's gRPC listener")
	flag.StringVar(&p.Run, "run", "", "run id; empty lets aimsd choose")
	flag.StringVar(&p.Source, "source", "", "name of the stream; empty means grpc, or what the certificate says")
	flag.StringVar(&p.UID, "uid", fmt.Sprintf("pushframe-%d", time.Now().UnixNano()), "begins each frame_uid, which is unique for ever")
	token := flag.String("token", os.Getenv("AIMSD_TOKEN"), "bearer token, if aimsd asks for one")
	ca := flag.String("ca", "", "PEM file of the authority that signed aimsd's certificate; empty means plain text")
	cert := flag.String("cert", "", "PEM file of a client certificate, if aimsd asks for one")
	key := flag.String("key", "", "PEM file of its key")
	timeout := flag.Duration("timeout", 5*time.Minute, "how long to wait for the results")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	if *token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+*token)
	}
	err := run(ctx, &p, *to, *ca, *cert, *key, flag.Args())
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pushframe:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, p *pusher, to, ca, cert, key string, paths []string) error {
	creds, err := transport(ca, cert, key)
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(to, grpc.WithTransportCredentials(creds),
		// A pulled cable is noticed within 30 s, on this side as on the other; aimsd allows a ping every 10 s.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	p.Conn = conn
	return p.pushAll(ctx, paths)
}

// transport is plain text, or TLS with what the files hold.
func transport(ca, cert, key string) (credentials.TransportCredentials, error) {
	if ca == "" {
		return insecure.NewCredentials(), nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", ca)
	}
	if cert != "" {
		own, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{own}
	}
	return credentials.NewTLS(config), nil
}

// again reports whether it is worth while to connect anew and resend what is not settled.
func again(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Internal:
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, errBusy)
}
