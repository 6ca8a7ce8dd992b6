package infer

import "unsafe"

// host is page-locked memory that a GPU's session has its input and output in. One piece serves all shapes: it stays
// where it is until a larger one is asked for.
type host struct {
	alloc func(bytes int) (memory []byte, free func() error, err error)

	memory []float32
	free   func() error
}

// grow makes room for n values. What was in it is lost.
func (h *host) grow(n int) error {
	if n <= len(h.memory) {
		return nil
	}
	if err := h.Close(); err != nil {
		return err
	}
	memory, free, err := h.alloc(4 * n)
	if err != nil {
		return err
	}
	h.memory, h.free = unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(memory))), n), free
	return nil
}

// Close frees the memory.
func (h *host) Close() error {
	if h.free == nil {
		return nil
	}
	free := h.free
	h.memory, h.free = nil, nil
	return free()
}

// run runs a network on an image of w x h px by way of the memory; where it cannot grow, without.
func (h *host) run(image []float32, w, height int, out []float32, network func(in, out []float32) error) error {
	n := w * height
	if h.grow((1+Channels)*n) != nil {
		return network(image, out)
	}
	in, field := h.memory[:n:n], h.memory[n:(1+Channels)*n]
	copyRows(in, image, w)
	if err := network(in, field); err != nil {
		return err
	}
	copyRows(out, field, w)
	return nil
}

// copyRows copies rows of w values on all cores.
func copyRows(dst, src []float32, w int) {
	bands(len(src)/w, func(from, to int) { copy(dst[from*w:to*w], src[from*w:to*w]) })
}
