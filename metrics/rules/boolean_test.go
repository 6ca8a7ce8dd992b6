package rules

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// states feeds numbers of objects and returns what each brought: r, u, c or -.
func (f *frames) states(objects ...int) string {
	var out strings.Builder
	for _, n := range objects {
		in := f.input(50)
		in.Summary.Objects = n
		s := "-"
		if c := f.feed(in); len(c) > 0 {
			s = c[0].State[:1]
		}
		out.WriteString(s)
	}
	return out.String()
}

func TestAConditionRaisesAndClears(t *testing.T) {
	r := Rule{Code: "MANY", Expr: "objects  >\n 100", Hold: 2, Cooldown: time.Nanosecond, Advice: Pause}
	f := newFrames(t, r)
	require.Equal(t, "---r--", f.states(101, 50, 101, 101, 50, 101))
	in := f.input(50)
	in.Summary.Objects = 50
	require.Empty(t, f.feed(in))
	in = f.input(50)
	in.Summary.Objects = 40
	c := f.feed(in)
	require.Equal(t, []Change{{
		Code: "MANY", Key: "acq", State: Cleared, Seq: 2, Severity: Warning, Metric: "objects > 100", Boolean: true, Advice: Pause, RunID: "run",
		Text: "over: objects > 100", FrameID: "8", RaisedAt: time.Unix(4, 0).UTC(), Time: time.Unix(8, 0).UTC(),
	}}, c)
	require.Equal(t, "-r", f.states(500, 900))
	require.Equal(t, "-----", f.states(1000, 2000, 5000, 101, 101), "true is not more or less true")

	data, err := json.Marshal(f.set.State())
	require.NoError(t, err)
	var saved []State
	require.NoError(t, json.Unmarshal(data, &saved))
	r.Severity = Critical
	again := newFrames(t, r)
	require.Empty(t, again.set.Restore(saved, time.Unix(100, 0)))
	require.Equal(t, "u--c", again.states(101, 101, 1, 1), "the new severity is told")
	r.Expr = "objects > 200"
	changed := newFrames(t, r)
	gone := changed.set.Restore(saved, time.Unix(100, 0))
	require.Len(t, gone, 1)
	require.True(t, gone[0].Boolean)
	require.Equal(t, "objects > 100 is no longer watched by this rule", gone[0].Text)
}

func TestClearSaysWhenAConditionIsOver(t *testing.T) {
	f := newFrames(t, Rule{Code: "MANY", Expr: "objects > 100", Clear: "objects < 80", Cooldown: time.Nanosecond, Text: "too many objects"})
	require.Equal(t, "r---c---", f.states(101, 99, 80, 101, 79, 85, 99, 100))
	in := f.input(50)
	in.Summary.Objects = 200
	require.Equal(t, "too many objects", f.feed(in)[0].Text)
	require.Equal(t, "--c", f.states(90, 300, 1))
}

func TestNoVerdictChangesNothing(t *testing.T) {
	f := newFrames(t, Rule{Code: "LOW", Expr: "drift.nm > 10", Clear: "drift.score > 0.5", Hold: 2, Cooldown: time.Nanosecond})
	feed := func(values map[string]float64) string {
		in := f.input(50)
		in.Values = values
		if c := f.feed(in); len(c) > 0 {
			return c[0].State
		}
		return f.last.Missing
	}
	high, none := map[string]float64{"drift.nm": 20}, map[string]float64(nil)
	require.Empty(t, feed(high))
	require.Equal(t, "drift.nm is undefined", feed(none))
	require.Equal(t, Raised, feed(high), "it neither counts nor interrupts")
	sure := map[string]float64{"drift.score": 0.9}
	require.Empty(t, feed(sure), "while it is raised only clear is read")
	require.Equal(t, "drift.score is undefined", feed(high))
	require.Equal(t, Cleared, feed(sure))
	require.Equal(t, "drift.nm is undefined", feed(sure))
}

func TestTextAndUnitOfAnExpression(t *testing.T) {
	f := newFrames(t, Rule{Code: "RATIO", Expr: "ecd_nm.p50 / objects", Max: ptr(10), Unit: "nm", Text: "{value} each, not {limit}", Cooldown: time.Nanosecond})
	c := f.feed(f.input(123.456789))
	require.Equal(t, "12.3457 nm each, not 10 nm", c[0].Text)
	require.Equal(t, "nm", c[0].Unit)
	require.False(t, c[0].Boolean)
	require.Equal(t, "over: 1 nm each, not 10 nm", f.feed(f.input(10))[0].Text)

	f = newFrames(t, Rule{Code: "LONG", Expr: "ecd_nm.p50 + " + strings.Repeat("0.001 * objects + ", 20) + "0", Max: ptr(10)})
	text := f.feed(f.input(100))[0].Text
	require.True(t, strings.HasPrefix(text, "ecd_nm.p50 + 0.001"))
	require.Contains(t, text, "… is 100.2, above its maximum of 10")
	require.LessOrEqual(t, len([]rune(text)), 120)
}
