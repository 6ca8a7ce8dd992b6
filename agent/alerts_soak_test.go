package agent

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics/rules"
	"github.com/uni-aims/aimsd/reporting"
)

// A signal that oscillates +-1 % around a limit for ten minutes, by a simulated clock, from the rules to a
// subscriber: raised once, cleared once at most; a late subscriber sees exactly the active set; redeliveries are
// told by their id.
func TestOscillatingSignalSoak(t *testing.T) {
	n := rand.Uint64()
	if text := os.Getenv("SOAK_SEED"); text != "" {
		var err error
		n, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("seed: repeat with SOAK_SEED=%d", n)
	random := rand.New(rand.NewPCG(n, n))
	rounds := 1
	if text := os.Getenv("SOAK_MINUTES"); text != "" {
		minutes, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		rounds = max(int(minutes*8), 3)
	}
	for round := range rounds {
		oscillate(t, random, round)
	}
}

func oscillate(t *testing.T, random *rand.Rand, round int) {
	const limit = 0.4
	max := limit
	b := newAlertBench(t, []rules.Rule{
		{Code: "COVERAGE", Metric: "area_fraction", Max: &max},
		{Code: "STAYS", Metric: "objects", Max: new(10.0), Cooldown: time.Nanosecond},
	})
	broker, err := startDemoBroker()
	require.NoError(t, err)
	defer broker.Close()
	topics := b.Builder.Topics
	consumer := subscribeAll(t, broker.URL, "consumer")
	defer consumer.close()

	// The publisher loses its connection, or the daemon is killed, before it could remove what was sent: three times.
	publish := func(store reporting.Outbox) (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		p := &reporting.Publisher{URL: broker.URL, Topics: topics, Store: store, MaxBackoff: 50 * time.Millisecond}
		go func() { done <- p.Run(ctx) }()
		return func() { cancel(); require.NoError(t, <-done) }
	}
	signals := []func(i int) float64{
		func(i int) float64 { return math.Sin(float64(i) * 0.7) },
		func(i int) float64 { return float64(2*(i%2) - 1) },
		func(int) float64 { return 2*random.Float64() - 1 },
	}
	signal := signals[(round+random.IntN(len(signals)))%len(signals)]
	const minutes = 10
	var stop func()
	for i := range minutes * 60 { // a frame a second
		switch i {
		case 0:
			stop = publish(forgetfulStore{b.Store})
		case 150, 300, 450:
			// Raised by now; it is told once more by each of the publishers.
			waitFor(t, "the alert comes", func() bool { return consumer.count(topics.Alert("COVERAGE", "acq")) >= i/150 })
			stop()
			if i == 450 {
				stop = publish(b.Store)
			} else {
				stop = publish(forgetfulStore{b.Store})
			}
		}
		value := limit * (1 + 0.01*signal(i))
		objects := 5
		if i > 200 {
			objects = 20 // active to the end
		}
		b.frame(&reporting.Result{AreaFraction: &value, Objects: objects})
		b.tick(t.Context())
	}
	waitFor(t, "the outbox is emptied", func() bool {
		waiting, _, _, err := b.Store.OutboxStats(t.Context())
		require.NoError(t, err)
		return waiting == 0
	})
	stop()
	told, redelivered := consumer.alerts(t, topics.Alert("COVERAGE", "acq"))
	require.Equal(t, 1, told["raised"], told)
	require.LessOrEqual(t, told["cleared"], 1, told)
	require.LessOrEqual(t, told["updated"], 1, told)
	require.GreaterOrEqual(t, redelivered, 3, "the same message came again")

	active, err := b.Store.ActiveAlerts(t.Context())
	require.NoError(t, err)
	var want []string
	for _, a := range active {
		want = append(want, topics.Alert(a.Code, a.Key))
	}
	late := subscribeAll(t, broker.URL, "late")
	defer late.close()
	require.Contains(t, want, topics.Alert("STAYS", "acq"))
	require.Equal(t, want, late.retained(t, topics), "a late subscriber sees exactly the active set")
	t.Logf("raised %d, cleared %d, redelivered %d times, %d active", told["raised"], told["cleared"], redelivered, len(want))
}

func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !cond(); time.Sleep(10 * time.Millisecond) {
		require.True(t, time.Now().Before(deadline), what)
	}
}

// forgetfulStore is of a process that is killed before it removes what the broker has.
type forgetfulStore struct{ *reporting.Store }

func (forgetfulStore) AckMessage(context.Context, ...int64) error { return context.Canceled }

// consumer is a subscriber to everything.
type consumer struct {
	client mqtt.Client
	mu     sync.Mutex
	got    []mqtt.Message
	last   time.Time
}

func subscribeAll(t *testing.T, url, id string) *consumer {
	t.Helper()
	c := &consumer{last: time.Now()}
	c.client = mqtt.NewClient(mqtt.NewClientOptions().AddBroker(url).SetClientID(id))
	require.True(t, c.client.Connect().WaitTimeout(10*time.Second))
	token := c.client.Subscribe("aims/#", 1, func(_ mqtt.Client, m mqtt.Message) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got, c.last = append(c.got, m), time.Now()
	})
	require.True(t, token.WaitTimeout(10*time.Second))
	require.NoError(t, token.Error())
	return c
}

func (c *consumer) close() { c.client.Disconnect(100) }

// count is how often something came on a topic.
func (c *consumer) count(topic string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.got {
		if m.Topic() == topic {
			n++
		}
	}
	return n
}

// quiet waits until no more comes.
func (c *consumer) quiet() []mqtt.Message {
	for {
		c.mu.Lock()
		done := time.Since(c.last) > 500*time.Millisecond
		got := slices.Clone(c.got)
		c.mu.Unlock()
		if done {
			return got
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// alerts counts what was told of an alert, by state, each message once, and what came again.
func (c *consumer) alerts(t *testing.T, topic string) (told map[string]int, again int) {
	t.Helper()
	told = map[string]int{}
	seen := map[string]bool{}
	for _, m := range c.quiet() {
		var a struct{ ID, State, Code string }
		if len(m.Payload()) == 0 {
			continue
		}
		require.NoError(t, json.Unmarshal(m.Payload(), &a))
		if m.Topic() != topic && (a.Code != "COVERAGE" || !strings.HasSuffix(m.Topic(), "/event")) {
			continue
		}
		if seen[a.ID] {
			again++
			continue
		}
		seen[a.ID] = true
		told[a.State]++
	}
	return told, again
}

// retained are the alerts that the broker has for a client that comes now.
func (c *consumer) retained(t *testing.T, topics reporting.Topics) (alerts []string) {
	t.Helper()
	for _, m := range c.quiet() {
		if m.Retained() && topics.IsAlert(m.Topic()) {
			alerts = append(alerts, m.Topic())
		}
	}
	slices.Sort(alerts)
	return alerts
}
