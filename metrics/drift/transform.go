package drift

import "gonum.org/v1/gonum/dsp/fourier"

const lanes = 4 // columns transformed together: one cache line of complex128

// transform is a two-dimensional Fourier transform of real values, nx wide (even) and ny high. A spectrum has ny rows
// of nx/2+1 values, row-major; both directions are unnormalised. Not safe for concurrent use.
type transform struct {
	nx, ny, half int
	workers      []plan
}

type plan struct {
	row     *fourier.FFT
	col     *fourier.CmplxFFT
	columns [lanes][]complex128
}

func newTransform(nx, ny, workers int) *transform {
	t := &transform{nx: nx, ny: ny, half: nx/2 + 1, workers: make([]plan, workers)}
	for w := range t.workers {
		p := &t.workers[w]
		p.row, p.col = fourier.NewFFT(nx), fourier.NewCmplxFFT(ny)
		for k := range p.columns {
			p.columns[k] = make([]complex128, ny)
		}
	}
	return t
}

// forward fills the spectrum of src.
func (t *transform) forward(dst []complex128, src []float64) {
	parallel(len(t.workers), t.ny, func(w, y int) {
		t.workers[w].row.Coefficients(dst[y*t.half:(y+1)*t.half], src[y*t.nx:(y+1)*t.nx])
	})
	t.eachColumn(dst, func(p *plan, column []complex128) { p.col.Coefficients(column, column) })
}

// inverse fills dst with the values whose spectrum is src, times nx*ny; src is overwritten.
func (t *transform) inverse(dst []float64, src []complex128) {
	t.eachColumn(src, func(p *plan, column []complex128) { p.col.Sequence(column, column) })
	parallel(len(t.workers), t.ny, func(w, y int) {
		t.workers[w].row.Sequence(dst[y*t.nx:(y+1)*t.nx], src[y*t.half:(y+1)*t.half])
	})
}

func (t *transform) eachColumn(spectrum []complex128, do func(*plan, []complex128)) {
	parallel(len(t.workers), (t.half+lanes-1)/lanes, func(w, block int) {
		p, x0 := &t.workers[w], block*lanes
		n := min(lanes, t.half-x0)
		for y := range t.ny {
			for k, v := range spectrum[y*t.half+x0 : y*t.half+x0+n] {
				p.columns[k][y] = v
			}
		}
		for k := range n {
			do(p, p.columns[k])
		}
		for y := range t.ny {
			line := spectrum[y*t.half+x0 : y*t.half+x0+n]
			for k := range line {
				line[k] = p.columns[k][y]
			}
		}
	})
}

// fastLength is the smallest even length from n on whose prime factors are 2, 3 and 5.
func fastLength(n int) int {
	for n += n & 1; ; n += 2 {
		m := n
		for _, p := range [...]int{2, 3, 5} {
			for m%p == 0 {
				m /= p
			}
		}
		if m == 1 {
			return n
		}
	}
}
