package drift

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// scene changes two frames of the same sample, of which the second has moved, into what an instrument may deliver.
type scene struct {
	name   string
	change func(rng *rand.Rand, a, b *plane, moved [2]float64)
	needed bool // an answer is needed; else it may be refused, but not be wrong
	never  bool // there is none
}

// overlay puts the same pattern over both frames, amplitude in grey levels; the sample's own deviation is 40.
func overlay(a, b *plane, pattern plane, amplitude float64) {
	f := func(x, y int) float64 { return (pattern.v[y%pattern.h*pattern.w+x] - 128) / 40 * amplitude }
	a.add(f)
	b.add(f)
}

func dataBar(p *plane) {
	rng := rand.New(rand.NewPCG(9, 9))
	for y := p.h * 9 / 10; y < p.h; y++ {
		for x := range p.w {
			p.v[y*p.w+x] = 0
			if y%12 < 8 && rng.IntN(3) == 0 {
				p.v[y*p.w+x] = 255
			}
		}
	}
}

func noise(rng *rand.Rand, p *plane) {
	for i := range p.v {
		p.v[i] = 128 + 30*rng.NormFloat64()
	}
}

func scenes() []scene {
	out := []scene{
		{name: "nothing", change: func(*rand.Rand, *plane, *plane, [2]float64) {}, needed: true},
		{name: "half of the rows black", change: func(_ *rand.Rand, _, b *plane, _ [2]float64) { clear(b.v[len(b.v)/2:]) }},
		{name: "half of the rows old", change: func(_ *rand.Rand, a, b *plane, _ [2]float64) {
			copy(b.v[len(b.v)*6/10:], a.v[len(b.v)*6/10:])
		}},
		{name: "data bar", change: func(_ *rand.Rand, a, b *plane, _ [2]float64) { dataBar(a); dataBar(b) }},
		{name: "data bar under noise", never: true, change: func(rng *rand.Rand, a, b *plane, _ [2]float64) {
			noise(rng, a)
			noise(rng, b)
			dataBar(a)
			dataBar(b)
		}},
		{name: "noise", never: true, change: func(rng *rand.Rand, a, b *plane, _ [2]float64) { noise(rng, a); noise(rng, b) }},
		{name: "blank", never: true, change: func(_ *rand.Rand, a, b *plane, _ [2]float64) { clear(a.v); clear(b.v) }},
		{name: "another sample", never: true, change: func(rng *rand.Rand, _, b *plane, _ [2]float64) { *b = texture(rng, b.w, b.h, 2) }},
		{name: "vertical grating", never: true, change: func(_ *rand.Rand, a, b *plane, m [2]float64) { grating(a, b, 1, 0, m) }},
		{name: "slanted grating", never: true, change: func(_ *rand.Rand, a, b *plane, m [2]float64) { grating(a, b, 0.8, 0, m) }},
		{name: "lattice of waves", change: func(_ *rand.Rand, a, b *plane, m [2]float64) { grating(a, b, 0.8, 1, m) }},
		{name: "lattice of dots", change: func(_ *rand.Rand, a, b *plane, m [2]float64) { grating(a, b, 0.9, 2, m) }},
	}
	for _, strength := range []float64{5, 40} {
		add := func(name string, change func(rng *rand.Rand, a, b *plane)) {
			out = append(out, scene{name: fmt.Sprintf("%s %g", name, strength), needed: strength == 5,
				change: func(rng *rand.Rand, a, b *plane, _ [2]float64) { change(rng, a, b) }})
		}
		add("curtains", func(rng *rand.Rand, a, b *plane) { overlay(a, b, texture(rng, a.w, 1, 1.5), strength) })
		add("fading curtains", func(rng *rand.Rand, a, b *plane) {
			c := texture(rng, a.w, a.h, 1.5)
			for y := 1; y < a.h; y++ {
				for x := range a.w {
					c.v[y*a.w+x] = 128 + (c.v[x]-128)*math.Exp(-float64(y)/100)*(1+0.3*math.Sin(float64(y)/20+c.v[x]))
				}
			}
			overlay(a, b, c, strength)
		})
		add("line noise", func(rng *rand.Rand, a, b *plane) {
			for _, p := range []*plane{a, b} {
				overlay(p, &plane{}, plane{w: p.w, h: p.h, v: lines(rng, p, 0)}, strength)
			}
		})
		add("charging bands", func(rng *rand.Rand, a, b *plane) {
			for _, p := range []*plane{a, b} {
				overlay(p, &plane{}, plane{w: p.w, h: p.h, v: lines(rng, p, 0.95)}, strength)
			}
		})
		add("blotches of the detector", func(rng *rand.Rand, a, b *plane) { overlay(a, b, texture(rng, a.w, a.h, 4), strength) })
		if strength == 5 {
			continue // a fine pattern of that strength outweighs coarse content in most frequencies: needed does not hold
		}
		add("pixels of the detector", func(rng *rand.Rand, a, b *plane) { overlay(a, b, texture(rng, a.w, a.h, 0.4), strength) })
	}
	return out
}

// lines is a value per row, with memory of the row before and fading to the right.
func lines(rng *rand.Rand, p *plane, memory float64) []float64 {
	v := make([]float64, len(p.v))
	last := 0.0
	for y := range p.h {
		last = memory*last + 40*rng.NormFloat64()*math.Sqrt(1-memory*memory)
		for x := range p.w {
			v[y*p.w+x] = 128 + last*math.Exp(-memory*float64(x)/200)
		}
	}
	return v
}

func TestNothingMakesWrongAnswersConfident(t *testing.T) {
	const side = 256
	shifts := [][2]float64{{17, -9}, {0, 0}, {4.5, 3.25}, {0.6, -0.3}, {1.6, 1.3}, {-30.2, 12.4}}
	for _, s := range scenes() {
		for i, sigma := range []float64{3, 20} {
			for j, grain := range []float64{1, 3} {
				for k, d := range shifts {
					if (i+j+k)%few(2, 6) != 0 { // half of the combinations will do
						continue
					}
					rng := rand.New(rand.NewPCG(77, uint64(k)))
					big := texture(rng, side+100, side+100, grain)
					a, b := big.crop(50+d[0]/2, 50+d[1]/2, side, side), big.crop(50-d[0]/2, 50-d[1]/2, side, side)
					s.change(rng, &a, &b, d)
					ref, err := NewReference(a.noisy(rng, 1, 0, sigma), Options{})
					require.NoError(t, err)
					m, err := ref.Measure(b.noisy(rng, 0.9, 5, sigma))
					require.NoError(t, err)
					off := math.Hypot(m.XPx-d[0], m.YPx-d[1])
					about := fmt.Sprintf("%s, moved %v, noise %g, grain %g: %+v", s.name, d, sigma, grain, m)
					switch {
					case m.Success && s.never:
						t.Errorf("should be refused: %s", about)
					case m.Success && off > 1:
						t.Errorf("%.2f px off: %s", off, about)
					case !m.Success && s.needed:
						t.Errorf("refused: %s", about)
					case m.Success == (m.Reason != ""):
						t.Errorf("reason: %s", about)
					}
				}
			}
		}
	}
}
