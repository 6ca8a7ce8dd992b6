package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/uni-aims/aimsd/metrics/rules"
	"github.com/uni-aims/aimsd/reporting"
	"github.com/uni-aims/aimsd/stream"
)

// alertBench is alerts over a store, with a clock of its own.
type alertBench struct {
	*alerts
	t     *testing.T
	dir   string
	mu    sync.Mutex // of clock
	clock time.Time
	rules []rules.Rule
	n     int
}

func newAlertBench(t *testing.T, list []rules.Rule) *alertBench {
	b := &alertBench{t: t, dir: t.TempDir(), clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), rules: list}
	b.start()
	return b
}

// start is a start of the daemon; the store is that of before.
func (b *alertBench) start() {
	b.t.Helper()
	if b.alerts != nil {
		require.NoError(b.t, b.Store.Close())
	}
	topics, err := reporting.NewTopics("lab", "sem")
	require.NoError(b.t, err)
	set, err := rules.Compile(b.rules)
	require.NoError(b.t, err)
	now := func() time.Time {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.clock
	}
	store, err := reporting.OpenStore(b.t.Context(), reporting.StoreOptions{Dir: b.dir, Now: now})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { _ = store.Close() })
	b.alerts = &alerts{
		Rules: set, Store: store, Builder: reporting.Builder{Topics: topics, Now: now}, ModelHash: strings.Repeat("ab", 32), Log: zap.NewNop(), Now: now,
	}
	require.NoError(b.t, b.open(b.t.Context(), b.rules))
}

// objects commits a frame with so many objects, a second later.
func (b *alertBench) objects(n int) []reporting.AlertState {
	b.t.Helper()
	return b.frame(&reporting.Result{Objects: n})
}

func (b *alertBench) frame(res *reporting.Result) []reporting.AlertState {
	b.t.Helper()
	b.mu.Lock()
	b.clock = b.clock.Add(time.Second)
	b.mu.Unlock()
	b.n++
	rec, _, err := b.Store.Admit(b.t.Context(), reporting.FrameRecord{Source: "acq", Key: fmt.Sprint(b.n), RunID: "r", Name: "f"})
	require.NoError(b.t, err)
	rec.DoneAt = b.clock
	raised, err := b.evaluate(b.t.Context(), rec, res, func(states []reporting.AlertState, msgs []reporting.Message) error {
		return b.Store.Commit(b.t.Context(), reporting.Completion{FrameID: rec.ID, State: "gated", Alerts: states, Messages: msgs})
	})
	require.NoError(b.t, err)
	return raised
}

// said returns the messages in the outbox since the last call, as kind:state.
func (b *alertBench) said() (out []string) {
	b.t.Helper()
	msgs, err := b.Store.NextMessages(b.t.Context(), 0, 10000)
	require.NoError(b.t, err)
	for _, m := range msgs {
		var doc struct{ State string }
		if len(m.Payload) == 0 {
			doc.State = "empty"
		} else {
			require.NoError(b.t, json.Unmarshal(m.Payload, &doc))
		}
		kind, _, _ := strings.Cut(strings.TrimPrefix(m.Topic, "aims/v1/lab/sem/"), "/")
		out = append(out, kind+":"+doc.State)
		require.NoError(b.t, b.Store.AckMessage(b.t.Context(), m.ID))
	}
	return out
}

// active is the one active alert's message.
func (b *alertBench) active() reporting.AlertMessage {
	b.t.Helper()
	list, err := b.Store.ActiveAlerts(b.t.Context())
	require.NoError(b.t, err)
	require.Len(b.t, list, 1)
	var m reporting.AlertMessage
	require.NoError(b.t, json.Unmarshal(list[0].Payload, &m))
	require.Equal(b.t, list[0].ID, m.AlertID)
	return m
}

func tooMany(r rules.Rule) []rules.Rule {
	limit := 100.0
	r.Code, r.Metric, r.Max = "TOO_MANY", "objects", &limit
	return []rules.Rule{r}
}

func TestDisagreeingPixelSizesRaiseAnAlertUntilTheyAgree(t *testing.T) {
	b := newAlertBench(t, allRules(nil))
	meta := stream.Metadata{NmPerPx: 5, Width: 1024, Height: 768}
	require.Empty(t, b.frame(&reporting.Result{Scale: fused(1024, 768, meta, 5.05)}))
	raised := b.frame(&reporting.Result{Scale: fused(512, 384, meta, 10)})
	require.Len(t, raised, 1)
	m := b.active()
	require.Equal(t, "SCALE_MISMATCH/acq", m.AlertKey)
	require.Equal(t, "raised", m.State)
	require.Equal(t, "critical", m.Severity)
	require.InDelta(t, 1, *m.Value, 1e-9)
	require.InDelta(t, 0.02, *m.Limit, 1e-9)
	require.Contains(t, m.Text, "factor of 2: the image was resized by 0.5")
	require.LessOrEqual(t, utf8.RuneCountInString(m.Text), 120)
	require.Equal(t, []string{"alert:raised"}, b.said())

	require.Empty(t, b.frame(&reporting.Result{Scale: fused(1024, 768, stream.Metadata{}, 3)}), "one source alone changes nothing")
	require.Empty(t, b.said())
	b.frame(&reporting.Result{Scale: fused(1024, 768, meta, 5)})
	require.Equal(t, []string{"event:cleared", "alert:empty"}, b.said())
}

