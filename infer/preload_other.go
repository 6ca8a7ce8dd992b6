//go:build !linux

package infer

// preload has nothing to do where there is no CUDA provider.
func preload([]string) error { return nil }
