package agent

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
	"github.com/uni-aims/aimsd/stream/tiff"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestInputsAreListedOnceAndOutputsNever(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	png := "\x89PNG\r\n\x1a\n0000"
	a, b := write("a.tif", "broken"), write("sub/b.dat", png)
	write("readme.txt", "text")
	write(".hidden.tif", png)
	write("out/x.png", png)
	write("earlier/.aimsd", "")
	write("earlier/y.png", png)
	got := listInputs([]string{dir, a, filepath.Join(dir, "gone.tif")}, filepath.Join(dir, "out"))
	var paths []string
	for _, in := range got {
		paths = append(paths, in.path)
	}
	require.Equal(t, []string{a, b, filepath.Join(dir, "gone.tif")}, paths)
	require.ErrorContains(t, got[2].err, "no such file")
	require.Empty(t, listInputs([]string{t.TempDir()}, "out"))
}

func TestLatestPassesTheNewestOnAndDropsTheRest(t *testing.T) {
	in, out := make(chan stream.Arrival), make(chan stream.Arrival)
	var dropped []uint64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		latest(in, out, func(a stream.Arrival) { dropped = append(dropped, a.Receipt.Seq) })
	}()
	for seq := range uint64(5) {
		in <- stream.Arrival{Receipt: stream.Receipt{Seq: seq + 1}}
	}
	require.EqualValues(t, 5, (<-out).Receipt.Seq)
	in <- stream.Arrival{Receipt: stream.Receipt{Seq: 6}}
	close(in)
	require.EqualValues(t, 6, (<-out).Receipt.Seq)
	<-ended
	require.Equal(t, []uint64{1, 2, 3, 4}, dropped)
}

func TestWritesThatADiskPreventsAreTriedAgainUntilTheySucceed(t *testing.T) {
	s := &stats{faults: map[string]error{}}
	p := pipeline{Log: zap.NewNop(), Stats: s, Backoff: time.Millisecond}
	tries := 0
	require.NoError(t, p.retry(t.Context(), "commit", func() error {
		if tries++; tries < 3 {
			return &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
		}
		require.Contains(t, s.current(), "commit")
		return nil
	}))
	require.Equal(t, 3, tries)
	require.Empty(t, s.current())
	bad := errors.New("labels do not fit")
	require.ErrorIs(t, p.retry(t.Context(), "commit", func() error { return bad }), bad)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.retry(ctx, "commit", func() error { return syscall.ENOSPC }), context.Canceled)
}

func testRuns(t *testing.T, store *reporting.Store, now *time.Time) *runs {
	t.Helper()
	topics, err := reporting.NewTopics("s", "i")
	require.NoError(t, err)
	r := &runs{
		Store: store, Dir: store.Dir(), Builder: reporting.Builder{Topics: topics}, IdleTimeout: time.Minute, Log: zap.NewNop(),
		EncodeLabels: tiff.EncodeLabels, Now: func() time.Time { return *now },
	}
	require.NoError(t, r.resume(t.Context()))
	return r
}

