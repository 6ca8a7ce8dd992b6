package stream_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
	"github.com/uni-aims/aimsd/stream"
)

func serve(t *testing.T, l *stream.GRPCListener) *grpc.ClientConn {
	t.Helper()
	require.Nil(t, l.Addr())
	require.NoError(t, l.Open(t.Context()))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { errorTo(t, l.Run(ctx)) })
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close(); cancel(); wg.Wait() })
	return conn
}

func TestHealthFollowsWhatIsSaid(t *testing.T) {
	l := &stream.GRPCListener{Listen: "127.0.0.1:0", Frames: &stream.PushServer{}}
	l.SetServing("acq", false)
	health := healthv1.NewHealthClient(serve(t, l))
	check := func(service string) string {
		reply, err := health.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		if err != nil {
			return status.Code(err).String()
		}
		return reply.GetStatus().String()
	}
	for _, service := range []string{"", "aims.v1.FrameService", "acq"} {
		require.Equal(t, "NOT_SERVING", check(service), service)
		l.SetServing(service, true)
		require.Equal(t, "SERVING", check(service), service)
	}
	require.Equal(t, "NotFound", check("nobody"))
}

func TestReflectionListsTheServices(t *testing.T) {
	conn := serve(t, &stream.GRPCListener{Listen: "127.0.0.1:0", Frames: &stream.PushServer{}})
	s, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}))
	reply, err := s.Recv()
	require.NoError(t, err)
	var names []string
	for _, service := range reply.GetListServicesResponse().GetService() {
		names = append(names, service.GetName())
	}
	require.Contains(t, names, "aims.v1.FrameService")
	require.Contains(t, names, "grpc.health.v1.Health")
	require.NoError(t, s.CloseSend())
}

func TestUnprotectedAddressesMustBeLocal(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:7443", "example.org:7443"} {
		l := &stream.GRPCListener{Listen: address}
		require.ErrorContains(t, l.Open(t.Context()), "TLS or a token", address)
	}
	require.ErrorContains(t, (&stream.GRPCListener{Listen: "nonsense"}).Open(t.Context()), "host:port")
	open := &stream.GRPCListener{Listen: "0.0.0.0:0", Token: "secret"}
	require.NoError(t, open.Open(t.Context()))
	require.NoError(t, open.Close())
	require.True(t, stream.IsLoopback("127.0.0.2") && stream.IsLoopback("::1") && stream.IsLoopback("localhost"))
}

func TestTakenPortIsOneClearError(t *testing.T) {
	first := &stream.GRPCListener{Listen: "127.0.0.1:0"}
	require.NoError(t, first.Open(t.Context()))
	defer func() { _ = first.Close() }()
	second := &stream.GRPCListener{Listen: first.Addr().String()}
	require.ErrorContains(t, second.Run(t.Context()), "choose another port")
}

func TestTokenIsAskedOfEveryCall(t *testing.T) {
	conn := serve(t, &stream.GRPCListener{Listen: "127.0.0.1:0", Frames: &stream.PushServer{}, Token: "secret"})
	push := func(ctx context.Context) codes.Code {
		s, err := aimsv1.NewFrameServiceClient(conn).Push(ctx)
		require.NoError(t, err)
		_, err = s.Recv()
		return status.Code(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	require.Equal(t, codes.Unauthenticated, push(ctx))
	require.Equal(t, codes.Unauthenticated, push(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer wrong")))
	require.Equal(t, codes.Unavailable, push(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer secret")), "no source runs")
	_, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{})
	require.Equal(t, codes.Unauthenticated, status.Code(err))
}
