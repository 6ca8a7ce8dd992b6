package simulate

import (
	"context"
	"math"
	"math/rand/v2"
)

// run is what all frames of one run share.
type run struct {
	Milling
	rows    int
	nmPerPx float64
	pattern pattern
	front   front
	surface surface
	trench  trench
	drift   drift
	faults  faults
	spot    float64 // px
	dose    float32 // electrons per px at full scale
	jitter  float32 // of lines along the scan, px

	flicker             float32 // line-to-line brightness
	tiltX, tiltY        float32 // slow shading across the frame, of full scale per px
	fades, shifts       float64 // slow change of contrast and brightness
	period              float64 // of it, frames
	seed                uint64  // of what differs from frame to frame
	settings            uint64  // of the instrument
	chargeAmp, darkness float32
}

// newRun draws a run's conditions. Every draw is made whatever the fields, so that one field changes one thing.
func newRun(s Milling) *run {
	key := mix(s.Seed ^ 0x6d696c6c696e67)
	rng := rand.New(rand.NewPCG(key, mix(key)))
	sub := func() *rand.Rand { return rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())) }
	f := func(lo, hi float64) float64 { return lo + (hi-lo)*rng.Float64() }
	r := &run{Milling: s, rows: s.imageRows()}
	r.nmPerPx = pixelSize(sub(), s.NmPerPx, s.Width)
	r.pattern = newPattern(sub(), s)
	r.front = newFront(sub(), s, r.pattern)
	r.surface = newSurface(sub(), s, r.pattern)
	r.trench = newTrench(sub(), s, r.pattern, r.surface.light)
	r.drift = newDrift(sub(), s)
	r.faults = newFaults(sub(), s)
	r.spot, r.dose, r.jitter = s.SpotPx.draw(rng), float32(s.Electrons.draw(rng)), float32(s.LineJitterPx.draw(rng))
	r.flicker = float32(f(0.002, 0.012))
	sin, cos := math.Sincos(f(0, 2*math.Pi))
	slope := f(0.01, 0.05)
	r.tiltX, r.tiltY = float32(cos*slope*2/float64(s.Width)), float32(sin*slope*2/float64(r.rows))
	r.fades, r.shifts, r.period = f(0.02, 0.12), f(0.01, 0.06), f(40, 150)
	r.seed, r.settings = rng.Uint64(), rng.Uint64()
	r.chargeAmp, r.darkness = float32(f(0.04, 0.18)), float32(f(0.01, 0.04))
	return r
}

// view is one frame of a run.
type view struct {
	*run
	index, dose      int
	position         float64 // of the front, px from the starting edge
	outline          *outline
	driftX, driftY   float64
	fault            fault
	gain, brightness float32
	noiseSeed        uint64
	streaks          []streak
}

// view looks at the sample in frame index, after dose beam-on frames.
func (r *run) view(index, dose int) *view {
	v := &view{run: r, index: index, dose: dose, position: r.front.position(dose), fault: r.faults.of(index)}
	v.outline = r.trench.outline(r.pattern, v.position, r.front.line(v.position))
	v.driftX, v.driftY = r.drift.at(index)
	t := float64(index) / r.period
	v.gain = float32(1 + r.fades*wave(r.seed, t))
	v.brightness = float32(r.shifts * wave(r.seed+1, 1.3*t))
	v.noiseSeed = mix(r.seed ^ mix(uint64(int64(index))))
	if v.fault.charging {
		v.streaks = v.charge()
	}
	return v
}

// charge draws a frame's bands, and streaks that begin at the trench and go on along the scan.
func (v *view) charge() []streak {
	rng := rand.New(rand.NewPCG(v.noiseSeed, mix(v.noiseSeed)))
	p := v.pattern
	amp := func() float32 {
		a := v.chargeAmp * float32(0.4+0.8*rng.Float64())
		if rng.Float64() < 0.35 {
			a *= -0.8
		}
		return a
	}
	var s []streak
	for range 1 + rng.IntN(3) {
		s = append(s, streak{
			y: float32(rng.Float64() * float64(v.rows)), half: float32(2 + 0.03*rng.Float64()*float64(v.rows)), x: float32(-v.Width),
			length: float32(math.Inf(1)), amp: 0.7 * amp(),
		})
	}
	for range rng.IntN(6) {
		s = append(s, streak{
			y: float32(p.top + v.driftY + (p.bottom-p.top)*rng.Float64()), half: float32(1 + 5*rng.Float64()), x: float32(p.right + v.driftX),
			length: float32((0.1 + 0.3*rng.Float64()) * float64(v.Width)), amp: amp(),
		})
	}
	return s
}

// paint renders the image area of fr and its labels, band by band.
func (v *view) paint(ctx context.Context, fr *Frame) error {
	k := kernel(math.Hypot(v.spot, v.fault.blur))
	halo := len(k) - 1
	bands := (fr.ImageRows + bandRows - 1) / bandRows
	return inParallel(ctx, bands, func() *slab { return newSlab(fr.Width, bandRows+2*halo) }, func(b *slab, i int) {
		y0, y1 := i*bandRows, min((i+1)*bandRows, fr.ImageRows)
		b.y0, b.y1 = max(y0-halo, 0), min(y1+halo, fr.ImageRows)
		for y := b.y0; y < b.y1; y++ {
			b.expose(v, y)
		}
		for y := y0; y < y1; y++ {
			b.blurColumns(b.row, y, k)
			blurRow(b.ground, b.row, k)
			v.develop(fr, b.ground, y)
			v.label(fr, y)
		}
	})
}

