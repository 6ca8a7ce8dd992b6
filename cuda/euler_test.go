package cuda

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEulerIsTheSameWalkStepByStep(t *testing.T) {
	const steps = 30
	f, _ := discs(90, 70, 12, 1, 4)
	host := &Host{Params: Params{FlowScale: 5, Euler: steps, MinSink: 3, MinArea: 12}}
	fg := host.foreground(f)
	s := borrow(90 * 70)
	host.displacement(f, fg, s.u)
	u, err := host.walk(t.Context(), f, fg, s)
	require.NoError(t, err)
	for y := range 70 {
		for x := range 90 {
			i := y*90 + x
			at := vec{float32(y), float32(x)}
			if f.Logit[i] > 0 {
				for range steps {
					v := sample(s.u, 90, 70, 0, at.y, at.x)
					at = vec{clamp(at.y+v.y, 0, 69), clamp(at.x+v.x, 0, 89)}
				}
			}
			require.Equal(t, vec{at.y - float32(y), at.x - float32(x)}, u[i], "(%d, %d)", y, x)
		}
	}
}

func TestSquaringFindsWhatTheReferenceModeFinds(t *testing.T) {
	f, truth := discs(500, 400, 90, 2, 6)
	p := DefaultParams()
	fast, err := (&Host{Params: p}).Labels(t.Context(), f)
	require.NoError(t, err)
	p.Euler = EulerSteps
	slow, err := (&Host{Params: p}).Labels(t.Context(), f)
	require.NoError(t, err)
	require.InDelta(t, len(slow.Objects), len(fast.Objects), 3)
	differ, foreground := 0, 0
	for i := range truth {
		if truth[i] != 0 {
			foreground++
			if (fast.Labels[i] == 0) != (slow.Labels[i] == 0) {
				differ++
			}
		}
	}
	require.Less(t, differ, foreground/50)
	d, why, err := Choose(p, ProviderAuto, nil)
	require.NoError(t, err)
	require.IsType(t, &Host{}, d)
	require.Contains(t, why, "200 steps")
}
