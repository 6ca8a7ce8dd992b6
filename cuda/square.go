package cuda

import "context"

// vec is a displacement in px.
type vec struct{ y, x float32 }

// displacement writes the flow of one step to u, in the foreground. u is zero elsewhere.
func (h *Host) displacement(f Field, fg *rowRuns, u []vec) {
	k := 1 / h.Params.FlowScale
	h.rows(f.Height, func(y0, y1 int) {
		for y := y0; y < y1; y++ {
			for _, r := range fg.row(y) {
				at, end := y*f.Width+int(r.x0), y*f.Width+int(r.x1)
				dy, dx, out := f.Dy[at:end], f.Dx[at:end], u[at:end]
				for i := range out {
					out[i] = vec{dy[i] * k, dx[i] * k}
				}
			}
		}
	})
}

// square composes u with itself Params.Squarings times: u(p) += u(p + u(p)), bilinear, positions clamped
// to the frame, zero outside the foreground. It returns the slice, u or v, that holds the result.
func (h *Host) square(ctx context.Context, f Field, fg *rowRuns, u, v []vec) ([]vec, error) {
	w, height := f.Width, f.Height
	for range h.Params.Squarings {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h.rows(height, func(y0, y1 int) {
			for y := y0; y < y1; y++ {
				for _, r := range fg.row(y) {
					squareRun(v[y*w:][:w], u, w, height, f.Top, y, int(r.x0), int(r.x1))
				}
			}
		})
		u, v = v, u
	}
	return u, nil
}

// exactFloat is the first whole number after which a float32 does not know all.
const exactFloat = 1 << 24

// squareRun composes the displacements of pixels x0..x1-1 of row y into dst, that row of the next pass. Row 0 is the
// frame's row top.
func squareRun(dst, u []vec, w, h, top, y, x0, x1 int) {
	fy, y0, hy, hx := float32(y+top), float32(top), float32(top+h-1), float32(w-1)
	row := u[y*w:][:w]
	for x := x0; x < x1; x++ {
		if wide && x1-x >= 8 && x1 < exactFloat {
			x += square512(&dst[x], &row[x], &u[0], x1-x, w, top*w, fy, float32(x), y0, hy, hx)
			if rest := x1 - x; rest < 8 && x1-x0 >= 8 { // the last eight once more, to the same values
				last := x1 - 8
				if rest == 0 || square512(&dst[last], &row[last], &u[0], 8, w, top*w, fy, float32(last), y0, hy, hx) == 8 {
					return
				}
			}
		}
		v := row[x]
		py, px := fy+v.y, float32(x)+v.x
		var s vec
		if py >= y0 && py < hy && px >= 0 && px < hx { // almost always; false for NaN
			iy, ix := int(int32(py)), int(int32(px))
			s = between(u, (iy-top)*w+ix, w, py-float32(iy), px-float32(ix))
		} else {
			s = sample(u, w, h, top, py, px)
		}
		dst[x] = vec{v.y + s.y, v.x + s.x}
	}
}

// sample is the bilinear value of u at (y, x), clamped to rows top..top+h-1.
func sample(u []vec, w, h, top int, y, x float32) vec {
	y, x = clamp(y, float32(top), float32(top+h-1)), clamp(x, 0, float32(w-1))
	iy, ix := min(int(y), top+h-2), min(int(x), w-2)
	return between(u, (iy-top)*w+ix, w, y-float32(iy), x-float32(ix))
}

// between is the bilinear value of the four px from index o on, p of a px down and q to the right. The conversions keep a
// compiler from fusing products with sums, so that every processor rounds alike.
func between(u []vec, o, w int, p, q float32) vec {
	a, b := u[o:o+2:o+2], u[o+w:o+w+2:o+w+2]
	w00, w01, w10, w11 := (1-p)*(1-q), (1-p)*q, p*(1-q), p*q
	return vec{
		float32(a[0].y*w00) + float32(a[1].y*w01) + float32(b[0].y*w10) + float32(b[1].y*w11),
		float32(a[0].x*w00) + float32(a[1].x*w01) + float32(b[0].x*w10) + float32(b[1].x*w11),
	}
}

// clamp limits v to lo..hi; NaN becomes lo, so that a broken field cannot index outside the frame.
func clamp(v, lo, hi float32) float32 {
	if v >= hi {
		return hi
	}
	if v > lo {
		return v
	}
	return lo
}
