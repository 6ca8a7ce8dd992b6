//go:build linux

package soak

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
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/infer"
)

// site is a daemon's surroundings: a folder that it watches and one for its data.
type site struct {
	t        testing.TB
	dir      string   // holds the others
	frames   string   // watched, as source "acq"
	data     string   // data_dir
	source   string   // further keys of the source, such as ", policy: latest"
	settings string   // further lines of the configuration
	wrap     []string // what runs the program, such as prlimit and its arguments
}

// newSite has no broker unless settings name one.
func newSite(t testing.TB, source, settings string) *site {
	t.Helper()
	needProgram(t)
	dir := t.TempDir()
	s := &site{t: t, dir: dir, frames: filepath.Join(dir, "frames"), data: filepath.Join(dir, "data"), source: source, settings: settings}
	require.NoError(t, os.Mkdir(s.frames, 0o755))
	return s
}

// config writes the configuration; the ports are the system's choice.
func (s *site) config() string {
	path := filepath.Join(s.dir, "aimsd.yaml")
	text := fmt.Sprintf("site: lab\ninstrument: fib\ndata_dir: %s\n"+
		"grpc: {listen: 127.0.0.1:0}\nhttp: {listen: 127.0.0.1:0}\n"+
		"sources:\n  - {name: acq, type: folder, path: %s, give_up: 2s%s}\n%s", s.data, s.frames, s.source, s.settings)
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// daemon is a running `aimsd run`.
type daemon struct {
	t          testing.TB
	cmd        *exec.Cmd
	http, grpc string // addresses
	exited     chan struct{}
	log        *logLines
}

// launch starts the daemon and does not wait for it.
func (s *site) launch() *daemon {
	s.t.Helper()
	d := &daemon{t: s.t, exited: make(chan struct{}), log: &logLines{}}
	args := append(append([]string{}, s.wrap...), program.exe, "run", "-c", s.config())
	d.cmd = exec.Command(args[0], args[1:]...)
	d.cmd.Dir = s.dir
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "AIMSD_") {
			d.cmd.Env = append(d.cmd.Env, entry)
		}
	}
	d.cmd.Env = append(d.cmd.Env, infer.LibraryEnv+"="+program.ortPath)
	stderr, err := d.cmd.StderrPipe()
	require.NoError(s.t, err)
	require.NoError(s.t, d.cmd.Start())
	go func() {
		defer close(d.exited)
		d.log.read(stderr)
		_ = d.cmd.Wait()
	}()
	s.t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.exited
		if s.t.Failed() {
			s.t.Logf("log of the daemon:\n%s", d.log.tail(200))
		}
	})
	return d
}

// start starts the daemon and waits until it is ready.
func (s *site) start() *daemon {
	s.t.Helper()
	d := s.launch()
	eventually(s.t, "daemon is ready", func() bool {
		require.False(s.t, d.gone(), "the daemon did not start: %s", d.log.tail(20))
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
	_ = d.cmd.Process.Kill()
	<-d.exited
}

// get asks the daemon's HTTP listener; status 0 when it does not answer.
func (d *daemon) get(path string) (status int, body string) {
	response, err := http.Get("http://" + d.http + path)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	http.DefaultClient.CloseIdleConnections()
	return response.StatusCode, string(text)
}

// counts are a source's frames by outcome, and in_flight, from /metrics.
type counts map[string]int

var (
	sample = regexp.MustCompile(`^(aimsd_frames_total|aimsd_frames_in_flight)\{(.*)\} (\S+)$`)
	label  = regexp.MustCompile(`(\w+)="([^"]*)"`)
)

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
	require.Equal(d.t, c["received"], c["processed"]+c["gated"]+c["rejected"]+c["dropped"]+c["in_flight"],
		"frames that are unaccounted for: %v", c)
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

// logLines gathers the daemon's log.
type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (j *logLines) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		j.mu.Lock()
		j.lines = append(j.lines, lines.Text())
		j.mu.Unlock()
	}
}

// tail returns the last n lines.
func (j *logLines) tail(n int) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines[max(0, len(j.lines)-n):], "\n")
}

// find returns the fields of the first line with a message.
func (j *logLines) find(msg string) (map[string]any, bool) {
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