func TestRunsOpenWithAFrameCloseWhenIdleAndAreResumedAfterACrash(t *testing.T) {
	ctx, dir, now := t.Context(), t.TempDir(), time.Now()
	store, err := reporting.OpenStore(ctx, reporting.StoreOptions{Dir: dir})
	require.NoError(t, err)
	r := testRuns(t, store, &now)
	j := journal{store: store, runs: r}
	first, err := j.Admit(ctx, stream.Receipt{Source: "acq", Key: "1"})
	require.NoError(t, err)
	require.Regexp(t, `^\d{8}-\d{6}-acq$`, first.RunID)
	second, err := j.Admit(ctx, stream.Receipt{Source: "acq", Key: "2"})
	require.NoError(t, err)
	require.Equal(t, first.RunID, second.RunID)
	named, err := j.Admit(ctx, stream.Receipt{Source: "grpc", Key: "3", RunHint: "wafer-12"})
	require.NoError(t, err)
	require.Equal(t, "wafer-12", named.RunID)
	_, err = j.Admit(ctx, stream.Receipt{Source: "grpc", Key: "4", RunHint: "../../etc"})
	require.ErrorContains(t, err, "run_id")

	// a crash: nothing is closed
	for _, run := range r.open {
		require.NoError(t, run.out.Close())
	}
	r = testRuns(t, store, &now)
	j = journal{store: store, runs: r}
	again, err := j.Admit(ctx, stream.Receipt{Source: "acq", Key: "1"})
	require.NoError(t, err)
	require.Equal(t, first, again, "the same frame in the same run, still to be done")
	unnamed, err := j.Admit(ctx, stream.Receipt{Source: "grpc", Key: "6"})
	require.NoError(t, err)
	require.NotEqual(t, "wafer-12", unnamed.RunID, "a run that a header named takes no frames that name none")
	r.done(ctx, unnamed.RunID, true)

	now = now.Add(2 * time.Minute)
	r.expire(ctx)
	require.Contains(t, r.open, first.RunID, "a frame is in flight")
	require.NotContains(t, r.open, "wafer-12")
	r.done(ctx, first.RunID, false)
	now = now.Add(2 * time.Minute)
	r.expire(ctx)
	require.Empty(t, r.open)
	rec, err := store.Run(ctx, first.RunID)
	require.NoError(t, err)
	require.Equal(t, closedByIdle, rec.Reason)
	require.FileExists(t, filepath.Join(dir, runsFolder, first.RunID, reporting.ReportFile))

	third, err := j.Admit(ctx, stream.Receipt{Source: "acq", Key: "5", EndOfRun: true})
	require.NoError(t, err)
	require.NotEqual(t, first.RunID, third.RunID)
	r.done(ctx, third.RunID, true)
	rec, err = store.Run(ctx, third.RunID)
	require.NoError(t, err)
	require.Equal(t, closedByEnd, rec.Reason)
	require.NoError(t, store.Close())
}

func TestReadinessNamesWhatIsWrongAndABrokerOnlyDegrades(t *testing.T) {
	down := func() error { return errors.New("no broker\nat all") }
	fine := func() error { return nil }
	state := readyState([]part{{Name: "store", Ready: fine}, {Name: "mqtt", Degrades: true, Ready: down}})
	require.Equal(t, readiness{Ready: true, Parts: map[string]string{"store": "ok", "mqtt": "degraded: no broker at all"}}, state)
	state = readyState([]part{{Name: "source a", Ready: down}})
	require.False(t, state.Ready)
}

func TestHealthIsServedOnLoopbackOnly(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", ":0", "192.168.1.1:80", "nonsense"} {
		h := &healthServer{Listen: listen}
		require.ErrorContains(t, h.Open(t.Context()), "http.listen", listen)
	}
}

func TestAFrameOfAnotherRunIsTakenWhileAReportIsWritten(t *testing.T) {
	ctx, now := t.Context(), time.Now()
	store, err := reporting.OpenStore(ctx, reporting.StoreOptions{Dir: t.TempDir()})
	require.NoError(t, err)
	defer store.Close()
	r := testRuns(t, store, &now)
	writing, written := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r.Describe = func(b *reporting.Batch) {
		if b.Run.ClosedAt.IsZero() {
			return // it is opened
		}
		once.Do(func() { close(writing); <-written })
	}
	j := journal{store: store, runs: r}
	admit := func(ctx context.Context, key, run string) error {
		_, err := j.Admit(ctx, stream.Receipt{Source: "grpc", Key: key, RunHint: run})
		return err
	}
	require.NoError(t, admit(ctx, "1", "a"))
	go r.done(ctx, "a", true)
	<-writing
	require.NoError(t, admit(ctx, "2", "b"), "not held up")
	_, err = r.folder("a")
	require.ErrorContains(t, err, "not open")

	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, admit(short, "3", "a"), context.DeadlineExceeded)

	again := make(chan error, 1)
	go func() { again <- admit(ctx, "4", "a") }()
	select {
	case <-again:
		require.Fail(t, "a run took a frame while its report was written")
	case <-time.After(50 * time.Millisecond):
	}
	close(written)
	require.NoError(t, <-again)
	_, err = r.folder("a")
	require.NoError(t, err, "opened again")
	r.closeAll(ctx)
	require.Empty(t, r.open)
}
