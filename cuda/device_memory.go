package cuda

import "fmt"

// region is memory on a machine that is kept from frame to frame and replaced by a larger one when needed.
type region struct{ address, bytes uint64 }

// grow makes the region hold so many bytes. What was in it is lost.
func (r *region) grow(m Machine, bytes int64, what string) error {
	if uint64(bytes) <= r.bytes {
		return nil
	}
	free, err := m.Available()
	if err != nil {
		return fmt.Errorf("device memory: %w", err)
	}
	if free += int64(r.bytes); bytes > free {
		return fmt.Errorf("%s needs %.1f MB of device memory, %.1f MB are free", what, float64(bytes)/1e6, float64(free)/1e6)
	}
	if err := r.release(m); err != nil {
		return err
	}
	address, err := m.Alloc(bytes)
	if err != nil {
		return fmt.Errorf("%s needs %.1f MB of device memory: %w", what, float64(bytes)/1e6, err)
	}
	*r = region{address, uint64(bytes)}
	return nil
}

func (r *region) release(m Machine) error {
	if r.bytes == 0 {
		return nil
	}
	address := r.address
	*r = region{}
	if err := m.Free(address); err != nil {
		return fmt.Errorf("device memory: %w", err)
	}
	return nil
}

// layout is where the planes of a frame of n px are: 36 bytes per px and the levels of the scan.
//
// The buffers of the squaring change places with every pass. When it is done, the one without the result
// holds label and parent.
type layout struct {
	dy, dx, logit, size uint64 // float32
	u, spare            uint64 // vec, 8 bytes
	count               uint64 // int32: flows that end here, then area by root, then the owner of a hole
	levels              []level
	bytes               int64
}

// level is int32 counts to be scanned: by chunk of pixels, then by chunk of the level before. The lowest has
// one more, which is the total when all is scanned.
type level struct {
	address uint64
	n       int
}

func layOut(n int) layout {
	var l layout
	place := func(bytes int) uint64 {
		at := l.bytes
		l.bytes += (int64(bytes) + 255) &^ 255
		return uint64(at)
	}
	l.dy, l.dx, l.logit, l.size = place(4*n), place(4*n), place(4*n), place(4*n)
	l.u, l.spare = place(8*n), place(8*n)
	l.count = place(4 * n)
	for m := chunks(n) + 1; ; m = chunks(m) {
		l.levels = append(l.levels, level{place(4 * m), m})
		if m <= scanChunk {
			return l
		}
	}
}

// at moves the layout, which starts at 0, to an address.
func (l *layout) at(base uint64) {
	for _, p := range []*uint64{&l.dy, &l.dx, &l.logit, &l.size, &l.u, &l.spare, &l.count} {
		*p += base
	}
	for i := range l.levels {
		l.levels[i].address += base
	}
}

// Shares of a thread, as in the kernels.
const (
	span      = 16
	scanChunk = 256
)

func spans(n int) int  { return (n-1)/span + 1 }
func chunks(n int) int { return (n-1)/scanChunk + 1 }
