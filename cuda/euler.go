package cuda

import "context"

// EulerSteps is how many steps of one px the reference mode walks, as Cellpose does (Stringer et al. 2021).
const EulerSteps = 200

// euler is square's reference: it walks every foreground pixel Params.Euler steps along the flow of one step, bilinear,
// positions clamped to the frame, and writes the whole way to out. It takes some ten times as long.
func (h *Host) euler(ctx context.Context, f Field, fg *rowRuns, u, out []vec) error {
	w := f.Width
	h.rows(f.Height, func(y0, y1 int) {
		if ctx.Err() != nil {
			return
		}
		for y := y0; y < y1; y++ {
			for _, r := range fg.row(y) {
				for x := int(r.x0); x < int(r.x1); x++ {
					from := vec{float32(y + f.Top), float32(x)}
					at := from
					for range h.Params.Euler {
						s := sample(u, w, f.Height, f.Top, at.y, at.x)
						at = vec{clamp(at.y+s.y, float32(f.Top), float32(f.Top+f.Height-1)), clamp(at.x+s.x, 0, float32(w-1))}
					}
					out[y*w+x] = vec{at.y - from.y, at.x - from.x}
				}
			}
		}
	})
	return ctx.Err()
}
