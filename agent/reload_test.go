package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/uni-aims/aimsd/configs"
	"github.com/uni-aims/aimsd/infer/models"
	"github.com/uni-aims/aimsd/stream/simulate"
)

// running is a daemon inside the test.
type running struct {
	t     *testing.T
	d     *Daemon
	next  Config // what Load returns
	ask   chan struct{}
	lines *observer.ObservedLogs
	done  chan FrameDone
}

// runDaemonWith starts a daemon and waits until it is ready; the test's end stops it.
func runDaemonWith(t *testing.T, c Config) *running {
	t.Helper()
	needLibrary(t)
	core, lines := observer.New(zap.InfoLevel)
	r := &running{t: t, next: c, ask: make(chan struct{}, 1), lines: lines, done: make(chan FrameDone, 100)}
	ready := make(chan struct{})
	r.d = &Daemon{
		Config: c, Log: zap.New(core), Load: func() (Config, error) { return r.next, nil }, Reload: r.ask,
		OnReady: func(string, string) { close(ready) }, OnFrame: func(f FrameDone) { r.done <- f },
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.d.Run(ctx) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-ended) })
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		require.FailNow(t, "the daemon did not start", "%v", err)
	case <-time.After(time.Minute):
		require.FailNow(t, "not ready", "%v", r.d.parts())
	}
	return r
}

// reload has the daemon take c up, and returns what it said.
func (r *running) reload(c Config) observer.LoggedEntry {
	r.t.Helper()
	r.next = c
	r.lines.TakeAll()
	r.ask <- struct{}{}
	var said []observer.LoggedEntry
	require.Eventually(r.t, func() bool {
		said = r.lines.Filter(func(e observer.LoggedEntry) bool {
			return e.Message == "reloaded" || strings.HasPrefix(e.Message, "reload failed")
		}).All()
		return len(said) > 0
	}, time.Minute, 5*time.Millisecond)
	return said[0]
}

// frame waits for the next frame's end.
func (r *running) frame() FrameDone {
	r.t.Helper()
	select {
	case f := <-r.done:
		return f
	case <-time.After(time.Minute):
		require.FailNow(r.t, "no frame")
		return FrameDone{}
	}
}

// daemonConfig is a configuration with folders of these names under dir.
func daemonConfig(t *testing.T, dir string, sources ...string) Config {
	t.Helper()
	c := DefaultConfig()
	c.DataDir, c.GRPC.Listen, c.HTTP.Listen = filepath.Join(dir, "data"), "", ""
	for _, name := range sources {
		s := defaultSource()
		s.Name, s.Path = name, filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(s.Path, 0o750))
		c.Sources = append(c.Sources, s)
	}
	return c
}

func putFrame(t *testing.T, path string, index int) {
	t.Helper()
	f, err := (&simulate.Particles{Width: 192, Height: 192, Seed: 9}).Frame(t.Context(), index)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, f.WriteTIFF(&b))
	require.NoError(t, os.WriteFile(path+".tmp", b.Bytes(), 0o600))
	require.NoError(t, os.Rename(path+".tmp", path))
}

