package infer

import "sync"

// buffers lend slices of float32 that are as large as planes, so that a frame does not have the memory of the one before
// it cleared and mapped anew. Small ones are kept; what a large frame needed is given back after some rounds of garbage
// collection.
type buffers struct {
	mu    sync.Mutex
	small [][]float32
	held  int // values in small
	large sync.Pool
}

// keepValues is how many float32 are kept at most, 96 MiB: what frames of 1K x 1K need.
const keepValues = 24 << 20

// planes are the buffers of this process.
var planes buffers //nolint:gochecknoglobals // memory is the process's

// get returns n values, whatever they are.
func (b *buffers) get(n int) []float32 {
	if s := b.fit(n); s != nil {
		return s
	}
	if s, ok := b.large.Get().(*[]float32); ok {
		if cap(*s) >= n {
			return (*s)[:n]
		}
		b.put(*s)
	}
	return make([]float32, n)
}

// fit takes the smallest kept slice that n values fit into, unless it is far too large.
func (b *buffers) fit(n int) []float32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	best := -1
	for i, s := range b.small {
		if cap(s) >= n && cap(s) <= 4*n && (best < 0 || cap(s) < cap(b.small[best])) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	s := b.small[best]
	last := len(b.small) - 1
	b.small[best], b.small = b.small[last], b.small[:last]
	b.held -= cap(s)
	return s[:n]
}

// put takes a slice back. Nothing may use it any more.
func (b *buffers) put(s []float32) {
	s = s[:0:cap(s)]
	b.mu.Lock()
	if b.held+cap(s) <= keepValues {
		b.small = append(b.small, s)
		b.held += cap(s)
		b.mu.Unlock()
		return
	}
	b.mu.Unlock()
	b.large.Put(&s)
}
