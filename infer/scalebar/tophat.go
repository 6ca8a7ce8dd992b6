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
	o := v.erode(r)
	o.invert()
	o = o.erode(r)
	o.invert()
	for k, x := range o.pix {
		v.pix[k] -= min(x, v.pix[k])
	}
	return v
}

func (p *plane) invert() {
	for k, v := range p.pix {
		p.pix[k] = 255 - v
	}
}

// erode takes the minimum over squares of 2r+1 px; the border's pixels repeat. Minima over 2, 4, 8, ... pixels
// are built from one another, and the last two overlap.
func (p *plane) erode(r int) *plane {
	n := 2*r + 1
	out := &plane{w: p.w, h: p.h, pix: make([]uint8, len(p.pix))}
	line := make([]uint8, p.w+2*r)
	for y := range p.h {
		src := p.row(y)
		for k := range r {
			line[k], line[r+p.w+k] = src[0], src[p.w-1]
		}
		copy(line[r:], src)
		slide(line, n, 1)
		copy(out.row(y), line)
	}
	column := make([]uint8, (p.h+2*r)*p.w)
	for y := range p.h + 2*r {
		copy(column[y*p.w:], out.row(min(max(y-r, 0), p.h-1)))
	}
	slide(column, n, p.w)
	copy(out.pix, column)
	return out
}

// slide replaces v[k] by the minimum of v[k], v[k+step], ..., n of them, as far as they go.
func slide(v []uint8, n, step int) {
	have := 1
	for have < n {
		by := min(have, n-have)
		ahead := v[by*step:]
		for k, x := range ahead {
			v[k] = min(v[k], x)
		}
		have += by
	}
}
