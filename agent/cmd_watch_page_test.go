package agent

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics/milling"
)

// screenText is a page without colours.
func screenText(s *watchState, now time.Time, width, height int) string {
	var b strings.Builder
	for _, l := range s.page(now, width, height) {
		b.WriteString(terminalLook{unicode: true}.render(l, width) + "\n")
	}
	return b.String()
}

// bigRow is a row of big letters as it stands on the screen.
func bigRow(word string, scale, row int) string {
	return "  " + strings.TrimRight(bigText(word, scale)[row], " ")
}

func TestTheScreenShowsTheAdviceAndWhenItRunsOut(t *testing.T) {
	now := time.Date(2026, 1, 14, 9, 31, 0, 0, time.UTC)
	s := newWatchState("127.0.0.1:7443", "", &Config{Milling: []MillingConfig{{Source: "acq", Plan: milling.DefaultPlan()}}})
	require.Contains(t, screenText(s, now, 80, 24), "acq   no frame yet")
	s.take(sighting{At: now})
	s.take(sighting{At: now, Feedback: advice(7, milling.Continue, "progress 45.0 %, front at 1.2 µm").Proto()})
	text := screenText(s, now.Add(500*time.Millisecond), 80, 24)
	for _, want := range []string{
		"connected", "acq   run run-1   frame 7   stage rough", "  progress 45.0 %, front at 1.2 µm", " 45.0 %  of 100 %",
		"front       1.2 µm        rate 23 nm/s       to go 65 s", "drift       ↗ 4.2 px   x +3.0 px, y -3.0 px   (x +15 nm, y -15 nm)",
		"end-point   count 1 of 2   progress 45.2 %, threshold 100.0 %", "confidence  0.45          image curtaining",
		"age         0.5 s   holds 2.0 s  ███░░░░░░░░░  decided 1.0 s after the frame", "changes     09:31:00  CONTINUE frame 7  WARMUP",
		bigRow("CONTINUE", 1, 0),
	} {
		require.Contains(t, text, want)
	}
	for _, line := range strings.Split(text, "\n") {
		require.LessOrEqual(t, utf8.RuneCountInString(line), 80, line)
	}
	require.LessOrEqual(t, strings.Count(text, "\n"), 24)
	require.Contains(t, screenText(s, now, 120, 40), bigRow("CONTINUE", 2, 1)+"\n"+bigRow("CONTINUE", 2, 1), "larger where there is room")

	late := screenText(s, now.Add(5*time.Second), 80, 24)
	require.Contains(t, late, bigRow(noAdvice, 1, 2))
	require.Contains(t, late, "treat as PAUSE: the last advice (CONTINUE) ran out 3.0 s ago")
	require.NotContains(t, late, bigRow("CONTINUE", 1, 0), "an advice that has run out is not shown")

	s.take(sighting{At: now.Add(6 * time.Second), Down: errors.New("no connection to the daemon at 127.0.0.1:7443: connection refused")})
	s.take(sighting{At: now.Add(8 * time.Second), Down: errors.New("no connection to the daemon at 127.0.0.1:7443: connection refused")})
	gone := screenText(s, now.Add(9*time.Second), 80, 24)
	require.Contains(t, gone, "NO CONNECTION for 3.0 s, trying again", "since it was lost")
	require.Contains(t, gone, "\n  no connection to the daemon at 127.0.0.1:7443: connection refused\n")
}

func TestAnOldAdviceIsNoNewOneForWhoeverConnectsLate(t *testing.T) {
	m := advice(7, milling.Continue, "progress 45.0 %")
	s := newWatchState("x", "", nil)
	now := m.DecisionTime.Add(time.Minute)
	s.take(sighting{At: now, Feedback: m.Proto(), Kept: true})
	require.Contains(t, screenText(s, now, 80, 24), "the last advice (CONTINUE) ran out 58 s ago")
	s.take(sighting{At: now, Feedback: m.Proto()})
	require.NotContains(t, screenText(s, now, 80, 24), "ran out", "what comes later counts from its arrival, whatever the clocks say")
	behind := m.DecisionTime.Add(-time.Minute)
	s.take(sighting{At: behind, Feedback: m.Proto(), Kept: true})
	require.NotContains(t, screenText(s, behind, 80, 24), "ran out")
}

