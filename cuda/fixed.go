package cuda

import "math"

// Sums over an object's pixels are whole numbers of 1/fixedOne, so that they are the same in whatever order the pixels
// come: on any number of cores, and on a GPU.
const fixedOne = 1 << 20

// fixed is a value as a whole number of 1/fixedOne, rounded toward 0; beyond 64 it is 64, NaN is 0.
func fixed(v float32) int64 {
	if !(v > -64) {
		if v != v {
			return 0
		}
		v = -64
	} else if v > 64 {
		v = 64
	}
	return int64(v * fixedOne)
}

// sigmoid is 1/(1+exp(-x)) to 2e-6, of operations that every processor rounds alike; NaN counts as 0.
func sigmoid(x float32) float32 {
	t := float32(-x * 1.44269504)
	switch {
	case t != t:
		t = 0
	case t < -126:
		t = -126
	case t > 126:
		t = 126
	}
	n := int32(t)
	if float32(n) > t {
		n--
	}
	r := t - float32(n)
	p := float32(0.0018943794)
	for _, c := range [...]float32{0.0089893397, 0.0558282350, 0.2401479840, 0.6931530500, 1} {
		p = float32(p*r) + c // not fused
	}
	return 1 / (1 + float32(p*math.Float32frombits(uint32(n+127)<<23)))
}
