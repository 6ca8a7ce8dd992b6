//go:build linux

package reporting

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// outageAgent is a process with the store and the publisher, as the daemon has them.
type outageAgent struct {
	o      *outage
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  chan string
	exited chan struct{}
}

func (o *outage) startAgent() *outageAgent {
	o.t.Helper()
	exe, err := os.Executable()
	require.NoError(o.t, err)
	a := &outageAgent{o: o, lines: make(chan string, 1000), exited: make(chan struct{})}
	a.cmd = exec.Command(exe, "-test.run=^TestOutageAgent$", "-test.v")
	a.cmd.Env = append(os.Environ(), outageDir+"="+filepath.Join(o.dir, "data"), outageURL+"="+o.url())
	a.in, err = a.cmd.StdinPipe()
	require.NoError(o.t, err)
	out, err := a.cmd.StdoutPipe()
	require.NoError(o.t, err)
	require.NoError(o.t, a.cmd.Start())
	go func() {
		defer close(a.exited)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			if line, ok := strings.CutPrefix(scan.Text(), "agent: "); ok {
				a.lines <- line
			}
		}
		_ = a.cmd.Wait()
	}()
	o.t.Cleanup(func() { _ = a.cmd.Process.Kill(); <-a.exited })
	return a
}

// say gives the agent something to do and waits until it is done. frames KIND N are numbered on.
func (a *outageAgent) say(format string, args ...any) string {
	a.o.t.Helper()
	line := fmt.Sprintf(format, args...)
	var kind string
	var n int
	if _, err := fmt.Sscanf(line, "frames %s %d", &kind, &n); err == nil {
		line = fmt.Sprintf("%s %d", line, a.o.said[kind])
		a.o.said[kind] += n
	}
	_, err := fmt.Fprintln(a.in, line)
	require.NoError(a.o.t, err)
	for deadline := time.After(2 * time.Minute); ; {
		select {
		case said := <-a.lines:
			if delay, ok := strings.CutPrefix(said, "delay "); ok {
				d, err := time.ParseDuration(delay)
				require.NoError(a.o.t, err)
				a.o.delays = append(a.o.delays, d)
				continue
			}
			return said
		case <-a.exited:
			require.FailNow(a.o.t, "the agent ended")
		case <-deadline:
			require.FailNow(a.o.t, "the agent does not answer")
		}
	}
}

func (a *outageAgent) number(what string) (n int) {
	a.o.t.Helper()
	var rss, heap int
	_, err := fmt.Sscanf(a.say("%s", what), "%d %d %d", &n, &rss, &heap)
	require.NoError(a.o.t, err)
	a.o.peakRSS, a.o.heap = max(a.o.peakRSS, rss), max(a.o.heap, heap)
	return n
}

// kill is a power cut for the process.
func (a *outageAgent) kill() {
	require.NoError(a.o.t, a.cmd.Process.Kill())
	for {
		select {
		case <-a.lines:
		case <-a.exited:
			return
		}
	}
}

// close is an orderly stop.
func (a *outageAgent) close() {
	_, err := fmt.Fprintln(a.in, "close")
	require.NoError(a.o.t, err)
	<-a.exited
}

// Environment of the agent's process.
const (
	outageDir = "AIMSD_TEST_OUTAGE_DIR"
	outageURL = "AIMSD_TEST_OUTAGE_URL"
)

// TestOutageAgent is the process that TestBrokerOutageSoak starts and kills; by itself it does nothing.
func TestOutageAgent(t *testing.T) {
	dir := os.Getenv(outageDir)
	if dir == "" {
		t.Skip("run by TestBrokerOutageSoak")
	}
	say := func(format string, args ...any) { fmt.Printf("\nagent: "+format+"\n", args...) }
	s := openStore(t, StoreOptions{Dir: dir})
	builder := Builder{Topics: testTopics(t)}
	delays := make(chan time.Duration, 100_000)
	p := &Publisher{URL: os.Getenv(outageURL), Store: s, OnSent: func(m Message, late bool, delay time.Duration) {
		if !late && classOf(m.Topic) == classFrame {
			delays <- delay
		}
	}}
	p.SetOnline()
	stop := startPublisher(t, p)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var kind string
		var n, from int
		line := in.Text()
		for len(delays) > 0 {
			say("delay %v", <-delays)
		}
		switch {
		case line == "close":
			stop()
			require.NoError(t, s.Close())
			return
		case line == "waiting":
			count, _, _, err := s.OutboxStats(t.Context())
			require.NoError(t, err)
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			say("%d %d %d", count, peakRSS(t), m.HeapInuse)
		case scanned(line, "frames %s %d %d", &kind, &n, &from):
			var msgs []Message
			for i := range n {
				m, err := builder.Frame(FrameMessage{
					Envelope: Envelope{Time: time.Now()}, RunID: "r", FrameID: newID(time.Now()), Source: kind,
					Path: "/data/acq/frame.tif", Seq: uint64(from + i), Outcome: "dropped", Reason: "for this test",
				})
				require.NoError(t, err)
				msgs = append(msgs, m)
			}
			require.NoError(t, s.Enqueue(t.Context(), msgs...))
			say("ok")
		case scanned(line, "alerts %d", &n):
			for range n {
				changeAlerts(t, s, builder)
			}
			say("ok")
		}
	}
}

func scanned(line, format string, into ...any) bool {
	n, err := fmt.Sscanf(line, format, into...)
	return err == nil && n == len(into)
}

// changeAlerts moves each of some alerts one step on: raised, updated, updated, cleared.
func changeAlerts(t *testing.T, s *Store, b Builder) {
	known, err := s.Alerts(t.Context())
	require.NoError(t, err)
	byKey := map[string]AlertState{}
	for _, a := range known {
		byKey[a.Key] = a
	}
	var states []AlertState
	var msgs []Message
	for i := range 10 {
		m := AlertMessage{Code: "D50_HIGH", Key: fmt.Sprintf("source/%d", i), Severity: "warning", State: AlertRaised, Text: "too large"}
		if a, ok := byKey[m.Key]; ok && a.State != AlertCleared {
			m, err = b.Resume(a)
			require.NoError(t, err)
			m.Seq++
			m.State = AlertUpdated
			if m.Seq > uint64(3+i%3) {
				m.State = AlertCleared
			}
		}
		state, more, err := b.Alert(m)
		require.NoError(t, err)
		states, msgs = append(states, state), append(msgs, more...)
	}
	require.NoError(t, s.PutAlerts(t.Context(), states, msgs))
}

// peakRSS of this process in kB.
func peakRSS(t *testing.T) (kb int) {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	_, err = fmt.Sscan(rest, &kb)
	require.NoError(t, err)
	return kb
}
