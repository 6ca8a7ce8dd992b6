package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/uni-aims/aimsd/metrics/milling"
	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
	"github.com/uni-aims/aimsd/reporting"
)

// armable is a controller that only remembers. Its open run is run-1.
type armable struct{ armed *aimsv1.ArmRequest }

func (a *armable) Arming(_ context.Context, r *aimsv1.ArmingRequest) (*aimsv1.ArmState, error) {
	return &aimsv1.ArmState{Source: r.GetSource(), Armed: true, RunId: "run-1", LeaseLeftMs: 90_000, By: "anna"}, nil
}

func (a *armable) Arm(_ context.Context, r *aimsv1.ArmRequest) (*aimsv1.ArmState, error) {
	a.armed = r
	if r.GetRunId() == "" {
		r.RunId = "run-1"
	}
	return &aimsv1.ArmState{Source: r.GetSource(), Armed: true, RunId: r.GetRunId(), LeaseLeftMs: r.GetLeaseMs(), AllowStop: r.GetAllowStop(), By: r.GetBy()}, nil
}

func (a *armable) Disarm(_ context.Context, r *aimsv1.DisarmRequest) (*aimsv1.ArmState, error) {
	a.armed = nil
	return &aimsv1.ArmState{Source: r.GetSource(), Why: "disarmed"}, nil
}

// advising serves feedback at an address as the daemon does; stop ends it.
func advising(t *testing.T, c GRPCConfig, service *reporting.FeedbackService) (address string, stop func()) {
	t.Helper()
	c.MaxConnections = 64
	l, err := grpcListener(c)
	require.NoError(t, err)
	l.Log, l.Register = zap.NewNop(), func(r grpc.ServiceRegistrar) { aimsv1.RegisterFeedbackServiceServer(r, service) }
	require.NoError(t, l.Open(t.Context()))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	stop = sync.OnceFunc(func() { service.Close(); cancel(); require.NoError(t, <-ended) })
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

// advice is a feedback as a daemon tells it.
func advice(seq uint64, word, text string) *reporting.FeedbackMessage {
	at := time.Date(2026, 1, 14, 9, 30, int(seq), 0, time.UTC)
	progress, front, threshold, value, nm, rate, eta := 0.45, 1.2e-6, 1.0, 0.452, 5.0, 23e-9, 65.0
	m := &reporting.FeedbackMessage{
		Source: "acq", RunID: "run-1", StageName: "rough", Beam: milling.Ion, FrameTime: at, DecisionTime: at.Add(time.Second), ValidForMs: 2000, Seq: seq,
		Advice: word, Text: text, Reasons: []string{"WARMUP"}, Confidence: &value, NmPerPx: &nm, Quality: []string{"curtaining"},
		Drift:    &reporting.FeedbackDrift{ShiftPx: reporting.Point{X: 3, Y: -3}, ShiftM: &reporting.Point{X: 15e-9, Y: -15e-9}, Success: true},
		Geometry: &reporting.FeedbackGeometry{Progress: &progress, FrontM: &front, RateMPerS: &rate, EtaS: &eta},
	}
	m.Endpoint.Metric, m.Endpoint.Value, m.Endpoint.ThresholdValue = milling.MetricProgress, &value, &threshold
	m.Endpoint.ConsecutiveCount, m.Endpoint.WarmupComplete = 1, true
	return m
}

// lines collects what is written, from several goroutines.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// watching runs watch until the test ends.
func watching(t *testing.T, target feedbackTarget, asJSON bool) (out, said *lines) {
	t.Helper()
	out, said = &lines{}, &lines{}
	r := &aimsv1.WatchRequest{Source: "acq"}
	w := &watch{
		Request: r, Link: &watchLink{Target: target, Request: r, Now: time.Now, Retry: 20 * time.Millisecond},
		State: newWatchState(target.Address, "acq", nil), Out: out, Err: said, JSON: asJSON, Now: time.Now,
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-ended) })
	return out, said
}

func eventually(t *testing.T, out *lines, want string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), want) }, 10*time.Second, 5*time.Millisecond, "%s in %s", want, out)
}

