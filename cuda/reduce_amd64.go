package cuda

// reduce512 writes eight partial sums each of fixed flow errors, probabilities and sizes of n px to sums: reduceRun
// with AVX-512, bit for bit.
//
//go:noescape
func reduce512(sums *[24]int64, u *vec, dy, dx, logit, size *float32, n int, k float32)
