package rules

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A signal that trembles about a limit must not flood whoever is called by an alert.
func TestASignalOscillatingAboutItsLimitRaisesOnce(t *testing.T) {
	const limit, minutes = 100, 10
	for name, signal := range map[string]func(i int) float64{
		"sine":     func(i int) float64 { return limit * (1 + 0.01*math.Sin(float64(i)*0.7)) },
		"square":   func(i int) float64 { return limit * (1 + 0.01*float64(2*(i%2)-1)) },
		"random":   func(int) float64 { return limit * (1 + 0.01*(2*rand.Float64()-1)) },
		"drifting": func(i int) float64 { return limit * (1 + 0.01*math.Sin(float64(i)*0.7) - 0.00003*float64(i)) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Rule{Code: "SIZE", Max: ptr(limit), Cooldown: time.Second})
			var all strings.Builder
			for i := range minutes * 60 { // one frame a second
				all.WriteString(b.states(signal(i)))
				for range b.set.Tick(b.clock) {
					t.Fatal("nothing is held back")
				}
			}
			require.Equal(t, 1, strings.Count(all.String(), "r"), all.String())
			require.LessOrEqual(t, strings.Count(all.String(), "c"), 1, all.String())
		})
	}
}

// With a swing beyond the hysteresis the times bound how often it is told.
func TestASwingBeyondTheHysteresisIsBoundedByTheTimes(t *testing.T) {
	b := newBench(t, Rule{Code: "SIZE", Max: ptr(100), MinHold: 20 * time.Second, Cooldown: 40 * time.Second})
	var all string
	for i := range 600 {
		all += b.states(100 * (1 + 0.2*float64(2*(i%2)-1)))
		for _, c := range b.set.Tick(b.clock) {
			all += c.State[:1]
		}
	}
	require.LessOrEqual(t, strings.Count(all, "r"), 10)
	require.GreaterOrEqual(t, strings.Count(all, "r"), 8)
	require.LessOrEqual(t, strings.Count(all, "c"), 10)
}

func TestAnAlertIsHeldAtLeastItsTimeAndClearsWithoutAFrame(t *testing.T) {
	b := newBench(t, Rule{Code: "SIZE", Max: ptr(100), Hold: 2, MinHold: 10 * time.Second, Cooldown: time.Minute})
	require.Equal(t, "-r---", b.states(120, 120, 90, 90, 90))
	require.Empty(t, b.set.Tick(b.clock))
	last := b.clock
	changes := b.set.Tick(b.clock.Add(8 * time.Second))
	require.Len(t, changes, 1)
	require.Equal(t, Cleared, changes[0].State)
	require.InDelta(t, 90, changes[0].Value, 0)
	require.InDelta(t, 100, changes[0].Limit, 0)
	require.Equal(t, last.Format("150405"), changes[0].FrameID)
	require.Empty(t, b.set.Tick(b.clock.Add(9*time.Second)), "once")

	// It comes back within the cooldown, and stays.
	b.clock = b.clock.Add(10 * time.Second)
	require.Equal(t, "---", b.states(130, 130, 140))
	require.Empty(t, b.set.Tick(b.clock))
	states := b.set.State()
	changes = b.set.Tick(b.clock.Add(time.Minute))
	require.Len(t, changes, 1)
	require.Equal(t, Raised, changes[0].State)
	require.InDelta(t, 140, changes[0].Value, 0)
	require.Equal(t, b.clock.Add(time.Minute), changes[0].RaisedAt)

	// A cooldown outlives a restart; a clock that was set back ends it.
	again := newBench(t, Rule{Code: "SIZE", Max: ptr(100), Hold: 2, Cooldown: time.Minute})
	require.Empty(t, again.set.Restore(states, b.clock))
	again.clock = b.clock
	require.Equal(t, "--", again.states(150, 150))
	again.clock = b.clock.Add(-24 * time.Hour)
	require.Equal(t, "r", again.states(150))
}

func TestABackInsideValueInTheCooldownRaisesNothing(t *testing.T) {
	b := newBench(t, Rule{Code: "SIZE", Max: ptr(100), Cooldown: time.Minute})
	require.Equal(t, "rc--", b.states(120, 90, 120, 90))
	require.Empty(t, b.set.Tick(b.clock.Add(time.Hour)))
}

func TestTimesOutOfBoundsAreNamed(t *testing.T) {
	for want, r := range map[string]Rule{
		"min_hold -1s":  {MinHold: -time.Second},
		"cooldown 192h": {Cooldown: 8 * 24 * time.Hour},
	} {
		r.Code, r.Metric, r.Max = "SIZE", "objects", ptr(1)
		_, err := Compile([]Rule{r})
		require.ErrorContains(t, err, want)
	}
}
