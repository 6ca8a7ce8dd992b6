//go:build linux

package soak

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/uni-aims/aimsd/stream/streamtest"
)

// minutes returns how long a test runs, and whether it is the full form: SOAK_MINUTES, or without it the
// short form that `make test` has time for.
func minutes(t testing.TB, short time.Duration) (length time.Duration, full bool) {
	t.Helper()
	return streamtest.Soak(t, short)
}

// random is a generator that starts from the test's seed, which is logged: SOAK_SEED repeats it.
func random(t testing.TB) *rand.Rand {
	t.Helper()
	return streamtest.Random(t)
}
