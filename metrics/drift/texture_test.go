package drift

import (
	"math"
	"math/rand/v2"
)

// texture is noise smoothed to blobs of about size px, with deviation 40 around 128.
func texture(rng *rand.Rand, w, h int, size float64) plane {
	p := plane{w: w, h: h, v: make([]float64, w*h)}
	for i := range p.v {
		p.v[i] = rng.NormFloat64()
	}
	p.blur(size)
	d := deviationOf(p.v)
	for i := range p.v {
		p.v[i] = 128 + 40*p.v[i]/d
	}
	return p
}

func (p *plane) blur(sigma float64) {
	r := int(3*sigma) + 1
	k := make([]float64, 2*r+1)
	var sum float64
	for i := range k {
		k[i] = math.Exp(-float64((i-r)*(i-r)) / 2 / sigma / sigma)
		sum += k[i]
	}
	tmp := make([]float64, len(p.v))
	for y := range p.h {
		for x := range p.w {
			for i, f := range k {
				tmp[y*p.w+x] += f / sum * p.v[y*p.w+(x+i-r+p.w)%p.w]
			}
		}
	}
	clear(p.v)
	for y := range p.h {
		for i, f := range k {
			s := (y + i - r + p.h) % p.h
			for x := range p.w {
				p.v[y*p.w+x] += f / sum * tmp[s*p.w+x]
			}
		}
	}
}

func (p *plane) add(f func(x, y int) float64) {
	for y := range p.h {
		for x := range p.w {
			p.v[y*p.w+x] += f(x, y)
		}
	}
}

// grating replaces the content by a periodic one that moved as far: b's content is where the global shift says.
func grating(a, b *plane, tilt float64, kind int, moved [2]float64) {
	s, c := math.Sin(math.Acos(tilt)), tilt
	value := func(x, y float64) float64 {
		u, v := math.Cos(2*math.Pi*(c*x+s*y)/11), math.Cos(2*math.Pi*(c*y-s*x)/11)
		switch kind {
		case 0:
			return 128 + 60*u
		case 1:
			return 128 + 30*u + 30*v
		}
		return 128 + 100*max(0, u+v-1)
	}
	a.add(func(x, y int) float64 { return value(float64(x), float64(y)) - a.v[y*a.w+x] })
	b.add(func(x, y int) float64 { return value(float64(x)-moved[0], float64(y)-moved[1]) - b.v[y*b.w+x] })
}
