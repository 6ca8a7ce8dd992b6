package infer

import "unsafe"

// host is the memory that a GPU's session has its input and output in, page-locked where that can be had. One piece
// serves all shapes: it stays where it is until a larger one is asked for. Sides are rounded up to multiples of the
// granule, mirrored beyond the image as the Segmenter does at the frame's border, because every shape that occurs costs
// a GPU a search for the fastest algorithms, and memory of its own.
type host struct {
	granule int // px
	alloc   func(bytes int) (memory []byte, free func() error, err error)

	memory []float32
	free   func() error
}

// gpuGranule is what the sides of a GPU's inputs are multiples of, px: some ten shapes for frames of all sizes.
const gpuGranule = 256

// side is n px rounded up.
func (h *host) side(n int) int { return (n + h.granule - 1) / h.granule * h.granule }

// grow makes room for n values, in Go's memory where there is no better. What was in it is lost. The error says why it
// is not better.
func (h *host) grow(n int) error {
	if n <= len(h.memory) {
		return nil
	}
	if err := h.Close(); err != nil {
		return err
	}
	memory, free, err := h.alloc(4 * n)
	if err != nil {
		h.memory = make([]float32, n)
		return err
	}
	h.memory, h.free = unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(memory))), n), free
	return nil
}

// Close frees the memory.
func (h *host) Close() error {
	free := h.free
	h.memory, h.free = nil, nil
	if free == nil {
		return nil
	}
	return free()
}

// run runs a network on an image of w x high px by way of the memory.
func (h *host) run(image []float32, w, high int, out []float32, network func(in []float32, w, high int, out []float32) error) error {
	fullW, fullHigh := h.side(w), h.side(high)
	n := fullW * fullHigh
	_ = h.grow((1 + Channels) * n) // whatever the memory is like
	in, field := h.memory[:n:n], h.memory[n:][:Channels*n:Channels*n]
	bands(fullHigh, func(from, to int) {
		for y := from; y < to; y++ {
			row, src := in[y*fullW:][:fullW], image[mirror(y, high)*w:][:w]
			for x := copy(row, src); x < fullW; x++ {
				row[x] = src[mirror(x, w)]
			}
		}
	})
	if err := network(in, fullW, fullHigh, field); err != nil {
		return err
	}
	bands(Channels*high, func(from, to int) {
		for r := from; r < to; r++ {
			copy(out[r*w:][:w], field[(r/high*fullHigh+r%high)*fullW:])
		}
	})
	return nil
}
