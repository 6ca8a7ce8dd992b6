package simulate

import (
	"context"
	"math"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// bandRows is how many image rows are rendered at a time.
const bandRows = 64

// inParallel calls work(worker state, i) for i in 0..n-1 on all cores, each worker with its own state.
func inParallel[S any](ctx context.Context, n int, state func() S, work func(S, int)) error {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), n) {
		g.Go(func() error {
			s := state()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := ctx.Err(); err != nil {
					return err
				}
				work(s, i)
			}
			return nil
		})
	}
	return g.Wait()
}

// paint renders the image area of fr and its provisional labels (particle number + 1), band by band. Each band
// renders the rows around it too that the beam spot reaches, so that bands need nothing of each other.
func paint(ctx context.Context, fr *Frame, l look, bodies []*particle, streaks []streak) error {
	bands := (fr.ImageRows + bandRows - 1) / bandRows
	k := kernel(l.spot)
	halo := len(k) - 1
	inBand := make([][]int32, bands)
	for i, p := range bodies {
		far := p.reach + p.shadowPx() + float64(halo) + 2
		lo, hi := int(math.Floor((p.y-far)/bandRows)), int(math.Floor((p.y+far)/bandRows))
		for b := max(lo, 0); b <= min(hi, bands-1); b++ {
			inBand[b] = append(inBand[b], int32(i))
		}
	}
	return inParallel(ctx, bands, func() *band { return newBand(fr.Width, bandRows+2*halo) }, func(b *band, i int) {
		y0, y1 := i*bandRows, min((i+1)*bandRows, fr.ImageRows)
		b.reset(max(y0-halo, 0), min(y1+halo, fr.ImageRows))
		for _, n := range inBand[i] {
			b.body(l, bodies[n], n)
		}
		b.compose(l)
		b.expose(fr, l, k, y0, y1, streaks)
	})
}

// band is one worker's rows y0..y1-1 while they are rendered. All slices are width x (y1-y0).
type band struct {
	width, y0, y1 int
	near          []float32 // signed distance to the nearest outline, px, negative inside
	next          []float32 // the same to the second nearest
	glow          []float32 // signal of the nearest particle's surface
	dim           []float32 // what is left of the substrate's signal beside particles
	owner         []int32   // nearest particle
	signal        []float32
	row, ground   []float32 // one row
}

func newBand(width, rows int) *band {
	b := &band{width: width}
	for _, s := range []*[]float32{&b.near, &b.next, &b.glow, &b.dim, &b.signal} {
		*s = make([]float32, width*rows)
	}
	b.owner = make([]int32, width*rows)
	b.row, b.ground = make([]float32, width), make([]float32, width)
	return b
}

func (b *band) reset(y0, y1 int) {
	b.y0, b.y1 = y0, y1
	for i := range (y1 - y0) * b.width {
		b.near[i], b.next[i], b.dim[i] = math.MaxFloat32, math.MaxFloat32, 1
	}
}

// shadowPx is how far a particle darkens the substrate, px.
func (p *particle) shadowPx() float64 { return 4 + 0.45*p.reach }

// body enters particle number n: distances, the shadow beside it, and its shaded surface.
func (b *band) body(l look, p *particle, n int32) {
	reach := p.shadowPx()
	far := p.reach + reach
	y0, y1 := max(int(p.y-far), b.y0), min(int(p.y+far)+1, b.y1)
	x0, x1 := max(int(p.x-far), 0), min(int(p.x+far)+1, b.width)
	gain := p.gain
	if p.charged {
		gain *= 1.2
	}
	for y := y0; y < y1; y++ {
		dy := float64(y) + 0.5 - p.y
		at := (y - b.y0) * b.width
		for x := x0; x < x1; x++ {
			dx := float64(x) + 0.5 - p.x
			rho := math.Sqrt(dx*dx + dy*dy)
			if rho > far {
				continue
			}
			r := p.radius(dx, dy)
			d := float32(rho - r)
			if d > float32(reach) {
				continue
			}
			i := at + x
			if d > 0 {
				u := 1 - d/float32(reach)
				b.dim[i] *= 1 - l.shadow*u*u
			}
			if d >= b.near[i] {
				b.next[i] = min(b.next[i], d)
				continue
			}
			b.next[i], b.near[i], b.owner[i] = b.near[i], d, n
			if d < 1 {
				b.glow[i] = gain * l.surface(p, float32(dx), float32(dy), float32(rho), float32(r))
			}
		}
	}
}

