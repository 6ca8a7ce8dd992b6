package agent

import "fmt"

// Modes of analysis: what the objects of an image are.
const (
	ModeParticles = "particles"
	ModeGrains    = "grains"
	ModePores     = "pores"
	ModeFibres    = "fibres"
)

// ValidMode reports whether a mode can be used: the network segments particles, grains, pores and fibres
// alike; the mode is recorded with the result.
func ValidMode(mode string) error {
	return oneOf("mode", mode, ModeParticles, ModeGrains, ModePores, ModeFibres)
}

// usageError is a mistake in how the program was called or configured: exit status 2.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// failedError ends a command whose inputs did not all succeed: exit status 1, everything else was done.
type failedError struct{ text string }

func (e failedError) Error() string { return e.text }
