//go:build linux

package soak

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Environment of a soak.
const (
	minutesEnv = "SOAK_MINUTES" // how long each test runs
	seedEnv    = "SOAK_SEED"    // repeats a run that failed
)

// minutes returns how long a test runs, and whether it is the full form: SOAK_MINUTES, or without it the
// short form that `make test` has time for.
func minutes(t testing.TB, short time.Duration) (length time.Duration, full bool) {
	t.Helper()
	text := os.Getenv(minutesEnv)
	if text == "" {
		return short, false
	}
	n, err := strconv.ParseFloat(text, 64)
	require.NoError(t, err, minutesEnv)
	require.Positive(t, n, minutesEnv)
	return time.Duration(n * float64(time.Minute)), true
}

// seed returns what a test's randomness starts from and says so: SOAK_SEED, or a new one every time.
func seed(t testing.TB) uint64 {
	t.Helper()
	n := rand.Uint64()
	if text := os.Getenv(seedEnv); text != "" {
		var err error
		n, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, seedEnv)
	}
	t.Logf("seed: repeat with %s=%d", seedEnv, n)
	return n
}

// random is a generator that starts from seed.
func random(t testing.TB) *rand.Rand {
	t.Helper()
	n := seed(t)
	return rand.New(rand.NewPCG(n, n))
}
