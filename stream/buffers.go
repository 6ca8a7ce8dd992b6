package stream

import "sync"

// pixelBuffers lends the memory of frames. It keeps what was given back only for frames of the size last
// asked for, and only until the garbage collector has run twice without need of it: an instrument sends
// frames of one size, and fresh memory for each costs as much time as receiving it.
type pixelBuffers struct {
	mu   sync.Mutex
	size [2]int // of a frame: bytes, and 16-bit numbers
	free [2]*sync.Pool
}

func (b *pixelBuffers) pool(kind, size int) *sync.Pool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.size[kind] != size || b.free[kind] == nil {
		b.size[kind], b.free[kind] = size, &sync.Pool{}
	}
	return b.free[kind]
}

// get8 lends size bytes; what they hold is arbitrary.
func (b *pixelBuffers) get8(size int) []uint8 {
	if p, ok := b.pool(0, size).Get().(*[]uint8); ok {
		return *p
	}
	return make([]uint8, size)
}

// get16 lends size 16-bit numbers; what they hold is arbitrary.
func (b *pixelBuffers) get16(size int) []uint16 {
	if p, ok := b.pool(1, size).Get().(*[]uint16); ok {
		return *p
	}
	return make([]uint16, size)
}

// put takes back what was lent; nil is left alone.
func (b *pixelBuffers) put(p8 []uint8, p16 []uint16) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p8 != nil && len(p8) == b.size[0] {
		b.free[0].Put(&p8)
	}
	if p16 != nil && len(p16) == b.size[1] {
		b.free[1].Put(&p16)
	}
}
