//go:build !linux

package stream

import "strings"

// onNetwork knows a network path by its form (\\server\share); set watch: poll for mapped drives.
func onNetwork(path string) bool { return strings.HasPrefix(path, `\\`) }
