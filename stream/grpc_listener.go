package stream

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
)

const (
	keepalivePing      = 20 * time.Second // a dead peer is noticed within 30 s
	keepaliveTimeout   = 10 * time.Second
	keepaliveMinTime   = 10 * time.Second // clients that ping more often are sent away
	connectTimeout     = 20 * time.Second
	maxIdle            = 30 * time.Minute // without a call; gRPC clients connect again by themselves
	maxStreamsPerConn  = 64
	maxHeaderListBytes = 64 << 10
	defaultMaxConns    = 64
	stopTimeout        = 5 * time.Second
	streamWindowBytes  = 4 << 20 // what a client may send ahead of the reader
	connWindowBytes    = 8 << 20
	readBufferBytes    = 256 << 10
	frameServiceHealth = "aims.v1.FrameService"
)

// GRPCListener serves FrameService, further services, health and reflection on one address. Fill in the
// fields, call Open to claim the address early if you like, then Run.
type GRPCListener struct {
	Listen   string                    // host:port; without TLS or Token the host must be loopback
	Frames   aimsv1.FrameServiceServer // may be nil
	Register func(grpc.ServiceRegistrar)
	TLS      *tls.Config // nil: plain text; with ClientCAs, every call needs a certificate that one of them signed
	Token    string      // "": none; else every call carries "authorization: Bearer TOKEN"
	Log      *zap.Logger // nil: silent

	MaxConnections int     // more are closed at once; 0: 64
	CallsPerSecond float64 // of one client address, in the long run; more are ResourceExhausted; 0: no limit

	once   sync.Once
	health *health.Server
	mu     sync.Mutex
	lis    net.Listener
	conns  *limitedListener // nil before Run
}

// SetServing sets a service's health: "" is the whole daemon, "aims.v1.FrameService" the ingest, and each
// source has its name. All are NOT_SERVING until said otherwise. Safe to call at any time.
func (l *GRPCListener) SetServing(service string, serving bool) {
	state := healthv1.HealthCheckResponse_NOT_SERVING
	if serving {
		state = healthv1.HealthCheckResponse_SERVING
	}
	l.healthServer().SetServingStatus(service, state)
}

func (l *GRPCListener) healthServer() *health.Server {
	l.once.Do(func() {
		l.health = health.NewServer()
		for _, service := range []string{"", frameServiceHealth} {
			l.health.SetServingStatus(service, healthv1.HealthCheckResponse_NOT_SERVING)
		}
	})
	return l.health
}

// Addr returns the address listened on, nil before Open.
func (l *GRPCListener) Addr() net.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lis == nil {
		return nil
	}
	return l.lis.Addr()
}

// Open claims the address. Run does it too; a daemon that calls it first fails before it starts anything.
func (l *GRPCListener) Open(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lis != nil {
		return nil
	}
	host, _, err := net.SplitHostPort(l.Listen)
	if err != nil {
		return fmt.Errorf("grpc.listen %q: %w: write host:port, such as 127.0.0.1:7443", l.Listen, err)
	}
	if !IsLoopback(host) && l.TLS == nil && l.Token == "" {
		return fmt.Errorf("grpc.listen %s can be reached from other machines, and nothing protects it: listen on 127.0.0.1, or configure TLS or a token", l.Listen)
	}
	var config net.ListenConfig
	lis, err := config.Listen(ctx, "tcp", l.Listen)
	if err != nil {
		return fmt.Errorf("grpc.listen %s: %w: choose another port or stop the program that holds it", l.Listen, err)
	}
	l.lis = lis
	return nil
}

// Close gives up an address that was opened and is not run.
func (l *GRPCListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lis == nil {
		return nil
	}
	err := l.lis.Close()
	l.lis = nil
	return err
}

// Run serves until ctx ends, lets calls finish for up to 5 s, and returns nil.
func (l *GRPCListener) Run(ctx context.Context) error {
	if err := l.Open(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	lis := l.lis
	l.mu.Unlock()
	log := l.Log
	if log == nil {
		log = zap.NewNop()
	}
	if l.Token != "" && l.TLS == nil {
		log.Warn("the gRPC token travels in plain text: configure TLS as well", zap.String("listen", l.Listen))
	}
	server := grpc.NewServer(l.options(log)...)
	if l.Frames != nil {
		aimsv1.RegisterFrameServiceServer(server, l.Frames)
	}
	if l.Register != nil {
		l.Register(server)
	}
	healthv1.RegisterHealthServer(server, l.healthServer())
	reflection.Register(server)

	conns := &limitedListener{Listener: lis, limit: cmp.Or(l.MaxConnections, defaultMaxConns), log: log}
	l.mu.Lock()
	l.conns = conns
	l.mu.Unlock()
	served := make(chan error, 1)
	go func() { served <- server.Serve(conns) }()
	log.Info("gRPC listens", zap.String("address", lis.Addr().String()), zap.Bool("tls", l.TLS != nil), zap.Bool("token", l.Token != ""))
	defer func() { _ = l.Close() }()
	select {
	case err := <-served:
		return fmt.Errorf("grpc.listen %s: %w", l.Listen, err)
	case <-ctx.Done():
	}
	l.healthServer().Shutdown()
	hurry := time.AfterFunc(stopTimeout, server.Stop)
	defer hurry.Stop()
	server.GracefulStop()
	if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("grpc.listen %s: %w", l.Listen, err)
	}
	return nil
}

// Connections is how many there are now.
func (l *GRPCListener) Connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		return 0
	}
	return l.conns.connections()
}

func (l *GRPCListener) options(log *zap.Logger) []grpc.ServerOption {
	guard := guard{token: l.Token, certificate: l.TLS != nil && l.TLS.ClientCAs != nil, rate: &rateLimit{perSecond: l.CallsPerSecond}, log: log}
	opts := []grpc.ServerOption{
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepalivePing, Timeout: keepaliveTimeout, MaxConnectionIdle: maxIdle}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: keepaliveMinTime, PermitWithoutStream: true}),
		grpc.ConnectionTimeout(connectTimeout),
		grpc.MaxConcurrentStreams(maxStreamsPerConn),
		grpc.MaxHeaderListSize(maxHeaderListBytes),
		grpc.ForceServerCodecV2(newPushCodec()),
		grpc.InitialWindowSize(streamWindowBytes),
		grpc.InitialConnWindowSize(connWindowBytes),
		grpc.ReadBufferSize(readBufferBytes),
		grpc.ChainStreamInterceptor(guard.stream),
		grpc.ChainUnaryInterceptor(guard.unary),
	}
	if l.TLS != nil {
		config := l.TLS
		if config.ClientCAs != nil {
			// Who has none is told so by the guard, rather than by a connection that breaks.
			config = config.Clone()
			config.ClientAuth = tls.VerifyClientCertIfGiven
		}
		opts = append(opts, grpc.Creds(credentials.NewTLS(config)))
	}
	return opts
}

// IsLoopback reports whether a listener at host is reached from this machine only.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
