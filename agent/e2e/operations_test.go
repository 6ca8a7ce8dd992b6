//go:build linux

package e2e

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/infer/models"
)

// told gathers what a service manager is told.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (o *told) has(line string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, said := range o.lines {
		if strings.HasPrefix(said, line) {
			return true
		}
	}
	return false
}

// listen is a service manager's socket; daemons that start from now on are told of it.
func listen(t *testing.T, watchdog string) *told {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	require.NoError(t, err)
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", watchdog)
	o, ended := &told{}, make(chan struct{})
	go func() {
		defer close(ended)
		for b := make([]byte, 4096); ; {
			n, err := socket.Read(b)
			if err != nil {
				return
			}
			o.mu.Lock()
			o.lines = append(o.lines, strings.Split(string(b[:n]), "\n")...)
			o.mu.Unlock()
		}
	}()
	t.Cleanup(func() { socket.Close(); <-ended })
	return o
}

func TestTheServiceManagerIsToldOfADaemonsLife(t *testing.T) {
	o := listen(t, "900000")
	s := newSite(t, "")
	require.NoError(t, os.Rename(s.frames, s.frames+".away")) // a share that is not mounted yet
	d := s.launch()
	for _, line := range []string{"READY=1", "STATUS=not ready: source acq: ", "WATCHDOG=1"} {
		eventually(t, line, func() bool { return o.has(line) })
	}
	require.NoError(t, os.Rename(s.frames+".away", s.frames))
	eventually(t, "it takes frames", func() bool { return o.has("STATUS=takes frames") })
	require.False(t, o.has("RELOADING=1"))
	require.NoError(t, d.cmd.Process.Signal(syscall.SIGHUP))
	eventually(t, "it reloads", func() bool { return o.has("RELOADING=1") && o.has("MONOTONIC_USEC=") })
	require.False(t, o.has("STOPPING=1"))
	require.Zero(t, d.stop())
	require.True(t, o.has("STOPPING=1"))
}

// writeModel writes a sound model and its scorer.
func writeModel(t *testing.T, path string) {
	t.Helper()
	m, err := models.Load(models.DefaultName + "-" + models.INT8)
	require.NoError(t, err)
	put(t, strings.TrimSuffix(path, ".onnx")+".json", m.Scorer)
	put(t, path, m.Form().ONNX)
}

// within waits until a condition holds, and logs how long that took. The bar is 5 s; a machine that is busy with
// other tests gets more.
func within(t *testing.T, what string, condition func() bool) {
	t.Helper()
	start := time.Now()
	eventually(t, what, condition)
	t.Logf("%s after %.1f s", what, time.Since(start).Seconds())
	require.Less(t, time.Since(start), 30*time.Second)
}

func TestReadinessSaysWhatIsWrong(t *testing.T) {
	model := filepath.Join(t.TempDir(), "net.onnx")
	writeModel(t, model)
	s := newSite(t, "infer: {model: "+model+"}\nmqtt: {url: tcp://127.0.0.1:1}\n")
	d := s.start()
	said := func(status int, text string) func() bool {
		return func() bool {
			got, body := d.get("/readyz")
			return got == status && strings.Contains(body, text)
		}
	}
	within(t, "no broker only degrades", said(http.StatusOK, `"mqtt":"degraded: `))
	require.NoError(t, os.Rename(s.frames, s.frames+".away"))
	within(t, "the folder that is away is named", said(http.StatusServiceUnavailable, `"source acq":"source acq: `))
	require.NoError(t, os.Rename(s.frames+".away", s.frames))
	within(t, "it is there again", said(http.StatusOK, `"source acq":"ok"`))
	require.NoError(t, os.Remove(model))
	within(t, "the model that is away is named", said(http.StatusOK, `"configuration":"degraded: model `))
	put(t, filepath.Join(s.frames, "a.tif"), smallTIFF(t, 1))
	require.Equal(t, 1, d.settled("acq", 1)["processed"], "the old network goes on")
	writeModel(t, model)
	within(t, "the model is there again", func() bool {
		_, body := d.get("/readyz")
		return !strings.Contains(body, "configuration")
	})
	require.Zero(t, d.stop())
}

func TestADaemonThatComesToNothingAgainAndAgainIsSlowedDown(t *testing.T) {
	s := newSite(t, "")
	put(t, filepath.Join(s.data, "starts.json"), []byte(`{"failed_in_a_row":4}`))
	began := time.Now()
	d := s.start()
	require.GreaterOrEqual(t, time.Since(began), 2*time.Second)
	line, ok := d.log.find("waiting before this start")
	require.True(t, ok)
	require.Contains(t, line["error"], "the last 4 starts ended before a frame was done")
	_, body := d.get("/readyz")
	require.Contains(t, body, `"starts":"degraded: `)
	put(t, filepath.Join(s.frames, "a.tif"), smallTIFF(t, 1))
	d.settled("acq", 1)
	eventually(t, "it works again", func() bool {
		_, body := d.get("/readyz")
		return !strings.Contains(body, "starts")
	})
	d.kill()
	data, err := os.ReadFile(filepath.Join(s.data, "starts.json"))
	require.NoError(t, err)
	require.Contains(t, string(data), `"failed_in_a_row":0`)
}

func TestServiceCommandsSayWhatIsMissing(t *testing.T) {
	const name = "aimsd-e2e-none"
	for _, verb := range []string{"status", "start", "stop", "reload", "uninstall"} {
		r := aimsd(t, "service", verb, "--name", name)
		require.Equal(t, 1, r.status, verb)
		require.Equal(t, []string{"aimsd: service: " + name + " is not installed; install it with: aimsd service install -c FILE"}, r.lines())
	}
	for _, args := range [][]string{{"install"}, {"install", "-c", "/no/such.yaml"}, {"status", "--name", "../x"}, {"restart"}, {"status", "more"}} {
		r := aimsd(t, append([]string{"service"}, args...)...)
		require.Equal(t, 2, r.status, args)
		require.Len(t, r.lines(), 1)
	}
	s := newSite(t, "")
	r := aimsd(t, "service", "install", "--print", "-c", s.config())
	require.Zero(t, r.status, r.stderr)
	require.Contains(t, r.stdout, `ExecStart="`+program.exe+`" run -c "`+s.config()+`"`)
}