// slab is one worker's rows of a milling frame.
type slab struct {
	band
	granules []float32 // one row
}

func newSlab(width, rows int) *slab {
	s := &slab{band: band{width: width}, granules: make([]float32, width)}
	s.signal = make([]float32, width*rows)
	s.row, s.ground = make([]float32, width), make([]float32, width)
	return s
}

// origin is the point of the sample that the first pixel's centre of image row y shows.
func (v *view) origin(y int) (x, yy float64) { return 0.5 - v.driftX, float64(y) + 0.5 - v.driftY }

// expose writes the signal of image row y, before the spot's blur.
func (b *slab) expose(v *view, y int) {
	signal := b.signal[(y-b.y0)*b.width : (y-b.y0+1)*b.width]
	x, yy := v.origin(y)
	x += float64(v.jitter * gauss(v.noiseSeed+2, y, 0))
	v.surface.row(signal, b.row, float32(x), float32(yy))
	if v.position > 0 {
		v.mill(signal, b.granules, x, yy)
	}
}

// mill draws the trench, and its halo, into the row that begins at the sample's point (x, y).
func (v *view) mill(signal, granules []float32, x, y float64) {
	t, level := &v.trench, v.surface.level
	from, to := v.span(x, y, 5*float64(t.haloPx), len(signal))
	if from >= to {
		return
	}
	clear(granules[from:to])
	for _, o := range t.granules {
		o.addAt(granules[from:to], float32(x+float64(from)), float32(y))
	}
	a, c := v.pattern.place(x, y)
	da, dc := float32(v.pattern.alongX), float32(v.pattern.acrossX)
	grown := 1 - fade(float32(v.position)/40)
	for i := from; i < to; i++ {
		along, across := float32(a)+da*float32(i), float32(c)+dc*float32(i)
		w := v.outline.at(along, across)
		d, side := w.inside()
		s := signal[i]
		if d < 0.5 {
			s = t.beside(s, level, w.outside(), grown)
		}
		if d > -0.5 {
			s += min(d+0.5, 1) * (t.floor(v.outline, w, max(d, 0), along, across, level, granules[i]) - s)
		}
		if d > -8 && d < 12 {
			s += level * t.line(d, side, w)
		}
		signal[i] = s
	}
}

// span is the part from..to-1 of a row of n pixels, which begins at the sample's point (x, y), that lies within
// reach of the trench.
func (v *view) span(x, y, reach float64, n int) (from, to int) {
	p := v.pattern
	reach += max(v.position-p.length, 0) + lineMargin // beyond the far edge
	if p.apart(p.left, y) > reach {
		return 0, 0
	}
	return max(int(p.left-reach-x), 0), min(int(p.right+reach-x)+1, n)
}

// develop turns row y's signal into grey values.
func (v *view) develop(fr *Frame, signal []float32, y int) {
	if float64(y) >= v.fault.interruptedAt*float64(fr.ImageRows) {
		write(fr, y, v.fault.rest)
		return
	}
	if v.fault.blank {
		for x := range signal {
			signal[x] = v.darkness
		}
		detect(fr, signal, y, v.run.dose, v.noiseSeed)
		return
	}
	line := 1 + v.flicker*gauss(v.noiseSeed+1, y, 0)
	cx, cy := float32(fr.Width)/2, float32(fr.ImageRows)/2
	for x, s := range signal {
		signal[x] = (0.4+(s-0.4)*v.gain+v.brightness)*line + v.tiltX*(float32(x)-cx) + v.tiltY*(float32(y)-cy)
	}
	for _, s := range v.streaks {
		s.add(signal, y)
	}
	detect(fr, signal, y, v.run.dose, v.noiseSeed)
}

// write fills row y of fr with one value, of full scale.
func write(fr *Frame, y int, value float64) {
	for i := y * fr.Width; i < (y+1)*fr.Width; i++ {
		if fr.Gray16 != nil {
			fr.Gray16[i] = uint16(value*65535 + 0.5)
		} else {
			fr.Gray8[i] = uint8(value*255 + 0.5)
		}
	}
}

// label writes row y of the labels: 1 where the pixel's centre lies in the trench.
func (v *view) label(fr *Frame, y int) {
	if v.position <= 0 {
		return
	}
	x, yy := v.origin(y)
	a, c := v.pattern.place(x, yy)
	row := fr.Labels[y*fr.Width : (y+1)*fr.Width]
	from, to := v.span(x, yy, 0, len(row))
	for i := from; i < to; i++ {
		along, across := float32(a+v.pattern.alongX*float64(i)), float32(c+v.pattern.acrossX*float64(i))
		if d, _ := v.outline.at(along, across).inside(); d > 0 {
			row[i] = 1
		}
	}
}
