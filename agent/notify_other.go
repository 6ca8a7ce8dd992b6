//go:build !linux

package agent

// newNotifier knows no service manager that listens here; that of Windows is told by its own handler.
func newNotifier(func(string) string) *notifier { return nil }