func TestFoldersComeChangeAndGoWithoutARestart(t *testing.T) {
	dir := t.TempDir()
	both := daemonConfig(t, dir, "a", "b")
	first := both
	first.Sources = both.Sources[:1]
	r := runDaemonWith(t, first)
	putFrame(t, filepath.Join(dir, "a", "1.tif"), 1)
	one := r.frame()
	require.Equal(t, "a", one.Record.Source)
	require.Equal(t, first.Hash(), one.Result.ConfigHash)

	both.Sources[1].Policy, both.Sources[1].Mode = "latest", ModePores
	require.Equal(t, "reloaded", r.reload(both).Message)
	putFrame(t, filepath.Join(dir, "b", "2.tif"), 2)
	two := r.frame()
	require.Equal(t, "b", two.Record.Source)
	require.Equal(t, ModePores, two.Result.Mode)
	require.Equal(t, both.Hash(), two.Result.ConfigHash)

	second := both
	second.Sources = both.Sources[1:]
	require.Equal(t, "reloaded", r.reload(second).Message)
	require.NotContains(t, readyState(r.d.parts()).Parts, "source a")
	putFrame(t, filepath.Join(dir, "a", "3.tif"), 3)
	putFrame(t, filepath.Join(dir, "b", "4.tif"), 4)
	require.Equal(t, "4.tif", r.frame().Record.Name, "a is not watched")

	changed := both // a is back, with another setting
	changed.Sources = append([]SourceConfig{}, both.Sources...)
	changed.Sources[0].Settle = 50 * time.Millisecond
	require.Equal(t, "reloaded", r.reload(changed).Message)
	require.Equal(t, "3.tif", r.frame().Record.Name, "it came while a was not watched")
	changed.Sources = append([]SourceConfig{}, changed.Sources...)
	changed.Sources[0].Settle = 60 * time.Millisecond
	require.Equal(t, "reloaded", r.reload(changed).Message)
	putFrame(t, filepath.Join(dir, "a", "5.tif"), 5)
	require.Equal(t, "5.tif", r.frame().Record.Name, "nothing is brought twice")
	const queued = 12
	for i := range queued { // most wait in the journal when the source is changed
		putFrame(t, filepath.Join(dir, "a", fmt.Sprintf("q%02d.tif", i)), i)
	}
	require.Eventually(t, func() bool {
		counts, err := r.d.store.Counts(t.Context())
		return err == nil && counts["a"].Received >= 3+queued/2
	}, time.Minute, 5*time.Millisecond)
	changed.Sources = append([]SourceConfig{}, changed.Sources...)
	changed.Sources[0].Settle = 70 * time.Millisecond
	require.Equal(t, "reloaded", r.reload(changed).Message)
	for range queued {
		require.Equal(t, "processed", r.frame().Record.State)
	}
	counts, err := r.d.store.Counts(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3+queued, counts["a"].Received)
	require.EqualValues(t, 3+queued, counts["a"].Processed)
	require.EqualValues(t, 2, counts["b"].Processed)
}

func TestWhatCannotChangeIsNamedAndChangesNothing(t *testing.T) {
	dir := t.TempDir()
	c := daemonConfig(t, dir, "a")
	r := runDaemonWith(t, c)
	other := c
	other.DataDir, other.GRPC.Listen, other.Log.Level = filepath.Join(dir, "elsewhere"), "127.0.0.1:0", "debug"
	said := r.reload(other)
	require.Equal(t, "data_dir, grpc.listen cannot be changed while aimsd runs; restart it, or put the old value back", said.ContextMap()["error"])
	require.Contains(t, readyState(r.d.parts()).Parts["configuration"], "degraded: data_dir, grpc.listen")
	require.True(t, readyState(r.d.parts()).Ready)
	require.Eventually(t, func() bool { return r.d.alerts.isActive(codeReloadFailed + "/" + keyConfig) }, time.Minute, 5*time.Millisecond)

	broken := c
	broken.Infer.Model = filepath.Join(dir, "missing.onnx")
	require.Contains(t, r.reload(broken).ContextMap()["error"], "missing.onnx")
	putFrame(t, filepath.Join(dir, "a", "1.tif"), 1)
	require.Equal(t, c.Hash(), r.frame().Result.ConfigHash)

	nm := 3.5
	good := c
	good.Scale.FixedNmPerPx, good.Run.IdleTimeout = &nm, time.Hour
	require.Equal(t, "reloaded", r.reload(good).Message)
	require.NotContains(t, readyState(r.d.parts()).Parts, "configuration")
	require.Eventually(t, func() bool { return !r.d.alerts.isActive(codeReloadFailed + "/" + keyConfig) }, time.Minute, 5*time.Millisecond)
	putFrame(t, filepath.Join(dir, "a", "2.tif"), 2)
	f := r.frame()
	require.Equal(t, good.Hash(), f.Result.ConfigHash)
	require.InDelta(t, nm, *f.Result.Scale.NmPerPx, 0)
}

