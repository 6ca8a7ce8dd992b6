package cuda

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// rows calls fn for bands of rows on all workers and waits.
func (h *Host) rows(height int, fn func(y0, y1 int)) {
	const band = 16
	workers := h.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(workers, (height+band-1)/band) {
		wg.Go(func() {
			for {
				y := int(next.Add(band)) - band
				if y >= height {
					return
				}
				fn(y, min(y+band, height))
			}
		})
	}
	wg.Wait()
}

// vec is a displacement in px.
type vec struct{ y, x float32 }

// displacement is the flow of one step: zero outside the foreground.
func (h *Host) displacement(f Field) []vec {
	u := make([]vec, len(f.Dy))
	k := 1 / h.Params.FlowScale
	h.rows(f.Height, func(y0, y1 int) {
		for i := y0 * f.Width; i < y1*f.Width; i++ {
			if f.Logit[i] > 0 {
				u[i] = vec{f.Dy[i] * k, f.Dx[i] * k}
			}
		}
	})
	return u
}

// square composes u with itself Params.Squarings times: u(p) += u(p + u(p)), bilinear, positions clamped
// to the frame, zero outside the foreground. The result is in u.
func (h *Host) square(ctx context.Context, f Field, u []vec) error {
	src, dst := u, make([]vec, len(u))
	w, height := f.Width, f.Height
	for range h.Params.Squarings {
		if err := ctx.Err(); err != nil {
			return err
		}
		h.rows(height, func(y0, y1 int) {
			for y := y0; y < y1; y++ {
				for x, i := 0, y*w; x < w; x, i = x+1, i+1 {
					if !(f.Logit[i] > 0) { // NaN is background
						dst[i] = vec{}
						continue
					}
					v := src[i]
					s := sample(src, w, height, float32(y)+v.y, float32(x)+v.x)
					dst[i] = vec{v.y + s.y, v.x + s.x}
				}
			}
		})
		src, dst = dst, src
	}
	if &src[0] != &u[0] {
		copy(u, src)
	}
	return nil
}

// sample is the bilinear value of u at (y, x), clamped to the frame.
func sample(u []vec, w, h int, y, x float32) vec {
	y, x = clamp(y, float32(h-1)), clamp(x, float32(w-1))
	iy, ix := min(int(y), h-2), min(int(x), w-2)
	p, q := y-float32(iy), x-float32(ix)
	o := iy*w + ix
	a, b := u[o:o+2:o+2], u[o+w:o+w+2:o+w+2]
	w00, w01, w10, w11 := (1-p)*(1-q), (1-p)*q, p*(1-q), p*q
	return vec{
		a[0].y*w00 + a[1].y*w01 + b[0].y*w10 + b[1].y*w11,
		a[0].x*w00 + a[1].x*w01 + b[0].x*w10 + b[1].x*w11,
	}
}

// clamp limits v to 0..hi; NaN becomes 0, so that a broken field cannot index outside the frame.
func clamp(v, hi float32) float32 {
	if v >= hi {
		return hi
	}
	if v > 0 {
		return v
	}
	return 0
}