func TestTheScreenRemembersTheLastChangesOfARun(t *testing.T) {
	now := time.Date(2026, 1, 14, 9, 31, 0, 0, time.UTC)
	s := newWatchState("x", "", nil)
	for i := range 20 {
		word := milling.Continue
		if i%2 == 1 {
			word = milling.Abstain
		}
		for k := range 3 { // two of each change nothing
			s.take(sighting{At: now.Add(time.Duration(i) * time.Second), Feedback: advice(uint64(3*i+k), word, "").Proto()})
		}
	}
	require.Len(t, s.sources["acq"].changes, shownChanges)
	text := screenText(s, now.Add(20*time.Second), 80, 40)
	require.Contains(t, text, "changes     09:31:19  ABSTAIN  frame 57")
	require.Contains(t, text, "09:31:12  CONTINUE frame 36")
	require.NotContains(t, text, "09:31:11")
	next := advice(61, milling.Pause, "")
	next.RunID = "run-2"
	s.take(sighting{At: now, Feedback: next.Proto()})
	require.Len(t, s.sources["acq"].changes, 1, "another run begins anew")
}

func TestSeveralSourcesShareTheScreen(t *testing.T) {
	now := time.Now()
	s := newWatchState("x", "", nil)
	for _, name := range []string{"a", "b"} {
		m := advice(1, milling.Stop, "stop milling")
		m.Source = name
		s.take(sighting{At: now, Feedback: m.Proto()})
	}
	text := screenText(s, now, 80, 24)
	require.Equal(t, 2, strings.Count(text, ">>> STOP <<<"))
	require.Contains(t, text, "  a   run run-1")
	require.Contains(t, text, "  b   run run-1")
	require.LessOrEqual(t, strings.Count(text, "\n"), 24)
	for height := range 30 {
		require.LessOrEqual(t, len(s.page(now, 80, height)), height)
		_ = screenText(s, now, height, 24)
	}
}

func TestTheScreenIsPlainWhereItMustBe(t *testing.T) {
	line := textLine{{"drift ", styleSoft}, {"↗ 3 µm ██\x1b[2J┃", styleStop}}
	require.Equal(t, "drift up-right  3 um ##[2J|", terminalLook{}.render(line, 80))
	require.Equal(t, "\x1b[2mdrift \x1b[0m\x1b[1;97;41m↗\x1b[0m", terminalLook{colour: true, unicode: true}.render(line, 7))
	env := func(m map[string]string) func(string) string { return func(k string) string { return m[k] } }
	require.True(t, showsUnicode("linux", env(map[string]string{"LANG": "de_DE.UTF-8"})))
	require.False(t, showsUnicode("linux", env(map[string]string{"LANG": "de_DE.UTF-8", "LC_ALL": "C"})))
	require.False(t, showsUnicode("linux", env(nil)))
	require.True(t, showsUnicode("windows", env(nil)))
	require.Equal(t, "████┃░░░░░", barText(10, 0.4, 0.45))
	require.Equal(t, "██████████", barText(10, 7, 1))
	require.Equal(t, "░░██", barText(2, math.NaN(), math.NaN())+barText(2, math.Inf(1), -1))
}

func TestTheScreenIsLeftAsItWas(t *testing.T) {
	var out bytes.Buffer
	seen := make(chan sighting)
	s := &watchScreen{
		out: &out, size: func() (int, int, error) { return 80, 24, nil }, state: newWatchState("x", "", nil), now: time.Now,
		look: terminalLook{unicode: true},
	}
	go func() {
		defer close(seen)
		seen <- sighting{At: time.Now(), Feedback: advice(7, milling.Continue, "progress").Proto()}
	}()
	require.NoError(t, s.Run(context.Background(), seen))
	require.True(t, strings.HasPrefix(out.String(), screenBegin+screenHome))
	require.True(t, strings.HasSuffix(out.String(), screenEnd))
	require.Contains(t, out.String(), "acq   run run-1   frame 7")
	require.NotContains(t, out.String(), "\x1b[1m", "without colours")
}
