package streamtest

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// Environment of a soak: a test of what has to hold for months, run for minutes.
const (
	MinutesEnv = "SOAK_MINUTES" // how long each test runs; unset: the short form that `make test` has time for
	SeedEnv    = "SOAK_SEED"    // repeats a run that failed
)

// Soak returns how long a test runs, SOAK_MINUTES or else short, and whether it is the full form.
func Soak(t testing.TB, short time.Duration) (length time.Duration, full bool) {
	t.Helper()
	text := os.Getenv(MinutesEnv)
	if text == "" {
		return short, false
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n <= 0 {
		t.Fatalf("%s=%q is no number of minutes", MinutesEnv, text)
	}
	return time.Duration(n * float64(time.Minute)), true
}

// Random returns a generator for a soak and logs its seed: SOAK_SEED, or a new one every time.
func Random(t testing.TB) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv(SeedEnv); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s=%q is no seed", SeedEnv, text)
		}
	}
	t.Logf("seed: repeat with %s=%d", SeedEnv, seed)
	return rand.New(rand.NewPCG(seed, seed))
}