func TestTheSampleNamesWhatNeedsARestart(t *testing.T) {
	_, text, ok := strings.Cut(string(configs.Sample), "RELOAD_FAILED")
	require.True(t, ok)
	text, _, _ = strings.Cut(text, "need a restart")
	keys := map[string]bool{}
	keysOfType("", reflect.TypeFor[Config](), keys)
	for key := range keys {
		top, _, _ := strings.Cut(key, ".")
		switch {
		case key == "log.level":
			require.True(t, changesLive(key))
		case changesLive(key):
			require.NotContains(t, text, top+",", "%s can change", key)
		default:
			require.Regexp(t, `\b`+top+`\b`, text, "%s cannot change", key)
		}
	}
}

func TestAModelMustBeWhatItsManifestSays(t *testing.T) {
	model := filepath.Join(t.TempDir(), "net.onnx")
	sum := strings.Repeat("ab", 32)
	require.NoError(t, checkManifest(model, sum), "there is none")
	require.NoError(t, checkManifest("default-int8", sum))
	for content, want := range map[string]string{
		sum + "  net.onnx\n":                               "",
		"# made by us\n" + sum + " *./net.onnx\n":          "",
		strings.ToUpper(sum) + "  net.onnx":                "",
		strings.Repeat("cd", 32) + "  net.onnx\n":          "it is being copied",
		sum + "  other.onnx\n":                             "has no line for net.onnx",
		"":                                                 "has no line for net.onnx",
		strings.Repeat("x", maxManifest+1):                 "is no manifest",
		strings.Repeat(sum+"  other.onnx\n", 100) + "\x00": "has no line",
	} {
		require.NoError(t, os.WriteFile(model+manifestSuffix, []byte(content), 0o600))
		err := checkManifest(model, sum)
		if want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want)
		}
	}
}

// lostGPU is a network whose device is gone.
type lostGPU struct{}

func (lostGPU) Predict(context.Context, []float32, int, int, []float32) error {
	return errors.New("CUDA failure 999: unknown error")
}

func TestANetworkThatBreaksIsOpenedAgainAndNoFrameIsLost(t *testing.T) {
	dir := t.TempDir()
	c := daemonConfig(t, dir, "a")
	model := filepath.Join(dir, "net.onnx")
	c.Infer.Model = model
	m, err := models.Load(models.DefaultName + "-" + models.INT8)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "net.json"), m.Scorer, 0o600))
	require.NoError(t, os.WriteFile(model, m.Form().ONNX, 0o600))
	r := runDaemonWith(t, c)
	require.NoError(t, os.Rename(model, model+".away"))
	r.d.pipeline.exchange(func() { r.d.pipeline.Analyser.Segmenter.Network = lostGPU{} })
	putFrame(t, filepath.Join(dir, "a", "1.tif"), 1)
	require.Eventually(t, func() bool {
		state := readyState(r.d.parts())
		return !state.Ready && strings.Contains(state.Parts[partNetwork], "net.onnx")
	}, time.Minute, 5*time.Millisecond, "readiness names it")
	require.NoError(t, os.Rename(model+".away", model))
	f := r.frame()
	require.NotNil(t, f.Result, f.Record.Reason)
	require.Equal(t, c.Hash(), f.Result.ConfigHash)
	require.Eventually(t, func() bool { return readyState(r.d.parts()).Ready }, time.Minute, 5*time.Millisecond)
	require.Len(t, r.lines.FilterMessage("the network works again").All(), 1)
	good := c
	good.Run.IdleTimeout = time.Hour
	require.Equal(t, "reloaded", r.reload(good).Message)
	putFrame(t, filepath.Join(dir, "a", "2.tif"), 2)
	require.Equal(t, good.Hash(), r.frame().Result.ConfigHash)
}
