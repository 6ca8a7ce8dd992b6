package milling

import (
	"math"
)

// light fits the frame's grey levels to the mean's at a shift, on every fourth px of every fourth row.
func (a *anchor) light(x, y float64) (gain, offset float64) {
	w, h := a.mean.w, a.mean.h
	dx, dy := int(math.Round(x)), int(math.Round(y))
	var s moments
	for v := max(0, -dy); v < min(h, h-dy); v += 4 {
		for u := max(0, -dx); u < min(w, w-dx); u += 4 {
			if i := v*w + u; a.weight[i] {
				s.add(a.mean.pix[i], a.cur.pix[(v+dy)*w+u+dx])
			}
		}
	}
	if s.n == 0 {
		return 1, 0
	}
	gain = 1
	if vm := s.mm - s.m*s.m/s.n; vm > 0 {
		gain = min(max((s.mc-s.m*s.c/s.n)/vm, 0.3), 3)
	}
	return gain, (s.c - gain*s.m) / s.n
}

// equations sums, for both sets, the normal equations of a further step from (x, y), and the moments of frame and
// mean there. Each row's mean difference is taken off first: charging and line noise are no shift. Px that differ by
// far more than the others count little (Huber's weights).
func (a *anchor) equations(x, y, gain, offset float64) (sets [2]normal, s moments) {
	w, h := a.mean.w, a.mean.h
	ix, iy := int(math.Floor(x)), int(math.Floor(y))
	fx, fy := float32(x-float64(ix)), float32(y-float64(iy))
	g, o := float32(gain), float32(offset)
	u0, u1 := max(1, -ix), min(w-1, w-1-ix)
	rest, value := make([]float32, w), make([]float32, w)
	var spread, rows float64
	for v := max(1, -iy); v < min(h-1, h-1-iy); v++ {
		upper, lower := a.cur.pix[(v+iy)*w:(v+iy+1)*w], a.cur.pix[(v+iy+1)*w:(v+iy+2)*w]
		mean, use := a.mean.pix[(v-1)*w:(v+2)*w], a.weight[v*w:(v+1)*w]
		var sum, n float32
		for u := u0; u < u1; u++ {
			if !use[u] {
				continue
			}
			value[u] = bilinear(upper[u+ix], upper[u+ix+1], lower[u+ix], lower[u+ix+1], fx, fy)
			rest[u] = value[u] - g*mean[w+u] - o
			sum, n = sum+rest[u], n+1
		}
		if n < leastGuard {
			continue
		}
		sum /= n
		limit := float32(2.5)
		if rows > 0 {
			limit *= float32(spread / rows)
		} else {
			limit = 1
		}
		var apart float32
		for u := u0; u < u1; u++ {
			if !use[u] {
				continue
			}
			r := rest[u] - sum
			apart += abs(r)
			weight := float32(1)
			if m := abs(r); m > limit {
				weight = limit / m
			}
			gx, gy := g*(mean[w+u+1]-mean[w+u-1])/2, g*(mean[2*w+u]-mean[u])/2
			k := &sets[(u/chequerPx+v/chequerPx)&1]
			k.xx += float64(weight * gx * gx)
			k.xy += float64(weight * gx * gy)
			k.yy += float64(weight * gy * gy)
			k.x -= float64(weight * gx * r) // the frame at x+d shows what the mean shows at x: d grows where r falls
			k.y -= float64(weight * gy * r)
			s.add(mean[w+u], value[u]-sum)
		}
		spread, rows = spread+float64(apart/n)*1.25, rows+1
	}
	return sets, s
}

func abs(v float32) float32 {
	if v < 0 {
		return -v
	}
	return v
}