// surface is the secondary-electron signal of p at (dx, dy) from its centre. Height over the substrate is
// r sqrt(1-g) with g between t² (a sphere) and t⁴ (flat-topped), t = rho/r. Grazing surfaces emit more because
// more of the beam's path lies within the escape depth (Reimer 1998, section 4.1), and surfaces that face the detector
// lose fewer electrons.
func (l look) surface(p *particle, dx, dy, rho, r float32) float32 {
	t := min(rho/r, 0.995)
	t2 := t * t
	g := t2 + p.flat*(t2*t2-t2)
	slope := (t + p.flat*(2*t2*t-t)) / float32(math.Sqrt(float64(1-g)))
	nz := 1 / float32(math.Sqrt(float64(1+slope*slope)))
	var facing float32
	if rho > 0 {
		facing = slope * nz * (dx*l.lightX + dy*l.lightY) / rho
	}
	graze := (1 - nz) * (0.35 + 0.65*(1-nz))
	body := l.substrate + l.contrast
	return body * (0.9 + l.edge*graze + l.side*facing)
}

// compose mixes particles, seams and substrate into signal.
func (b *band) compose(l look) {
	for y := b.y0; y < b.y1; y++ {
		at := (y - b.y0) * b.width
		clear(b.ground)
		clear(b.row)
		for _, o := range l.ground {
			o.add(b.ground, y)
		}
		for _, o := range l.skin {
			o.add(b.row, y)
		}
		for x := range b.width {
			i := at + x
			v := (l.substrate + b.ground[x]) * b.dim[i]
			if d := b.near[i]; d < 0.5 {
				s := b.glow[i] * (1 + b.row[x])
				if u := 1 - max(b.next[i], 0)/l.seamPx; u > 0 {
					s *= 1 - l.seam*u*u
				}
				if d > -0.5 {
					c := 0.5 - d
					s = c*s + (1-c)*v
				}
				v = s
			}
			b.signal[i] = v
		}
	}
}

// expose blurs the band by the beam spot, adds slow shading, charging and noise, and writes rows y0..y1-1 of fr.
func (b *band) expose(fr *Frame, l look, k []float32, y0, y1 int, streaks []streak) {
	w := b.width
	cx, cy := float32(w)/2, float32(fr.ImageRows)/2
	for y := y0; y < y1; y++ {
		b.blurColumns(b.row, y, k)
		blurRow(b.ground, b.row, k)
		line := 1 + l.jitter*gauss(l.lineSeed, 0, y)
		for x := range w {
			b.ground[x] = b.ground[x]*line + l.tiltX*(float32(x)-cx) + l.tiltY*(float32(y)-cy)
		}
		for _, s := range streaks {
			s.add(b.ground, y)
		}
		at, in := y*w, (y-b.y0)*w
		for x := range w {
			if b.near[in+x] < 0 {
				fr.Labels[at+x] = b.owner[in+x] + 1
			}
		}
		detect(fr, b.ground, y, l.dose, l.noiseSeed)
	}
}

// detect adds noise to one row's signal (of full scale) and writes it to row y of fr: shot noise of the detected
// electrons, dose per px at full scale, a little of it carried into the next pixel by the amplifier.
func detect(fr *Frame, signal []float32, y int, dose float32, seed uint64) {
	at := y * fr.Width
	before := gauss(seed, -1, y)
	for x, s := range signal {
		now := gauss(seed, x, y)
		v := max(s, 0.002)
		v += float32(math.Sqrt(float64(v/dose))) * (0.96*now + 0.28*before)
		before = now
		v = min(max(v, 0), 1)
		if fr.Gray16 != nil {
			fr.Gray16[at+x] = uint16(v*65535 + 0.5)
		} else {
			fr.Gray8[at+x] = uint8(v*255 + 0.5)
		}
	}
}

// blurColumns writes image row y of the signal, blurred downwards, into dst.
func (b *band) blurColumns(dst []float32, y int, k []float32) {
	w := b.width
	row := func(y int) []float32 {
		y = min(max(y, b.y0), b.y1-1) - b.y0
		return b.signal[y*w : (y+1)*w]
	}
	for x, v := range row(y) {
		dst[x] = k[0] * v
	}
	for i := 1; i < len(k); i++ {
		above, below, c := row(y-i), row(y+i), k[i]
		for x := range dst {
			dst[x] += c * (above[x] + below[x])
		}
	}
}
