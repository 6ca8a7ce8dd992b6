package agent

import (
	"fmt"
	"slices"
	"strings"
)

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
	available := []string{ModeParticles, ModeGrains, ModePores, ModeFibres}
	if slices.Contains([]string{"phases", "layers"}, mode) {
		return notYet("mode", mode, available)
	}
	return oneOf("mode", mode, available...)
}

// notYet refuses a name that is agreed but whose part is not built.
func notYet(what, name string, available []string) error {
	return fmt.Errorf("%s %q is not in this version; available: %s", what, name, strings.Join(available, ", "))
}

// usageError is a mistake in how the program was called or configured: exit status 2.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// failedError ends a command whose inputs did not all succeed: exit status 1, everything else was done.
type failedError struct{ text string }

func (e failedError) Error() string { return e.text }
