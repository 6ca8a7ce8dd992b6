package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	aimsv1 "github.com/uni-aims/aimsd/proto/aims/v1"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/streamtest"
	"github.com/uni-aims/aimsd/stream/tiff"
)

const overloadSide = 64

// overloaded is a whole daemon whose analysis takes a set time and no processor.
type overloaded struct {
	t       *testing.T
	takes   atomic.Int64 // nanoseconds
	folder  string       // watched, as source "folder"
	address string       // gRPC
	metrics string       // URL
	stop    func()

	mu   sync.Mutex
	ages map[string][]time.Duration // by source: of frames when their analysis ended
	wait map[string][]time.Duration // when it began
}

func newOverloaded(t *testing.T, takes time.Duration, policy string) *overloaded {
	t.Helper()
	return overloadedIn(t, t.TempDir(), takes, policy)
}

// overloadedIn keeps its folders in dir, where another may have been before.
func overloadedIn(t *testing.T, dir string, takes time.Duration, policy string) *overloaded {
	t.Helper()
	o := &overloaded{
		t: t, folder: filepath.Join(dir, "frames"),
		ages: map[string][]time.Duration{}, wait: map[string][]time.Duration{},
	}
	o.takes.Store(int64(takes))
	require.NoError(t, os.MkdirAll(o.folder, 0o755))
	ofFolder, ofStream := policy, policy
	if policy == "mixed" {
		ofFolder, ofStream = "block", "latest"
	}
	c, err := ParseConfig(fmt.Appendf(nil, "data_dir: %s\ngrpc: {listen: 127.0.0.1:0, max_in_flight_mb: 1}\nhttp: {listen: 127.0.0.1:0}\n"+
		"sources:\n  - {name: folder, path: %s, policy: %s}\n  - {name: stream, type: grpc, policy: %s}\n",
		filepath.Join(dir, "data"), o.folder, ofFolder, ofStream), nil)
	require.NoError(t, err)
	a := &Analyser{Model: &reporting.Model{Name: "artificial"}}
	a.instead = func(ctx context.Context, f *stream.Frame, mode string) (*Analysis, error) {
		began := time.Now()
		an, err := a.MeasureLabels(f, make([]int32, f.Width*f.Height), mode)
		for now := time.Now(); now.Sub(began) < time.Duration(o.takes.Load()) && ctx.Err() == nil; now = time.Now() {
			time.Sleep(min(5*time.Millisecond, time.Duration(o.takes.Load())-now.Sub(began)))
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.wait[f.Source] = append(o.wait[f.Source], began.Sub(f.ReceivedAt))
		o.ages[f.Source] = append(o.ages[f.Source], time.Since(f.ReceivedAt))
		return an, err
	}
	ready := make(chan struct{})
	d := &Daemon{
		Config: c, Log: zap.NewNop(), openAnalyser: func(context.Context, InferConfig) (*Analyser, error) { return a, nil },
		OnReady: func(grpc, http string) { o.address, o.metrics = grpc, "http://"+http+"/metrics"; close(ready) },
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	o.stop = sync.OnceFunc(func() { cancel(); require.NoError(t, <-ended) })
	t.Cleanup(o.stop)
	select {
	case <-ready:
	case <-time.After(time.Minute):
		require.FailNow(t, "the daemon is not ready")
	}
	return o
}

// scrape is what /metrics says.
func (o *overloaded) scrape() []byte {
	o.t.Helper()
	response, err := http.Get(o.metrics)
	require.NoError(o.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(o.t, err)
	http.DefaultClient.CloseIdleConnections()
	return body
}

// frameCounts reads /metrics and checks that every frame of every source is accounted for.
func (o *overloaded) frameCounts() map[string]map[string]int {
	o.t.Helper()
	body := o.scrape()
	sample := regexp.MustCompile(`(?m)^aimsd_frames_(total|in_flight)\{(?:outcome="(\w+)",)?source="(\w+)"\} (\d+)$`)
	counts := map[string]map[string]int{}
	for _, m := range sample.FindAllStringSubmatch(string(body), -1) {
		if counts[m[3]] == nil {
			counts[m[3]] = map[string]int{}
		}
		n, err := strconv.Atoi(m[4])
		require.NoError(o.t, err)
		counts[m[3]][m[2]] = n
	}
	causes := regexp.MustCompile(`(?m)^aimsd_frames_causes_total\{cause="\w+",outcome="(\w+)",source="(\w+)"\} (\d+)$`)
	because := map[string]int{}
	for _, m := range causes.FindAllStringSubmatch(string(body), -1) {
		n, err := strconv.Atoi(m[3])
		require.NoError(o.t, err)
		because[m[2]+m[1]] += n
	}
	for source, c := range counts {
		for _, outcome := range []string{"gated", "rejected", "dropped"} {
			require.Equal(o.t, c[outcome], because[source+outcome], "causes of %s %s", source, outcome)
		}
		require.Equal(o.t, c["received"], c["processed"]+c["gated"]+c["rejected"]+c["dropped"]+c[""], "%s: %v", source, c)
	}
	return counts
}

// write puts frames into the folder, one every period, until ctx ends.
func (o *overloaded) write(ctx context.Context, period time.Duration) (n int) {
	var b bytes.Buffer
	require.NoError(o.t, tiff.EncodeGray8(&b, bytes.Repeat([]byte{7}, overloadSide*overloadSide), overloadSide, overloadSide, tiff.GrayOptions{}))
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return n
		case <-ticker.C:
		}
		name := filepath.Join(o.folder, fmt.Sprintf("f%06d.tif", n))
		if os.WriteFile(name+".tmp", b.Bytes(), 0o600) != nil || os.Rename(name+".tmp", name) != nil {
			o.t.Error("frame not written", name)
			return n
		}
		n++
	}
}

// push sends frames of source "stream", one every period, until ctx ends, and waits for all their outcomes.
func (o *overloaded) push(ctx context.Context, period time.Duration) (done, dropped int) {
	conn, err := grpc.NewClient(o.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(o.t, err)
	defer conn.Close()
	push, err := aimsv1.NewFrameServiceClient(conn).Push(context.WithoutCancel(ctx))
	require.NoError(o.t, err)
	go func() {
		pixels := bytes.Repeat([]byte{7}, overloadSide*overloadSide)
		ticker := time.NewTicker(period)
		defer ticker.Stop()
		for n := 1; ctx.Err() == nil; n++ {
			_ = push.Send(&aimsv1.PushRequest{Part: &aimsv1.PushRequest_Header{Header: &aimsv1.FrameHeader{
				FrameUid: strconv.Itoa(n), Seq: uint64(n), Width: overloadSide, Height: overloadSide, Format: aimsv1.PixelFormat_GRAY8, Source: "stream",
			}}})
			_ = push.Send(&aimsv1.PushRequest{Part: &aimsv1.PushRequest_Chunk{Chunk: &aimsv1.FrameChunk{Data: pixels}}})
			select {
			case <-ctx.Done():
			case <-ticker.C:
			}
		}
		_ = push.CloseSend()
	}()
	for {
		ack, err := push.Recv()
		if errors.Is(err, io.EOF) {
			return done, dropped
		}
		if err != nil {
			o.t.Error(err)
			return done, dropped
		}
		switch {
		case ack.GetState() == aimsv1.FrameAck_ACCEPTED:
		case ack.GetState() == aimsv1.FrameAck_DONE && ack.GetReason() == "":
			done++
		case ack.GetState() == aimsv1.FrameAck_DONE:
			dropped++
		default:
			o.t.Errorf("frame %s: %s %s", ack.GetFrameUid(), ack.GetState(), ack.GetReason())
		}
	}
}

// free lets the analysis take no time any more.
func (o *overloaded) free() { o.takes.Store(0) }

// heap is what is in use after a collection.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// run lets frames of a source come twice as fast as results for a while, then lets everything drain.
func (o *overloaded) run(length time.Duration, source string) (sent, dropped int) {
	takes := time.Duration(o.takes.Load())
	ctx, cancel := context.WithTimeout(o.t.Context(), length)
	defer cancel()
	var wg sync.WaitGroup
	var early, late int64
	wg.Go(func() {
		if source == "folder" {
			sent = o.write(ctx, takes/2)
			return
		}
		done, superseded := o.push(ctx, takes/2)
		sent, dropped = done+superseded, superseded
	})
	began := time.Now()
	for ctx.Err() == nil {
		o.frameCounts()
		switch {
		case early == 0 && time.Since(began) > length/3:
			early = heap()
		case time.Since(began) > length/3:
			late = heap()
		}
		time.Sleep(min(takes/2, length/20))
	}
	o.takes.Store(0)
	wg.Wait()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		c := o.frameCounts()[source]
		if c["received"] >= sent && c[""] == 0 {
			require.Equal(o.t, sent, c["received"])
			require.Equal(o.t, c["received"], c["processed"]+c["dropped"], c)
			if source == "folder" {
				dropped = c["dropped"]
			}
			require.Equal(o.t, dropped, c["dropped"])
			break
		}
		require.True(o.t, time.Now().Before(deadline), "frames are left: %v", c)
		time.Sleep(20 * time.Millisecond)
	}
	o.t.Logf("%s: %d frames, %d dropped, heap %.1f MiB a third through, %.1f MiB at the end", source, sent, dropped,
		float64(early)/(1<<20), float64(late)/(1<<20))
	require.Less(o.t, late-early, int64(16<<20), "memory grows")
	return sent, dropped
}

// stalls tells how long the machine itself holds up a program that sleeps a little and writes a little, again and
// again until ctx ends: nothing that waits for a commit can be more punctual.
func stalls(ctx context.Context, t *testing.T) (worst func() time.Duration) {
	file, err := os.Create(filepath.Join(t.TempDir(), "stalls"))
	require.NoError(t, err)
	var most atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer file.Close()
		const pause = 20 * time.Millisecond
		for ctx.Err() == nil {
			began := time.Now()
			time.Sleep(pause)
			_, _ = file.WriteAt([]byte(began.String()), 0)
			_ = file.Sync()
			most.Store(max(most.Load(), int64(time.Since(began)-pause)))
		}
	}()
	return func() time.Duration { <-ended; return time.Duration(most.Load()) }
}

