//go:build linux

package reporting

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"
)

// A broker is away while messages gather, the daemon's process is killed three times and the broker started anew
// twice: no alert is lost, the order of every key is kept, memory is bounded, and what is new is not held up.
func TestBrokerOutageSoak(t *testing.T) {
	if _, err := exec.LookPath(otherBroker); err != nil {
		if _, err = os.Stat("/usr/sbin/" + otherBroker); err != nil {
			t.Skipf("SKIPPED, NOT TESTED: %s is not installed; install Debian's package of that name", otherBroker)
		}
	}
	full := os.Getenv("SOAK_MINUTES") != ""
	gathered, rounds := 2_500, 25
	if full {
		gathered, rounds = 200_000, 500
	}
	o := newOutage(t)
	o.startBroker()
	o.subscribe()
	o.stopBroker() // its session keeps what comes

	a := o.startAgent()
	begun := time.Now()
	for i, half := range []int{gathered / 2, gathered - gathered/2} {
		for left := half; left > 0; left -= min(left, 1000) {
			a.say("frames past %d", min(left, 1000))
			a.say("alerts %d", max(rounds*1000/gathered, 1))
		}
		if i == 0 {
			a.kill() // the first time
			a = o.startAgent()
		}
	}
	t.Logf("%d messages gathered in %v", a.number("waiting"), time.Since(begun))
	require.GreaterOrEqual(t, a.number("waiting"), gathered)

	o.startBroker()
	begun = time.Now()
	kills := []int{gathered * 3 / 4, gathered / 3}
	restarts := []int{gathered * 7 / 8, gathered / 2}
	for waiting := gathered; waiting > 0; waiting = a.number("waiting") {
		a.say("frames live 2")
		switch {
		case len(restarts) > 0 && waiting < restarts[0]:
			restarts = restarts[1:]
			o.stopBroker()
			a.say("frames live 2")
			a.say("alerts 1")
			o.startBroker()
		case len(kills) > 0 && waiting < kills[0]:
			kills = kills[1:]
			a.kill()
			a = o.startAgent()
			a.say("alerts 1")
		}
		time.Sleep(20 * time.Millisecond)
		require.Less(t, time.Since(begun), 20*time.Minute)
	}
	for len(restarts) > 0 || len(kills) > 0 { // it was faster than that
		if len(restarts) > 0 {
			restarts = restarts[1:]
			o.stopBroker()
			a.say("alerts 1")
			o.startBroker()
		}
		if len(kills) > 0 {
			kills = kills[1:]
			a.kill()
			a = o.startAgent()
		}
		a.say("frames live 2")
		a.say("alerts 1")
	}
	eventually(t, "nothing waits", func() bool { return a.number("waiting") == 0 })
	t.Logf("caught up in %v, %.0f messages/s", time.Since(begun), float64(gathered)/time.Since(begun).Seconds())
	a.close()
	o.verify(full)
}

// outage is the broker, the daemon's processes one after the other, and what a subscriber receives.
type outage struct {
	t       *testing.T
	dir     string
	port    string
	broker  *exec.Cmd
	client  mqtt.Client
	said    map[string]int // frames that an agent confirmed, by kind
	unsure  map[string]map[int]bool
	delays  []time.Duration // of new messages, to the broker's acknowledgement
	peakRSS int             // kB
	heap    int             // bytes

	mu         sync.Mutex
	got        []outageMessage
	toConsumer []time.Duration
}

type outageMessage struct {
	topic   string
	payload []byte
}

func newOutage(t *testing.T) *outage {
	o := &outage{t: t, dir: t.TempDir(), said: map[string]int{}, unsure: map[string]map[int]bool{}}
	_, port, err := net.SplitHostPort(newTestBroker(t).reserve().addr)
	require.NoError(t, err)
	o.port = port
	config := fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location %s/\nmax_queued_messages 0\nmax_inflight_messages 1000\nlog_dest none\n",
		port, filepath.Join(o.dir, "broker"))
	require.NoError(t, os.Mkdir(filepath.Join(o.dir, "broker"), 0o777))
	require.NoError(t, os.Chmod(filepath.Join(o.dir, "broker"), 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(o.dir, "broker.conf"), []byte(config), 0o644))
	for dir := o.dir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) { // the broker gives up root
		require.NoError(t, os.Chmod(dir, 0o755))
	}
	t.Cleanup(func() {
		if o.client != nil {
			o.client.Disconnect(100)
		}
		if o.broker != nil {
			o.stopBroker()
		}
	})
	return o
}

