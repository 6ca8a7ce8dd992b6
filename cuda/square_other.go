//go:build !amd64

package cuda

const wide = false

func square512(_, _, _ *vec, _, _, _ int, _, _, _, _, _ float32) int { return 0 }
