//go:build !linux && !windows

package stream

// onNetwork cannot tell on this system; set watch: poll for network mounts.
func onNetwork(string) bool { return false }
