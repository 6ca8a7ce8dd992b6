package stream

import (
	"context"
	"crypto/subtle"
	"net"
	"runtime/debug"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// guard stands before every call: it asks for certificate and token, counts, and keeps a panic from ending the
// daemon.
type guard struct {
	token       string // "": none asked
	certificate bool   // asked for
	rate        *rateLimit
	log         *zap.Logger
}

func (g guard) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	defer g.rescue(info.FullMethod, &err)
	if err := g.allow(stream.Context()); err != nil {
		return err
	}
	return handle(srv, pushServerStream{stream})
}

func (g guard) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (reply any, err error) {
	defer g.rescue(info.FullMethod, &err)
	if err := g.allow(ctx); err != nil {
		return nil, err
	}
	return handle(ctx, request)
}

func (g guard) allow(ctx context.Context) error {
	if p, ok := peer.FromContext(ctx); ok && g.rate != nil {
		host, _, err := net.SplitHostPort(p.Addr.String())
		if err != nil {
			host = p.Addr.String()
		}
		if err := g.rate.take(host, time.Now()); err != nil {
			return status.Error(codes.ResourceExhausted, err.Error())
		}
	}
	if g.certificate && clientCertificate(ctx) == nil {
		return errNoCertificate()
	}
	if g.token == "" {
		return nil
	}
	md, _ := metadata.FromIncomingContext(ctx)
	for _, value := range md.Get("authorization") {
		if subtle.ConstantTimeCompare([]byte(value), []byte("Bearer "+g.token)) == 1 {
			return nil
		}
	}
	return status.Error(codes.Unauthenticated, `send the daemon's token as metadata "authorization: Bearer TOKEN"`)
}

func (g guard) rescue(method string, err *error) {
	if cause := recover(); cause != nil {
		g.log.Error("a gRPC call failed unexpectedly", zap.String("method", method), zap.Any("cause", cause), zap.ByteString("stack", debug.Stack()))
		*err = status.Error(codes.Internal, "the call failed unexpectedly; the daemon's log says why")
	}
}
