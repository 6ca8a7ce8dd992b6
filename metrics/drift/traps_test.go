package drift

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
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
func grating(a, b *plane, tilt float64, kind int) {
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

var moved [2]float64

func TestExploreTraps(t *testing.T) {
	type scene struct {
		name string
		do   func(rng *rand.Rand, a, b *plane)
	}
	scenes := []scene{
		{"plain", func(*rand.Rand, *plane, *plane) {}},
		{"white", func(rng *rand.Rand, a, b *plane) {
			a.add(func(int, int) float64 { return rng.NormFloat64() * 60 })
			b.add(func(int, int) float64 { return rng.NormFloat64() * 60 })
		}},
	}
	for _, amp := range []float64{5, 10, 20, 40, 80} {
		scenes = append(scenes,
			scene{fmt.Sprintf("curtains %g", amp), func(rng *rand.Rand, a, b *plane) {
				c := texture(rng, a.w, 1, 1.5)
				f := func(x, y int) float64 { return (c.v[x] - 128) / 40 * amp }
				a.add(f)
				b.add(f)
			}},
			scene{fmt.Sprintf("curtains fading %g", amp), func(rng *rand.Rand, a, b *plane) {
				c := texture(rng, a.w, 1, 1.5)
				f := func(x, y int) float64 {
					return (c.v[x] - 128) / 40 * amp * math.Exp(-float64(y)/100) * (1 + 0.3*math.Sin(float64(y)/20+c.v[x]))
				}
				a.add(f)
				b.add(f)
			}},
			scene{fmt.Sprintf("fixed pattern %g", amp), func(rng *rand.Rand, a, b *plane) {
				c := texture(rng, a.w, a.h, 0.4)
				f := func(x, y int) float64 { return (c.v[y*a.w+x] - 128) / 40 * amp }
				a.add(f)
				b.add(f)
			}},
			scene{fmt.Sprintf("fixed blotches %g", amp), func(rng *rand.Rand, a, b *plane) {
				c := texture(rng, a.w, a.h, 4)
				f := func(x, y int) float64 { return (c.v[y*a.w+x] - 128) / 40 * amp }
				a.add(f)
				b.add(f)
			}},
			scene{fmt.Sprintf("line noise %g", amp), func(rng *rand.Rand, a, b *plane) {
				for _, p := range []*plane{a, b} {
					for y := range p.h {
						o := rng.NormFloat64() * amp
						for x := range p.w {
							p.v[y*p.w+x] += o
						}
					}
				}
			}},
			scene{fmt.Sprintf("charging %g", amp), func(rng *rand.Rand, a, b *plane) {
				for _, p := range []*plane{a, b} {
					o := 0.0
					for y := range p.h {
						o = o*0.97 + rng.NormFloat64()*amp/4
						for x := range p.w {
							p.v[y*p.w+x] += o * math.Exp(-float64(x)/200)
						}
					}
				}
			}})
	}
	bar := func(a, b *plane) {
		rng := rand.New(rand.NewPCG(9, 9))
		for y := a.h * 9 / 10; y < a.h; y++ {
			for x := range a.w {
				v := 0.0
				if y%12 < 8 && rng.IntN(3) == 0 {
					v = 255
				}
				a.v[y*a.w+x], b.v[y*a.w+x] = v, v
			}
		}
	}
	scenes = append(scenes,
		scene{"half black", func(_ *rand.Rand, a, b *plane) { clear(b.v[len(b.v)/2:]) }},
		scene{"vertical grating", func(_ *rand.Rand, a, b *plane) { grating(a, b, 1, 0) }},
		scene{"slanted grating", func(_ *rand.Rand, a, b *plane) { grating(a, b, 0.8, 0) }},
		scene{"lattice", func(_ *rand.Rand, a, b *plane) { grating(a, b, 0.8, 1) }},
		scene{"dots", func(_ *rand.Rand, a, b *plane) { grating(a, b, 0.9, 2) }},
		scene{"half old", func(_ *rand.Rand, a, b *plane) { copy(b.v[len(b.v)*6/10:], a.v[len(b.v)*6/10:]) }},
		scene{"bar", func(_ *rand.Rand, a, b *plane) { bar(a, b) }},
		scene{"bar over noise", func(rng *rand.Rand, a, b *plane) {
			for i := range a.v {
				a.v[i], b.v[i] = 128+rng.NormFloat64()*30, 128+rng.NormFloat64()*30
			}
			bar(a, b)
		}},
		scene{"noise", func(rng *rand.Rand, a, b *plane) {
			for i := range a.v {
				a.v[i], b.v[i] = 128+rng.NormFloat64()*30, 128+rng.NormFloat64()*30
			}
		}},
		scene{"blank", func(rng *rand.Rand, a, b *plane) {
			for i := range a.v {
				a.v[i], b.v[i] = 128, 128
			}
		}},
		scene{"other", func(rng *rand.Rand, a, b *plane) { *b = texture(rng, b.w, b.h, 2) }},
	)
	for _, sigma := range []float64{2, 20} {
		for _, s := range scenes {
			for _, size := range []int{256} {
				for _, d := range [][2]float64{{17, -9}, {0, 0}, {4.5, 3.25}, {0.6, -0.3}, {1.6, 1.3}, {-2.8, 0.2}} {
					for _, grain := range []float64{1, 3} {
						rng := rand.New(rand.NewPCG(5, uint64(size)))
						big := texture(rng, size+100, size+100, grain)
						a := big.crop(50+d[0]/2, 50+d[1]/2, size, size)
						b := big.crop(50-d[0]/2, 50-d[1]/2, size, size)
						moved = d
						s.do(rng, &a, &b)
						first, next := a.noisy(rng, 1, 0, sigma), b.noisy(rng, 0.9, 5, sigma)
						ref, err := NewReference(first, Options{})
						if err != nil {
							fmt.Println(err)
							continue
						}
						m, _ := ref.Measure(next)
						e := math.Hypot(m.XPx-d[0], m.YPx-d[1])
						note := ""
						if m.Success && e > 1 {
							note = "WRONG"
						} else if m.Success && e > 0.25 {
							note = "poor"
						}
						fmt.Printf("T %-22s sig %2g grain %g d %4.1f,%4.1f err %7.3f ok %-5v %-5s score %.3f dis %.3f z %5.1f ratio %.2f zero %.2f rep %.0f moved %.1f band %.3f %s\n", s.name, sigma, grain, d[0], d[1], e, m.Success, note, m.Score, m.MaxDisagreementPx, m.Debug[0], m.Debug[1], m.Debug[3], m.Debug[9], m.Debug[7], m.Debug[8], m.Reason)
					}
				}
			}
		}
	}
}
