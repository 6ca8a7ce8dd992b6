package agent

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/reporting"
)

func TestPrintsFindAFrozenSource(t *testing.T) {
	const side = 128
	acquired := func(seed uint64) *metrics.Print {
		rng := rand.New(rand.NewPCG(seed, 1))
		gray := make([]uint8, side*side)
		for i := range gray {
			gray[i] = uint8(100 + 8*rng.NormFloat64())
		}
		p := metrics.PrintOf(gray, nil, side, side, metrics.Rect{})
		return &p
	}
	var p prints
	flags := func(source string, print *metrics.Print) []string {
		r := &reporting.Result{ImageQuality: []string{}}
		p.compare(source, print, r)
		return r.ImageQuality
	}
	frozen := []string{metrics.FlagFrozen}
	require.Empty(t, flags("a", acquired(1)))
	require.Empty(t, flags("b", acquired(1)), "another source")
	require.Equal(t, frozen, flags("a", acquired(1)))
	for seed := range uint64(3) {
		require.Empty(t, flags("a", acquired(2+seed)))
	}
	require.Equal(t, frozen, flags("a", acquired(1)), "one of the last four")
	for seed := range uint64(4) {
		require.Empty(t, flags("a", acquired(5+seed)))
	}
	require.Empty(t, flags("a", acquired(1)), "too long ago")
	require.Empty(t, flags("a", nil), "labels without an image")

	blank := &reporting.Result{ImageQuality: []string{metrics.FlagBlank}}
	p.compare("a", acquired(1), blank)
	require.Equal(t, []string{metrics.FlagBlank}, blank.ImageQuality)

	for i := range 100 {
		flags(fmt.Sprint("s", i), acquired(1))
	}
	require.Len(t, p.recent, sourcesPrints)
	require.Empty(t, flags("a", acquired(1)), "forgotten: other sources came since")
	require.Equal(t, frozen, flags("s99", acquired(1)))
}