func TestAConfiguredRuleReplacesTheBuiltInOne(t *testing.T) {
	limit := 0.1
	own := []rules.Rule{{Code: "SCALE_MISMATCH", Metric: "scale_mismatch", Max: &limit, Severity: rules.Info}}
	all := allRules(own)
	require.Equal(t, own[0], all[0])
	require.Len(t, all, len(builtinRules()), "it replaces the built-in one")
	require.Len(t, allRules([]rules.Rule{{Code: "OTHER", Metric: "objects", Max: &limit}}), 1+len(builtinRules()))
}

func TestAnAlertsLifeIsToldAndSurvivesRestarts(t *testing.T) {
	b := newAlertBench(t, tooMany(rules.Rule{Cooldown: time.Minute}))
	require.Len(t, b.objects(150), 1)
	first := b.active()
	require.EqualValues(t, 1, first.Seq)
	require.NoError(t, b.command(t.Context(), reporting.Command{Verb: reporting.CommandAck, Code: "TOO_MANY", Key: "acq", By: "mia", Comment: "seen"}))
	b.start()
	m := b.active()
	require.Equal(t, "acked", m.State)
	require.Equal(t, "mia", *m.AckedBy)
	require.Equal(t, "seen", *m.Comment)

	b.objects(120)
	require.Equal(t, "acked", b.active().State, "no worse")
	b.objects(300)
	m = b.active()
	require.Equal(t, "updated", m.State)
	require.Equal(t, first.AlertID, m.AlertID)
	require.Equal(t, first.RaisedAt, m.RaisedAt)
	require.EqualValues(t, 3, m.Seq)
	require.Equal(t, "mia", *m.AckedBy, "it is still acknowledged")
	b.start()
	b.objects(50)
	require.Equal(t, []string{"alert:raised", "alert:acked", "alert:updated", "event:cleared", "alert:empty"}, b.said())

	// The cooldown outlives a restart; then the next occurrence has an id of its own and is not acknowledged.
	b.start()
	require.Empty(t, b.objects(150))
	b.clock = b.clock.Add(time.Minute)
	b.tick(t.Context())
	m = b.active()
	require.Equal(t, "raised", m.State)
	require.NotEqual(t, first.AlertID, m.AlertID)
	require.Nil(t, m.AckedBy)
	require.EqualValues(t, 1, m.Seq)
	require.NotEmpty(t, m.FrameID, "of the frame that was held back")

	changes, err := b.Store.AlertChanges(t.Context(), "r")
	require.NoError(t, err)
	var states []string
	for _, c := range changes {
		states = append(states, c.State)
	}
	require.Equal(t, []string{"raised", "acked", "updated", "cleared"}, states[:4], "the trail is kept")
}

func TestAShelvedAlertIsQuietUntilItsTimeIsOver(t *testing.T) {
	b := newAlertBench(t, tooMany(rules.Rule{Cooldown: time.Nanosecond}))
	shelve := func(d time.Duration) error {
		return b.command(t.Context(), reporting.Command{Verb: reporting.CommandShelve, Code: "TOO_MANY", Key: "acq", By: "tom", For: d})
	}
	require.ErrorIs(t, shelve(time.Hour), reporting.ErrNotFound)
	b.objects(150)
	require.NoError(t, shelve(time.Hour))
	require.Equal(t, []string{"alert:raised", "alert:shelved"}, b.said())
	b.objects(400)
	require.Empty(t, b.said(), "what becomes of it is not told")
	require.InDelta(t, 400, *b.active().Value, 0, "but known")
	b.start()
	b.objects(800)
	require.Empty(t, b.said())

	// Its end is told; that it is back is said by the retained message only.
	b.objects(50)
	require.Equal(t, []string{"event:cleared", "alert:empty"}, b.said())
	b.objects(150)
	require.Equal(t, []string{"alert:shelved"}, b.said())
	require.Equal(t, "tom", *b.active().ShelvedBy)

	b.clock = b.clock.Add(2 * time.Hour)
	b.tick(t.Context())
	require.Equal(t, []string{"alert:updated"}, b.said())
	m := b.active()
	require.Nil(t, m.ShelvedUntil)
	b.tick(t.Context())
	require.Empty(t, b.said(), "once")

	require.NoError(t, shelve(time.Hour))
	require.NoError(t, shelve(0))
	require.NoError(t, shelve(0))
	require.Equal(t, []string{"alert:shelved", "alert:updated"}, b.said())
	b.objects(1000)
	require.Equal(t, []string{"alert:updated"}, b.said())
}

