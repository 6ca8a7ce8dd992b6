package decode

import (
	"math/bits"
	"sync"
	"unsafe"
)

// sized lends slices by size class, four classes per power of two, so that at most a quarter is unused.
type sized[T any] struct{ classes [160]sync.Pool }

// class returns the class that n belongs to and its length.
func class(n int) (int, int) {
	n = max(n, 64)
	shift := bits.Len(uint(n-1)) - 3 // the class is a multiple of this power of two, 5 to 8 times
	steps := (n + 1<<shift - 1) >> shift
	return 4*shift + steps - 5, steps << shift
}

// get lends a slice of length n whose contents are arbitrary.
func (s *sized[T]) get(n int) []T {
	c, size := class(n)
	if p, ok := s.classes[c].Get().(*[]T); ok {
		return (*p)[:n]
	}
	return make([]T, n, size)
}

// put takes a slice back.
func (s *sized[T]) put(p []T) {
	c, size := class(cap(p))
	if size == cap(p) {
		s.classes[c].Put(&p)
	}
}

// Buffers shared by all decodes of the process; the garbage collector empties them when idle. A frame outlives
// its decoder, so there is no smaller owner.
//
//nolint:gochecknoglobals // caches only, no state
var (
	pool8  sized[uint8]
	pool16 sized[uint16]
)

// asUint16 views bytes as numbers in this computer's byte order; nil when they do not lie on even addresses.
func asUint16(p []byte) []uint16 {
	if len(p) < 2 || uintptr(unsafe.Pointer(unsafe.SliceData(p)))%2 != 0 {
		return nil
	}
	return unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(p))), len(p)/2)
}
