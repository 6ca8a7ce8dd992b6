package milling

import (
	"fmt"
	"math"

	"github.com/uni-aims/aimsd/metrics"
)

// Frame is one grey frame; exactly one of Gray8 and Gray16 is set, row-major, stride Width. The zero Analysed is the
// whole frame; otherwise it leaves out a data bar.
type Frame struct {
	Width, Height int
	Gray8         []uint8
	Gray16        []uint16
	Analysed      metrics.Rect
}

// check refuses a frame that has not every pixel once.
func (f *Frame) check(what string) error {
	if n := len(f.Gray8) + len(f.Gray16); f.Width <= 0 || f.Height <= 0 || n != f.Width*f.Height {
		return fmt.Errorf("milling: %s of %dx%d px has %d; give every pixel once", what, f.Width, f.Height, n)
	}
	return nil
}

// area is the analysed rectangle.
func (f *Frame) area() metrics.Rect {
	if f.Analysed == (metrics.Rect{}) {
		return metrics.Rect{X1: f.Width, Y1: f.Height}
	}
	return f.Analysed
}

// window is a rectangle of a frame as grey levels of full scale.
type window struct {
	metrics.Rect
	width int
	pix   []float32 // row-major, stride width
}

func (w *window) reset(r metrics.Rect) {
	w.Rect, w.width = r, r.X1-r.X0
	if n := r.Area(); cap(w.pix) < n {
		w.pix = make([]float32, n)
	} else {
		w.pix = w.pix[:n]
	}
}

func (w *window) has(x, y int) bool { return x >= w.X0 && x < w.X1 && y >= w.Y0 && y < w.Y1 }

func (w *window) row(y int) []float32 { return w.pix[(y-w.Y0)*w.width : (y-w.Y0+1)*w.width] }

// read takes the rectangle r of a frame moved by dx, dy: what is at x, y in w is at x+dx, y+dy in the frame.
func (w *window) read(f *Frame, r metrics.Rect, dx, dy int) {
	w.reset(r)
	for y := r.Y0; y < r.Y1; y++ {
		dst, at := w.row(y), (y+dy)*f.Width+r.X0+dx
		if f.Gray8 != nil {
			for i, v := range f.Gray8[at : at+len(dst)] {
				dst[i] = float32(v) * (1.0 / 255)
			}
		} else {
			for i, v := range f.Gray16[at : at+len(dst)] {
				dst[i] = float32(v) * (1.0 / 65535)
			}
		}
	}
}

// shifted takes src at x-fx, y-fy, fractions of a px from -0.5 to 0.5, by bilinear interpolation; at the border it
// repeats src's last px.
func (w *window) shifted(src *window, r metrics.Rect, fx, fy float64) {
	w.reset(r)
	ix, iy := int(math.Floor(-fx)), int(math.Floor(-fy))
	ax, ay := float32(-fx-float64(ix)), float32(-fy-float64(iy))
	clampX := func(x int) int { return min(max(x, src.X0), src.X1-1) - src.X0 }
	for y := r.Y0; y < r.Y1; y++ {
		upper := src.row(min(max(y+iy, src.Y0), src.Y1-1))
		lower := src.row(min(max(y+iy+1, src.Y0), src.Y1-1))
		dst := w.row(y)
		for i := range dst {
			a, b := clampX(r.X0+i+ix), clampX(r.X0+i+ix+1)
			dst[i] = bilinear(upper[a], upper[b], lower[a], lower[b], ax, ay)
		}
	}
}

// bilinear is the value at fx, fy (0 to 1) between four px, of which a and b are the upper ones.
func bilinear(a, b, c, d, fx, fy float32) float32 {
	u, l := a+fx*(b-a), c+fx*(d-c)
	return u + fy*(l-u)
}

func intersect(a, b metrics.Rect) metrics.Rect {
	r := metrics.Rect{X0: max(a.X0, b.X0), Y0: max(a.Y0, b.Y0), X1: min(a.X1, b.X1), Y1: min(a.Y1, b.Y1)}
	if r.X1 <= r.X0 || r.Y1 <= r.Y0 {
		return metrics.Rect{}
	}
	return r
}

func inside(a, b metrics.Rect) bool {
	return a.X0 >= b.X0 && a.Y0 >= b.Y0 && a.X1 <= b.X1 && a.Y1 <= b.Y1
}

func moved(r metrics.Rect, dx, dy int) metrics.Rect {
	return metrics.Rect{X0: r.X0 + dx, Y0: r.Y0 + dy, X1: r.X1 + dx, Y1: r.Y1 + dy}
}
