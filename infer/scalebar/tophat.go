package scalebar

// topHat is what stands out of the ground by being thin: the window's grey levels, turned so that text is bright,
// less their opening with a square of 2r+1 px. Particles behind the text vanish, strokes stay.
func (p *plane) topHat(win box, bright bool, r int) *plane {
	w, h := win.w(), win.h()
	v := &plane{w: w, h: h, pix: make([]uint8, w*h)}
	for y := range h {
		dst := v.row(y)
		for x, k := range p.row(win.y0 + y)[win.x0:win.x1] {
			if !bright {
				k = 255 - k
			}
			dst[x] = k
		}
	}
	o := v.filter(r, func(a, b uint8) uint8 { return min(a, b) })
	o = o.filter(r, func(a, b uint8) uint8 { return max(a, b) })
	for k, x := range o.pix {
		v.pix[k] -= min(x, v.pix[k])
	}
	return v
}

// filter takes pick over squares of 2r+1 px, cut at the borders.
func (p *plane) filter(r int, pick func(a, b uint8) uint8) *plane {
	rows := &plane{w: p.w, h: p.h, pix: make([]uint8, len(p.pix))}
	for y := range p.h {
		src, dst := p.row(y), rows.row(y)
		for x := range dst {
			m := src[x]
			for _, k := range src[max(0, x-r):min(p.w, x+r+1)] {
				m = pick(m, k)
			}
			dst[x] = m
		}
	}
	out := &plane{w: p.w, h: p.h, pix: make([]uint8, len(p.pix))}
	for y := range p.h {
		dst := out.row(y)
		copy(dst, rows.row(y))
		for k := max(0, y-r); k < min(p.h, y+r+1); k++ {
			for x, v := range rows.row(k) {
				dst[x] = pick(dst[x], v)
			}
		}
	}
	return out
}