func percentile(of []time.Duration, p float64) time.Duration {
	s := slices.Sorted(slices.Values(of))
	return s[min(len(s)-1, int(p*float64(len(s))))]
}

// Frames come twice as fast as results: all of them are accounted for at every look, memory stays, a source
// that blocks drops none, and one that keeps the latest is as fresh as the analysis is fast.
func TestTwofoldOverloadSoak(t *testing.T) {
	length, full := streamtest.Soak(t, 4*time.Second)
	takes := 200 * time.Millisecond
	if full {
		takes = time.Second
	}
	for _, policy := range []string{"block", "latest"} {
		for _, source := range []string{"folder", "stream"} {
			t.Run(strings.Join([]string{policy, source}, " "), func(t *testing.T) {
				t.Parallel() // it waits
				o := newOverloaded(t, takes, policy)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				stall := stalls(ctx, t)
				sent, dropped := o.run(length, source)
				cancel()
				if policy == "block" {
					require.Zero(t, dropped)
					require.Greater(t, sent, 1)
					return
				}
				require.Positive(t, dropped, "it was not overloaded")
				o.mu.Lock()
				defer o.mu.Unlock()
				began, ended := percentile(o.wait[source], 0.99), percentile(o.ages[source], 0.99)
				t.Logf("analysis %s; age of the newest frame, p99: %s as its analysis begins, %s as it ends (%.2f times the analysis); the machine's longest stall %s",
					takes, began.Round(time.Millisecond), ended.Round(time.Millisecond), ended.Seconds()/takes.Seconds(), stall().Round(time.Millisecond))
				if full { // a loaded machine is no reason for the short form to fail; a frame's way has four commits
					allowed := takes*3/2 + takes/20 + 4*stall()
					require.LessOrEqual(t, began, allowed)
					require.LessOrEqual(t, ended, allowed)
				}
			})
		}
	}
}