func TestAWatcherLogsFeedbackAndComesBackWithTheDaemon(t *testing.T) {
	service := &reporting.FeedbackService{}
	address, stop := advising(t, GRPCConfig{Listen: "127.0.0.1:0"}, service)
	service.Publish(advice(7, milling.Continue, "progress 45.0 %"))
	out, said := watching(t, feedbackTarget{Address: address}, false)
	asJSON, _ := watching(t, feedbackTarget{Address: address}, true)
	eventually(t, out, "acq  frame 7  CONTINUE  progress 45.0 %  [WARMUP]\n")
	eventually(t, asJSON, "\n")
	var told struct {
		Advice   string `json:"advice"`
		RunID    string `json:"run_id"`
		Geometry struct {
			Progress float64 `json:"progress"`
		} `json:"geometry"`
	}
	require.NoError(t, json.Unmarshal([]byte(asJSON.String()), &told))
	require.Equal(t, "CONTINUE run-1 0.45", strings.Join([]string{told.Advice, told.RunID, jsonText(t, told.Geometry.Progress)}, " "))
	eventually(t, out, "acq  frame 7  NO ADVICE: treat as PAUSE")

	stop()
	eventually(t, said, "trying again\n")
	again := &reporting.FeedbackService{}
	again.Publish(advice(8, milling.Pause, "pause milling\x1b[2J"))
	advising(t, GRPCConfig{Listen: address}, again)
	eventually(t, out, "frame 8  PAUSE     pause milling[2J  [WARMUP]\n")
	require.Equal(t, 1, strings.Count(said.String(), "trying again"), "it is said once")
	require.NotContains(t, asJSON.String(), "NO ADVICE", "JSON is feedback alone")
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func TestAWatcherAsksWithWhatTheConfigurationSays(t *testing.T) {
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(token, []byte("a-token-of-some-length\n"), 0o600))
	files, _ := selfSigned(t, dir)
	service := &reporting.FeedbackService{}
	address, _ := advising(t, GRPCConfig{Listen: "127.0.0.1:0", TLS: files, TokenFile: token}, service)
	service.Publish(advice(7, milling.Continue, "progress 45.0 %"))
	config := filepath.Join(dir, "aimsd.yaml")
	require.NoError(t, os.WriteFile(config, []byte("data_dir: data\ngrpc: {listen: '"+address+"', token_file: token, tls: {cert_file: cert.pem, key_file: key.pem}}\n"), 0o600))
	target, cfg, err := (&feedbackFlags{config: config}).target("watch")
	require.NoError(t, err)
	require.NotNil(t, cfg)
	out, said := watching(t, target, false)
	eventually(t, out, "frame 7  CONTINUE")
	require.Empty(t, said.String())

	wrong := filepath.Join(dir, "wrong")
	require.NoError(t, os.WriteFile(wrong, []byte("another\n"), 0o600))
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitFailed, Main([]string{"watch", "-c", config, "--token-file", wrong}, &stdout, &stderr), "it is refused, and does not try for ever")
	require.Contains(t, stderr.String(), "--token-file")
	require.Equal(t, 1, strings.Count(stderr.String(), "\n"))
}

func TestALinkTellsWhetherASourceIsArmed(t *testing.T) {
	service := &reporting.FeedbackService{Steering: &armable{}}
	address, _ := advising(t, GRPCConfig{Listen: "127.0.0.1:0"}, service)
	service.Publish(advice(7, milling.Continue, "progress 45.0 %"))
	ctx, cancel := context.WithCancel(t.Context())
	seen, ended := make(chan sighting), make(chan error, 1)
	l := &watchLink{Target: feedbackTarget{Address: address}, Request: &aimsv1.WatchRequest{}, Now: time.Now}
	go func() { ended <- l.Run(ctx, seen) }()
	s := newWatchState(address, "", nil)
	for s.sources["acq"] == nil || s.sources["acq"].armed == nil {
		s.take(<-seen)
	}
	cancel()
	require.NoError(t, <-ended)
	at := s.sources["acq"].armedAt
	require.Contains(t, screenText(s, at.Add(10*time.Second), 80, 24), "ARMED by anna, 80 s left")
	s.take(sighting{At: at, Armed: &aimsv1.ArmState{Source: "acq"}})
	require.Contains(t, screenText(s, at, 80, 24), "not armed")
	s.take(sighting{At: at, Down: context.Canceled})
	require.NotContains(t, screenText(s, at, 80, 24), "armed", "it is not known")
}

func TestArmAndDisarmSayWhatHolds(t *testing.T) {
	controller := &armable{}
	service := &reporting.FeedbackService{Steering: controller}
	address, _ := advising(t, GRPCConfig{Listen: "127.0.0.1:0"}, service)
	call := func(args ...string) (int, string) {
		var stdout, stderr bytes.Buffer
		code := Main(append(args, "--address", address), &stdout, &stderr)
		return code, stdout.String() + stderr.String()
	}
	code, text := call("arm", "--source", "acq", "--for", "10m", "--by", "anna", "--allow-stop")
	require.Equal(t, exitOK, code, text)
	require.Equal(t, "source acq is ARMED by anna for run run-1, 10m0s left: the daemon pauses or stops its milling when it advises so\n", text)
	code, text = call("arm", "--source", "acq", "--for", "10m", "--by", "anna", "--run", "run-2")
	require.Equal(t, exitOK, code, text)
	require.Contains(t, text, "for run run-2, 10m0s left: the daemon pauses its milling when it advises so; a stop is not allowed\n")
	code, text = call("disarm", "--source", "acq", "--by", "ben")
	require.Equal(t, exitOK, code)
	require.Equal(t, "source acq is not armed (disarmed): the daemon only advises\n", text)
	require.Nil(t, controller.armed)

	service.Steering = nil
	code, text = call("arm", "--source", "acq", "--for", "10m", "--by", "anna", "--run", "run-2")
	require.Equal(t, exitFailed, code)
	require.Equal(t, "aimsd: the daemon at "+address+": no source has a controller; set milling.act in its configuration, and restart aimsd\n", text)
	for _, args := range [][]string{
		{"arm", "--source", "acq", "--by", "anna"}, {"arm", "--for", "10m", "--by", "anna"}, {"disarm", "--source", "acq"},
		{"disarm", "--source", "acq", "--by", "anna", "--cert", "x"},
	} {
		code, text = call(args...)
		require.Equal(t, exitUsage, code, text)
		require.Equal(t, 1, strings.Count(text, "\n"), text)
	}
	var stdout, stderr bytes.Buffer
	require.Equal(t, exitUsage, Main([]string{"watch", "--address", "nowhere"}, &stdout, &stderr))
	require.Equal(t, exitFailed, Main([]string{"disarm", "--source", "acq", "--by", "anna", "--address", "127.0.0.1:1"}, &stdout, &stderr))
	require.Contains(t, stderr.String(), "aimsd: no connection to the daemon at 127.0.0.1:1: ")
}
