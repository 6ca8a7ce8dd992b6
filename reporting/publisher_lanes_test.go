package reporting

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lanesBench drives lanes without a broker: what is taken is sent, acknowledged and removed at once.
type lanesBench struct {
	t     *testing.T
	s     *Store
	l     lanes
	sent  []string // payloads, those of the past with a star
	clock time.Time
}

func newLanesBench(t *testing.T, s *Store, patience time.Duration) *lanesBench {
	b := &lanesBench{t: t, s: s, clock: time.Now()}
	b.l = lanes{store: s, window: 8, patience: patience, parked: func(Message) bool { return false }}
	require.NoError(t, b.l.begin(t.Context()))
	return b
}

// step sends up to n messages and reports how many there were.
func (b *lanesBench) step(n int) int {
	b.t.Helper()
	var ids []int64
	defer func() { require.NoError(b.t, b.s.AckMessage(b.t.Context(), ids...)) }()
	for i := range n {
		require.NoError(b.t, b.l.fetch(context.Background()))
		m, _, ok := b.l.next(0, 0, b.clock)
		if !ok {
			require.True(b.t, b.l.empty())
			return i
		}
		star := ""
		if m.ID <= b.l.last {
			star = "*"
		}
		b.sent = append(b.sent, string(m.Payload)+star)
		ids = append(ids, m.ID)
	}
	return n
}

// add queues numbered messages; a key that begins with alert is one.
func (b *lanesBench) add(s *Store, key string, from, to int) {
	b.t.Helper()
	topic := "frame"
	if strings.HasPrefix(key, "alert/") {
		topic = key
	}
	var msgs []Message
	for i := from; i < to; i++ {
		full := "aims/v1/lab/fib/" + topic
		m := Message{Key: full + "@" + key, Topic: full, Payload: fmt.Appendf(nil, "%s:%d", key, i), QoS: 1}
		if topic == key {
			m.Key, m.Retained = full, true
		}
		msgs = append(msgs, m)
	}
	require.NoError(b.t, s.Enqueue(b.t.Context(), msgs...))
	b.l.present.more = true
}

func TestASmallBacklogGoesFirstInFullOrder(t *testing.T) {
	s := openStore(t, StoreOptions{})
	b := &lanesBench{t: t, s: s}
	b.add(s, "a", 0, 20)
	b = newLanesBench(t, s, time.Second)
	b.add(s, "a", 20, 30)
	b.step(100)
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprintf("a:%d*", i))
	}
	for i := 20; i < 30; i++ {
		want = append(want, fmt.Sprintf("a:%d", i))
	}
	require.Equal(t, want, b.sent)
}

func TestTheNewOvertakesALongBacklogOnceItHasWaited(t *testing.T) {
	s := openStore(t, StoreOptions{})
	b := &lanesBench{t: t, s: s}
	b.add(s, "a", 0, 500)
	b.add(s, "alert/LOW/x", 0, 100)
	b = newLanesBench(t, s, time.Second)
	b.step(50)
	require.Equal(t, "alert/LOW/x:0*", b.sent[0], "alerts of the past come before the rest of it")
	b.add(s, "a", 500, 503)
	b.add(s, "alert/HIGH/x", 0, 1)
	b.add(s, "alert/LOW/x", 100, 101)
	b.step(20)
	require.Equal(t, "alert/HIGH/x:0", b.sent[50], "an alert without a past waits for nothing")
	require.NotContains(t, b.sent, "a:500")
	b.clock = b.clock.Add(time.Second)
	b.step(4)
	require.Contains(t, b.sent, "a:500")
	require.Contains(t, b.sent, "a:502")
	require.Len(t, b.sent, 74)
	b.add(s, "a", 503, 504)
	b.step(2)
	require.Contains(t, b.sent, "a:503", "the others need not wait again")
	b.step(10000)
	requireLaneOrder(t, b.sent)
	require.Len(t, b.sent, 500+100+4+2)
	at := func(what string) int {
		for i, p := range b.sent {
			if strings.TrimSuffix(p, "*") == what {
				return i
			}
		}
		return -1
	}
	require.Greater(t, at("alert/LOW/x:100"), at("alert/LOW/x:99"), "an alert never overtakes its own past")
}

// requireLaneOrder checks order per key: strict for alerts, within past and present for all others.
func requireLaneOrder(t *testing.T, sent []string) {
	t.Helper()
	next := map[string]int{}
	for _, p := range sent {
		key, number, _ := strings.Cut(strings.TrimSuffix(p, "*"), ":")
		var i int
		_, err := fmt.Sscan(number, &i)
		require.NoError(t, err)
		if !strings.HasPrefix(key, "alert/") {
			key += map[bool]string{true: "*"}[strings.HasSuffix(p, "*")]
		}
		if before, ok := next[key]; ok || strings.HasPrefix(key, "alert/") {
			require.Equal(t, before, i, "%s is out of order or lost", p)
		}
		next[key] = i + 1
	}
}

// Whatever the mix, and with the outbox giving up messages meanwhile: order holds and everything that is left
// comes once.
func TestLanesKeepOrderWhateverComes(t *testing.T) {
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 1))
		s := openStore(t, StoreOptions{})
		keys := []string{"a", "b", "alert/LOW/x", "alert/LOW/y", "alert/HIGH/x"}
		count := map[string]int{}
		b := &lanesBench{t: t, s: s}
		add := func() {
			key := keys[random.IntN(len(keys))]
			n := random.IntN(30)
			b.add(s, key, count[key], count[key]+n)
			count[key] += n
		}
		for range random.IntN(20) {
			add()
		}
		clock := time.Now()
		b = newLanesBench(t, s, time.Second)
		b.clock = clock
		for range 30 {
			if random.IntN(2) == 0 {
				add()
			}
			b.step(random.IntN(25))
			b.clock = b.clock.Add(time.Duration(random.IntN(400)) * time.Millisecond)
		}
		b.step(1 << 20)
		requireLaneOrder(t, b.sent)
		total := 0
		for _, n := range count {
			total += n
		}
		require.Len(t, b.sent, total, "seed %d", seed)
		n, _, _, err := s.OutboxStats(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
	}
}

func TestGivenUpMessagesDoNotHoldBackTheirAlert(t *testing.T) {
	s := openStore(t, StoreOptions{})
	b := &lanesBench{t: t, s: s}
	b.add(s, "alert/LOW/x", 0, 10)
	b = newLanesBench(t, s, 0)
	msgs, err := s.NextMessages(t.Context(), 0, 100)
	require.NoError(t, err)
	for _, m := range msgs {
		require.NoError(t, s.AckMessage(t.Context(), m.ID)) // gone
	}
	b.add(s, "alert/LOW/x", 10, 12)
	b.step(10)
	require.Equal(t, []string{"alert/LOW/x:10", "alert/LOW/x:11"}, b.sent)
}

func TestTheLateFlagIsPutIntoObjectsOnly(t *testing.T) {
	require.Equal(t, `{"historical":true,"id":"x"}`, string(historical([]byte(`{"id":"x"}`))))
	for _, other := range []string{"", "{}", "a:1", `[1]`, `{ "a":1}`} {
		require.Equal(t, other, string(historical([]byte(other))))
	}
}