func TestAlertsOfRulesThatAreGoneEnd(t *testing.T) {
	b := newAlertBench(t, tooMany(rules.Rule{}))
	b.objects(150)
	require.NoError(t, b.condition(t.Context(), ownAlert{Code: "DISK_FULL", Key: "data_dir", Severity: rules.Critical, Cause: errors.New("no room")}))
	require.Len(t, b.said(), 2)
	b.rules = nil
	b.start()
	require.Equal(t, []string{"event:cleared", "alert:empty"}, b.said())
	require.Equal(t, "DISK_FULL", b.active().Code, "no rule watches for it, none ends it")
	b.start()
	require.Empty(t, b.said(), "once")

	b.rules = tooMany(rules.Rule{})
	set, err := rules.Compile(b.rules)
	require.NoError(t, err)
	require.NoError(t, b.reconfigure(t.Context(), set, b.rules))
	b.clock = b.clock.Add(time.Minute)
	require.Len(t, b.objects(150), 1)
	empty, err := rules.Compile(nil)
	require.NoError(t, err)
	require.NoError(t, b.reconfigure(t.Context(), empty, nil))
	require.Equal(t, []string{"alert:raised", "event:cleared", "alert:empty"}, b.said())
}

func TestAConditionIsToldOnceAndEnds(t *testing.T) {
	b := newAlertBench(t, nil)
	say := func(text, severity string) {
		t.Helper()
		o := ownAlert{Code: "DISK_LOW", Key: "data_dir", Severity: severity}
		if text != "" {
			o.Cause = errors.New(text)
		}
		require.NoError(t, b.condition(t.Context(), o))
	}
	say("", rules.Warning)
	require.Empty(t, b.said())
	say("1.5 GiB", rules.Warning)
	say("1.5 GiB", rules.Warning)
	say("1.4 GiB", rules.Warning)
	require.Equal(t, []string{"alert:raised"}, b.said())
	require.True(t, b.isActive("DISK_LOW/data_dir"))
	say("1.4 GiB", rules.Critical)
	require.Equal(t, []string{"alert:updated"}, b.said())
	b.clock = b.clock.Add(2 * time.Minute)
	say("1.3 GiB", rules.Critical)
	require.Equal(t, []string{"alert:updated"}, b.said())
	b.start()
	say("1.3 GiB", rules.Critical)
	require.Empty(t, b.said())
	say("", rules.Critical)
	say("", rules.Critical)
	require.Equal(t, []string{"event:cleared", "alert:empty"}, b.said())
	require.False(t, b.isActive("DISK_LOW/data_dir"))
}

func TestWhatIsNotCommittedDidNotHappen(t *testing.T) {
	b := newAlertBench(t, tooMany(rules.Rule{Hold: 2}))
	b.objects(150)
	full := errors.New("disk full")
	rec := reporting.FrameRecord{ID: "x", Source: "acq", DoneAt: b.clock}
	for range 3 { // tried again and again
		_, err := b.evaluate(t.Context(), rec, &reporting.Result{Objects: 150}, func(states []reporting.AlertState, _ []reporting.Message) error {
			require.Len(t, states, 1)
			return full
		})
		require.ErrorIs(t, err, full)
	}
	require.Empty(t, b.said())
	require.Len(t, b.objects(150), 1)
	require.Equal(t, []string{"alert:raised"}, b.said())
}

// Frames and operators change one alert at a time: whatever comes when, each occurrence is one story.
func TestFramesAndCommandsTellOneStory(t *testing.T) {
	b := newAlertBench(t, tooMany(rules.Rule{Cooldown: time.Nanosecond}))
	stop, done := make(chan struct{}), make(chan int)
	at := b.clock.Add(time.Minute)
	go func() {
		obeyed := 0
		defer func() { done <- obeyed }()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			c := reporting.Command{Verb: reporting.CommandAck, Code: "TOO_MANY", Key: "acq", By: "mia", At: at}
			if n%5 == 0 {
				c.Verb, c.For = reporting.CommandShelve, time.Duration(n%2)*time.Nanosecond
			}
			if b.command(t.Context(), c) == nil {
				obeyed++
			}
		}
	}()
	for i := range 150 {
		b.objects([]int{50, 150, 300, 600}[i%4])
	}
	close(stop)
	require.Positive(t, <-done)
	changes, err := b.Store.AlertChanges(t.Context(), "r")
	require.NoError(t, err)
	seq, acked, last := map[string]uint64{}, map[string]bool{}, map[string]string{}
	for _, c := range changes {
		require.Equal(t, seq[c.AlertID]+1, c.Seq, "%s of %s", c.State, c.AlertID)
		require.NotEqual(t, "cleared", last[c.AlertID], "nothing comes after the end")
		if c.Seq == 1 {
			require.NotEqual(t, "acked", c.State)
		}
		if acked[c.AlertID] {
			require.NotNil(t, c.AckedBy, "it is still acknowledged")
		}
		seq[c.AlertID], last[c.AlertID] = c.Seq, c.State
		acked[c.AlertID] = acked[c.AlertID] || c.State == "acked"
	}
	require.Greater(t, len(seq), 20)
}
