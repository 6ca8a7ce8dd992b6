package scalebar

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTrustGrowsWithTheReadingAndWithTheMatch(t *testing.T) {
	last := -1.0
	for k := range 101 {
		c := trust(float64(k)/100, 1)
		require.Greater(t, c, last)
		require.LessOrEqual(t, c, 1.0)
		last = c
	}
	require.InDelta(t, 0.998, trust(1.01, 1), 1e-9)
	require.InDelta(t, 0.9, trust(0.7, 0.5), 1e-9)
	require.Less(t, trust(0.99, 0.2), trust(0.99, 0.4))
}
