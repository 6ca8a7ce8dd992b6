//go:build unix

package agent

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// victimEnv has a test process work on frames of which one ends it: "crash", "abort" or "kill".
const victimEnv = "TEST_AIMSD_VICTIM"

// TestVictim is no test: it is the daemon's pipeline in a process of its own.
func TestVictim(t *testing.T) {
	how, dir, ok := strings.Cut(os.Getenv(victimEnv), ":")
	if !ok {
		t.Skip("runs only as a child of the tests of the quarantine")
	}
	ctx := t.Context()
	store, err := reporting.OpenStore(ctx, reporting.StoreOptions{Dir: dir})
	require.NoError(t, err)
	c := crashes{Dir: dir, Now: time.Now, Log: zap.NewNop()}
	by, err := store.Suspects(ctx, c.look())
	require.NoError(t, err)
	now := time.Now()
	r := testRuns(t, store, &now)
	p := &pipeline{Store: store, Runs: r, Builder: r.Builder, Log: zap.NewNop(), Now: time.Now, Stats: newStats(store), Suspects: &suspects{by: by}}
	j := journal{store: store, runs: r}
	arrivals := make(chan stream.Arrival)
	go func() {
		defer close(arrivals)
		for _, key := range []string{"first", "bad", "next", "last"} {
			a, err := j.Admit(ctx, stream.Receipt{Source: "acq", Key: key, Name: key})
			if err != nil || a.State.Final() {
				continue
			}
			arrivals <- stream.Arrival{
				Receipt: stream.Receipt{Source: "acq", Key: key, Name: key}, Admission: a, Settle: func(stream.Outcome) {},
				Open: func(context.Context) (*stream.Frame, error) {
					if key != "bad" {
						return nil, errors.New("no image")
					}
					switch how {
					case "kill":
						_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
					case "abort": // as a library in C does
						_ = syscall.Kill(os.Getpid(), syscall.SIGABRT)
						select {}
					}
					go panic("a decoder's goroutine, which nothing can recover")
					select {}
				},
			}
		}
	}()
	p.Run(ctx, arrivals)
	r.closeAll(ctx)
	require.NoError(t, store.EndAttempts(ctx))
	require.NoError(t, c.release())
	require.NoError(t, store.Close())
}

// lives runs victims until one survives, and returns how many it took.
func lives(t *testing.T, how, dir string) int {
	t.Helper()
	for n := 1; n <= 20; n++ {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$")
		c.Env = append(os.Environ(), victimEnv+"="+how+":"+dir)
		said, err := c.CombinedOutput()
		if err == nil {
			return n
		}
		require.NotContains(t, string(said), "--- FAIL", "it ended otherwise than by the frame")
	}
	require.FailNow(t, "the frame ends the process for ever")
	return 0
}

func TestAFrameThatEndsTheProcessIsQuarantinedAndTheOthersAreDone(t *testing.T) {
	for how, want := range map[string]struct {
		lives  int
		reason string
	}{
		"crash": {maxCrashes + 1, "quarantined: aimsd crashed 3 times"},
		"abort": {maxCrashes + 1, "quarantined: aimsd crashed 3 times"},
		"kill":  {maxKills + 1, "quarantined: aimsd was killed 10 times"},
	} {
		dir := t.TempDir()
		require.Equal(t, want.lives, lives(t, how, dir), how)
		store, err := reporting.OpenStore(t.Context(), reporting.StoreOptions{Dir: dir, ReadOnly: true})
		require.NoError(t, err)
		runs, err := store.Runs(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, runs, 1, "the run goes on over all of it")
		frames, err := store.Frames(t.Context(), runs[0].ID)
		require.NoError(t, err)
		require.Len(t, frames, 4)
		for _, f := range frames {
			require.Equal(t, "rejected", f.State)
			if f.Key == "bad" {
				require.Contains(t, f.Reason, want.reason)
			} else {
				require.Equal(t, "no image", f.Reason, f.Key)
			}
		}
		require.NoError(t, store.Close())
		reports, err := filepath.Glob(filepath.Join(dir, "crash*.log"))
		require.NoError(t, err)
		require.Len(t, reports, map[string]int{"crash": maxCrashes, "abort": maxCrashes, "kill": 0}[how])
		for _, path := range reports {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Contains(t, string(text), map[string]string{"crash": "a decoder's goroutine", "abort": "SIGABRT"}[how])
		}
	}
}

func TestAPanicOnAFrameIsKeptInside(t *testing.T) {
	err := guarded(zap.NewNop(), "decoding", "a.tif", func() error { panic("index out of range") })
	require.ErrorIs(t, err, errQuarantined)
	require.ErrorContains(t, err, "decoding panicked")
	require.NoError(t, guarded(zap.NewNop(), "decoding", "a.tif", func() error { return nil }))
	_, err = guardedDecoder{zap.NewNop()}.frames(func(string) (int, error) { panic("header") })("a.tif")
	require.ErrorIs(t, err, errQuarantined)
}

func TestASuspectIsWorkedOnAlone(t *testing.T) {
	var l lane
	var at atomic.Int32
	l.enter(false)
	alone := make(chan struct{})
	go func() {
		l.enter(true)
		at.Store(1)
		close(alone)
		l.passed(true)
		at.Store(2)
	}()
	time.Sleep(10 * time.Millisecond)
	require.Zero(t, at.Load(), "a frame is on its way")
	l.leave()
	<-alone
	time.Sleep(10 * time.Millisecond)
	require.EqualValues(t, 1, at.Load(), "nothing follows a suspect")
	l.leave()
	require.Eventually(t, func() bool { return at.Load() == 2 }, 10*time.Second, time.Millisecond)
}
