package drift

import (
	"math"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Thresholds were chosen on one half of the files, with the exception that docs/specs/015-drift.md names.
func TestRealFrames(t *testing.T) {
	if few(0, 1) == 1 {
		t.Skip("SKIPPED with the race detector: too slow, and the numbers are the same without it")
	}
	for _, c := range []struct {
		name  string
		half  uint32
		small bool
		n     int
	}{
		{"development", 0, false, 50},
		{"held out", 1, false, 200},
		{"held out, hardly moved", 1, true, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			var errors []float64
			wrong, missed := 0, 0
			realPairs(sources(t, c.half), c.n, 11, c.small, func(p pair) {
				ref, err := NewReference(p.first, Options{})
				require.NoError(t, err)
				s, err := ref.Measure(p.next)
				require.NoError(t, err)
				off := math.Hypot(s.XPx-p.x, s.YPx-p.y)
				switch {
				case s.Success && off > 1:
					wrong++
					t.Errorf("%s, noise %g: %.2f px off and not flagged: %+v", p.set, p.sigma, off, s)
				case s.Success:
					errors = append(errors, off)
				case off <= 1:
					missed++
				}
			})
			slices.Sort(errors)
			n := len(errors)
			require.Greater(t, n, c.n*8/10, "successes")
			t.Logf("%d pairs: %d successes (median error %.3f px, 95 %% below %.3f px, worst %.3f px), %d wrong, %d right but flagged",
				c.n, n, errors[n/2], errors[n*95/100], errors[n-1], wrong, missed)
			require.Less(t, errors[n/2], 0.1, "median error in px")
		})
	}
}

// few is the first number, or with the race detector, which makes all of it several times slower, the second.
func few(all, raced int) int {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-race" && s.Value == "true" {
				return raced
			}
		}
	}
	return all
}