func (o *outage) url() string { return "tcp://127.0.0.1:" + o.port }

func (o *outage) startBroker() {
	o.t.Helper()
	program := otherBroker
	if _, err := exec.LookPath(program); err != nil {
		program = "/usr/sbin/" + program
	}
	o.broker = exec.Command(program, "-c", filepath.Join(o.dir, "broker.conf"))
	require.NoError(o.t, o.broker.Start())
	eventually(o.t, "broker listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+o.port)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
}

// stopBroker is an orderly stop: what the broker acknowledged it keeps.
func (o *outage) stopBroker() {
	o.t.Helper()
	require.NoError(o.t, o.broker.Process.Signal(syscall.SIGTERM))
	_ = o.broker.Wait()
	o.broker = nil
}

func (o *outage) options(id string) *mqtt.ClientOptions {
	return mqtt.NewClientOptions().AddBroker(o.url()).SetClientID(id).SetCleanSession(false).SetAutoReconnect(true).
		SetMaxReconnectInterval(200 * time.Millisecond).SetConnectRetry(true).SetConnectRetryInterval(50 * time.Millisecond)
}

// subscribe is a consumer with a session that the broker keeps.
func (o *outage) subscribe() {
	o.t.Helper()
	take := func(_ mqtt.Client, m mqtt.Message) {
		now := time.Now()
		o.mu.Lock()
		defer o.mu.Unlock()
		o.got = append(o.got, outageMessage{m.Topic(), slices.Clone(m.Payload())})
		var e Envelope
		if strings.HasSuffix(m.Topic(), "/frame") && json.Unmarshal(m.Payload(), &e) == nil && !e.Historical {
			o.toConsumer = append(o.toConsumer, now.Sub(e.Time))
		}
	}
	o.client = mqtt.NewClient(o.options("consumer").SetDefaultPublishHandler(take))
	token := o.client.Connect()
	require.True(o.t, token.WaitTimeout(20*time.Second))
	token = o.client.Subscribe("aims/v1/lab/fib/#", 1, take)
	require.True(o.t, token.WaitTimeout(20*time.Second))
	require.NoError(o.t, token.Error())
}

// verify compares what the consumer received with what the store knows.
func (o *outage) verify(full bool) {
	t := o.t
	s := openStore(t, StoreOptions{Dir: filepath.Join(o.dir, "data")})
	builder := Builder{Topics: testTopics(t)}
	want := map[string][]string{} // by alert topic: alert id and seq of each change
	rows, err := s.reader.QueryContext(t.Context(), `SELECT payload FROM alert_changes ORDER BY n`)
	require.NoError(t, err)
	total := 0
	for rows.Next() {
		var payload []byte
		var m AlertMessage
		require.NoError(t, rows.Scan(&payload))
		require.NoError(t, json.Unmarshal(payload, &m))
		topic := builder.Topics.Alert(m.Code, m.Key)
		want[topic] = append(want[topic], fmt.Sprintf("%s/%d/%s", m.AlertID, m.Seq, m.State))
		total++
	}
	require.NoError(t, rows.Err())
	require.NoError(t, rows.Close())
	frames := o.said["past"] + o.said["live"]
	deduped := map[string]bool{}
	got, next := map[string][]string{}, map[string]uint64{}
	duplicates, historic := 0, 0
	seenFrames := 0
	read := func() {
		o.mu.Lock()
		batch := o.got
		o.got = nil
		o.mu.Unlock()
		for _, m := range batch {
			if len(m.payload) == 0 {
				continue // the event before it said so
			}
			var e Envelope
			require.NoError(t, json.Unmarshal(m.payload, &e), string(m.payload))
			if deduped[e.ID] {
				duplicates++
				continue
			}
			deduped[e.ID] = true
			if e.Historical {
				historic++
			}
			switch kind := strings.Split(m.topic, "/")[4]; kind {
			case "frame":
				var f FrameMessage
				require.NoError(t, json.Unmarshal(m.payload, &f))
				key := fmt.Sprint(f.Source, e.Historical)
				require.GreaterOrEqual(t, f.Seq, next[key], "frame of %s overtook", key)
				next[key] = f.Seq + 1
				seenFrames++
				if f.Source == "past" {
					require.True(t, e.Historical, "it waited for the broker")
				}
			case "alert":
				var a AlertMessage
				require.NoError(t, json.Unmarshal(m.payload, &a))
				got[m.topic] = append(got[m.topic], fmt.Sprintf("%s/%d/%s", a.AlertID, a.Seq, a.State))
			case "event":
				var ev EventMessage
				require.NoError(t, json.Unmarshal(m.payload, &ev))
				code, key, _ := strings.Cut(*ev.AlertKey, "/")
				topic := builder.Topics.Alert(code, key)
				got[topic] = append(got[topic], fmt.Sprintf("%s/%.0f/%s", *ev.AlertID, ev.Data["seq"], *ev.State))
			}
		}
	}
	eventuallyWithin(t, 5*time.Minute, "everything arrives", func() bool {
		read()
		n := 0
		for _, list := range got {
			n += len(list)
		}
		return n >= total && seenFrames >= frames
	})
	require.Equal(t, want, got, "no alert is lost, and each key is in order")
	require.Equal(t, frames, seenFrames)
	require.Greater(t, historic, o.said["past"]-1)

	active, err := s.ActiveAlerts(t.Context())
	require.NoError(t, err)
	var expected []string
	for _, a := range active {
		expected = append(expected, builder.Topics.Alert(a.Code, a.Key))
	}
	slices.Sort(expected)
	require.NotEmpty(t, expected)
	require.Equal(t, expected, o.retainedAlerts(), "a late subscriber sees exactly the active set")

	slices.Sort(o.delays)
	slices.Sort(o.toConsumer)
	require.NotEmpty(t, o.delays)
	p99, longest := o.delays[len(o.delays)*99/100], o.delays[len(o.delays)-1]
	t.Logf("%d alert changes, %d frames, %d duplicates told by their id; %d new messages while catching up: p99 %v, longest %v to the broker, %v to a consumer; peak %d MB, heap %d MB",
		total, frames, duplicates, len(o.delays), p99, longest, o.toConsumer[len(o.toConsumer)-1], o.peakRSS>>10, o.heap>>20)
	require.Less(t, o.heap, 96<<20, "memory does not follow the backlog")
	if full {
		require.LessOrEqual(t, p99, time.Second)
		require.Less(t, o.peakRSS, 300<<10)
	}
}

// retainedAlerts asks as a client that comes later.
func (o *outage) retainedAlerts() (topics []string) {
	var mu sync.Mutex
	var last atomic.Int64
	last.Store(time.Now().UnixNano())
	c := mqtt.NewClient(o.options("late").SetCleanSession(true))
	require.True(o.t, c.Connect().WaitTimeout(20*time.Second))
	defer c.Disconnect(100)
	token := c.Subscribe("aims/v1/lab/fib/alert/#", 1, func(_ mqtt.Client, m mqtt.Message) {
		mu.Lock()
		defer mu.Unlock()
		last.Store(time.Now().UnixNano())
		topics = append(topics, m.Topic())
	})
	require.True(o.t, token.WaitTimeout(20*time.Second))
	eventually(o.t, "no more come", func() bool { return time.Since(time.Unix(0, last.Load())) > time.Second })
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(topics)
	return topics
}

func eventuallyWithin(t *testing.T, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !cond(); time.Sleep(50 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), what)
	}
}
