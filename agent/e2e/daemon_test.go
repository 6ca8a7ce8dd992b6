//go:build linux

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// readyWithin is how long a daemon may take from its start until /readyz says so.
const readyWithin = 10 * time.Second

// site is a daemon's surroundings: a folder that it watches and one for its data.
type site struct {
	t        testing.TB
	frames   string   // watched, as source "acq"
	data     string   // data_dir
	source   string   // further keys of the source, such as ", policy: latest"
	settings string   // further lines of the configuration
	wrap     []string // what runs the program, such as prlimit and its arguments
}

// newSite has no broker unless settings name one.
func newSite(t testing.TB, settings string) *site {
	t.Helper()
	needLibrary(t)
	dir := t.TempDir()
	s := &site{t: t, frames: filepath.Join(dir, "frames"), data: filepath.Join(dir, "data"), settings: settings}
	require.NoError(t, os.Mkdir(s.frames, 0o755))
	return s
}

// config writes the configuration; the ports are the system's choice.
func (s *site) config() string {
	path := filepath.Join(filepath.Dir(s.frames), "aimsd.yaml")
	rel, err := filepath.Rel(filepath.Dir(path), s.data) // relative paths are taken from the file's folder
	require.NoError(s.t, err)
	text := fmt.Sprintf("site: lab\ninstrument: fib\ndata_dir: %s\n"+
		"grpc: {listen: 127.0.0.1:0}\nhttp: {listen: 127.0.0.1:0}\n"+
		"sources:\n  - {name: acq, type: folder, path: %s, give_up: 2s%s}\n%s", rel, s.frames, s.source, s.settings)
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// runs lists the run folders there are.
func (s *site) runs() []string {
	dirs, err := filepath.Glob(filepath.Join(s.data, "runs", "*"))
	require.NoError(s.t, err)
	return dirs
}

// daemon is a running `aimsd run`.
type daemon struct {
	t          testing.TB
	cmd        *exec.Cmd
	http, grpc string // addresses
	readyAfter time.Duration
	exited     chan struct{}
	log        *journal
}

// launch starts the daemon and does not wait for it.
func (s *site) launch() *daemon {
	s.t.Helper()
	d := &daemon{t: s.t, exited: make(chan struct{}), log: &journal{}}
	config := s.config()
	args := slices.Concat(s.wrap, []string{program.exe, "run", "-c", filepath.Base(config)})
	d.cmd = exec.Command(args[0], args[1:]...)
	d.cmd.Dir, d.cmd.Env = filepath.Dir(config), environment()
	stderr, err := d.cmd.StderrPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, d.cmd.Start())
	go func() {
		defer close(d.exited)
		d.log.read(stderr)
		_ = d.cmd.Wait()
	}()
	s.t.Cleanup(func() {
		d.reap()
		if s.t.Failed() {
			s.t.Logf("log of the daemon:\n%s", d.log.tail(200))
		}
	})
	return d
}

// up starts the daemon and waits until it listens, ready or not.
func (s *site) up() *daemon {
	s.t.Helper()
	d := s.launch()
	eventually(s.t, "daemon listens", func() bool {
		if d.gone() {
			require.FailNow(s.t, "the daemon did not start", d.log.tail(20))
		}
		said, ok := d.log.find("ready")
		if !ok {
			return false
		}
		d.grpc, _ = said["grpc"].(string)
		d.http, _ = said["http"].(string)
		return true
	})
	return d
}

// start starts the daemon and waits until it is ready.
func (s *site) start() *daemon {
	s.t.Helper()
	began := time.Now()
	d := s.up()
	eventually(s.t, "daemon is ready", func() bool {
		require.False(s.t, d.gone(), "the daemon has ended")
		status, _ := d.get("/readyz")
		return status == http.StatusOK
	})
	d.readyAfter = time.Since(began)
	require.Less(s.t, d.readyAfter, readyWithin)
	return d
}

func (d *daemon) gone() bool {
	select {
	case <-d.exited:
		return true
	default:
		return false
	}
}

// stop sends SIGTERM and returns the exit status.
func (d *daemon) stop() int {
	d.t.Helper()
	require.NoError(d.t, d.cmd.Process.Signal(syscall.SIGTERM))
	eventually(d.t, "daemon has stopped", d.gone)
	return d.cmd.ProcessState.ExitCode()
}

// kill ends the daemon as a power cut would end it.
func (d *daemon) kill() {
	d.t.Helper()
	require.NoError(d.t, d.cmd.Process.Kill())
	<-d.exited
}

// reap ends the daemon where it has not ended by itself.
func (d *daemon) reap() {
	_ = d.cmd.Process.Kill()
	<-d.exited
}

// get asks the daemon's HTTP listener; status 0 when it does not answer.
func (d *daemon) get(path string) (int, string) {
	response, err := http.Get("http://" + d.http + path)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(d.t, err)
	http.DefaultClient.CloseIdleConnections()
	return response.StatusCode, string(body)
}

// counts are a source's frames by outcome, and in_flight, from /metrics.
type counts map[string]int

var sample = regexp.MustCompile(`^(aimsd_frames_total|aimsd_frames_in_flight)\{(.*)\} (\S+)$`)
var label = regexp.MustCompile(`(\w+)="([^"]*)"`)

// counts reads /metrics and checks that every frame is accounted for.
func (d *daemon) counts(source string) counts {
	d.t.Helper()
	status, body := d.get("/metrics")
	require.Equal(d.t, http.StatusOK, status, body)
	c := counts{}
	for line := range strings.Lines(body) {
		m := sample.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		labels := map[string]string{"outcome": "in_flight"}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			labels[l[1]] = l[2]
		}
		v, err := strconv.ParseFloat(m[3], 64)
		require.NoError(d.t, err)
		if labels["source"] == source {
			c[labels["outcome"]] = int(v)
		}
	}
	require.Equal(d.t, c["received"], c["processed"]+c["gated"]+c["rejected"]+c["dropped"]+c["in_flight"], "frames that are unaccounted for: %v", c)
	return c
}

// settled waits until n frames of the source are final, and returns the counts.
func (d *daemon) settled(source string, n int) counts {
	d.t.Helper()
	var c counts
	eventually(d.t, fmt.Sprintf("%d frames of %s are final", n, source), func() bool {
		require.False(d.t, d.gone(), "the daemon has ended")
		c = d.counts(source)
		return c["received"] >= n && c["in_flight"] == 0
	})
	return c
}

// journal gathers the daemon's log lines.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		j.mu.Lock()
		j.lines = append(j.lines, lines.Text())
		j.mu.Unlock()
	}
}

// tail returns the last n lines.
func (j *journal) tail(n int) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines[max(0, len(j.lines)-n):], "\n")
}

// find returns the fields of the first line with a message.
func (j *journal) find(msg string) (map[string]any, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.lines {
		fields := map[string]any{}
		if json.Unmarshal([]byte(line), &fields) == nil && fields["msg"] == msg {
			return fields, true
		}
	}
	return nil, false
}
