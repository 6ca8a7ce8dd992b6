//go:build !linux && !windows

package reporting

// fileSystem knows no network shares on this system.
func fileSystem(string) (name string, network bool, err error) { return "", false, nil }
