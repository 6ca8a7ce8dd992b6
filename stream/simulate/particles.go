package simulate

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
)

// Range is an interval from which each frame draws one value, uniformly. Min = Max fixes the value.
type Range struct{ Min, Max float64 }

func (r Range) draw(rng *rand.Rand) float64 { return r.Min + (r.Max-r.Min)*rng.Float64() }

// Particles is a scene of shaded particles, single and in touching clusters, on a textured substrate, as a
// secondary-electron detector shows them. Fields left zero take the default named beside them.
type Particles struct {
	Width, Height int // px of the whole file, information panel included; MinSide..MaxSide
	Seed          uint64
	Bits          int  // per pixel, 8 (default) or 16
	NoPanel       bool // leaves out the information panel, and with it the scale bar

	NmPerPx   Range   // pixel size, 2..10
	MedianPx  float64 // median of the log-normal equivalent circular diameters, 58 px
	GSD       float64 // their geometric standard deviation, 1.35
	MinPx     float64 // smallest diameter, 22 px
	MaxPx     float64 // largest diameter, 160 px
	PerMpx    Range   // particles per 2^20 px of image area, 100..170
	Count     int     // so many particles instead, as far as they find room; many are smaller, see crowd. 0: PerMpx
	Touching  Range   // share of particles in touching clusters, 0.3..0.6
	Isolated  bool    // no clusters at all, whatever Touching says
	Contrast  Range   // body of a particle minus substrate, of full scale, 0.2..0.34
	Electrons Range   // detected per px at full scale; their shot noise is the image's noise, 130..400
	SpotPx    Range   // standard deviation of the beam spot, 0.6..1.05 px
	NoCharge  bool    // leaves out charging: bright particles with streaks along the scan, bright bands
}

// Diameters by default, px.
const (
	medianPx = 58.0
	minPx    = 22.0
	maxPx    = 160.0
)

// Name implements Scene.
func (*Particles) Name() string { return "particles" }

// Validate reports a field that is out of range, and the range.
func (p *Particles) Validate() error {
	_, err := p.resolve()
	return err
}

// resolve fills in defaults and checks what was given.
func (p *Particles) resolve() (Particles, error) {
	r := *p
	if err := checkSize(r.Width, r.Height, &r.Bits); err != nil {
		return r, err
	}
	if err := checkRanges([]ranged{
		{"nm per px", &r.NmPerPx, Range{2, 10}, 1e-3, 1e6},
		{"particles per Mpx", &r.PerMpx, Range{100, 170}, 0, 1e5},
		{"touching share", &r.Touching, Range{0.3, 0.6}, 0, 1},
		{"contrast", &r.Contrast, Range{0.2, 0.34}, 0, 1},
		{"electrons per px", &r.Electrons, Range{130, 400}, 1, 1e9},
		{"beam spot", &r.SpotPx, Range{0.6, 1.05}, 0.1, 20},
	}); err != nil {
		return r, err
	}
	if err := r.crowd(r.imageRows()); err != nil {
		return r, err
	}
	for _, f := range []struct {
		v   *float64
		def float64
	}{{&r.MedianPx, medianPx}, {&r.GSD, 1.35}, {&r.MinPx, minPx}, {&r.MaxPx, maxPx}} {
		if *f.v == 0 {
			*f.v = f.def
		}
	}
	if !(r.GSD >= 1 && r.GSD <= 5) {
		return r, fmt.Errorf("geometric standard deviation %g: out of range; give 1 to 5", r.GSD)
	}
	least := 8.0
	if r.Count > 0 {
		least = leastSize
	}
	if !(r.MinPx >= least && r.MinPx <= r.MedianPx && r.MedianPx <= r.MaxPx && r.MaxPx <= 2048) {
		return r, fmt.Errorf("diameters %g <= %g <= %g px (least, median, largest): out of order or range; give %g to 2048", r.MinPx, r.MedianPx, r.MaxPx, least)
	}
	return r, nil
}

// imageRows is the height of the image above the panel, px.
func (p *Particles) imageRows() int {
	if p.NoPanel {
		return p.Height
	}
	return p.Height - panelRows(p.Height)
}

// look is what one frame draws from its ranges: the sample's and the instrument's conditions.
type look struct {
	Particles

	perMpx, touching, charging float64
	nmPerPx                    float64
	substrate, contrast        float32 // of full scale
	edge                       float32 // brightening of grazing surfaces, relative
	side                       float32 // share of light from the detector's side
	lightX, lightY             float32 // unit vector toward the detector
	tiltX, tiltY               float32 // slow shading across the frame, of full scale
	seamPx, seam               float32 // width and depth of the dark gap between touching particles
	shadow                     float32 // darkening of the substrate beside particles
	spot                       float64 // px
	dose                       float32 // electrons per px at full scale
	ground, skin               []octave
	noiseSeed, lineSeed        uint64
	jitter                     float32 // line-to-line brightness
}

// look draws the conditions of frame index, and returns the generator for what follows.
func (p Particles) look(index, rows int) (look, *rand.Rand) {
	key := mix(p.Seed ^ mix(uint64(int64(index))))
	rng := rand.New(rand.NewPCG(key, mix(key)))
	l := look{Particles: p}
	l.nmPerPx = pixelSize(rng, p.NmPerPx, p.Width)
	l.perMpx = p.PerMpx.draw(rng)
	l.touching = p.Touching.draw(rng)
	if p.Isolated {
		l.touching = 0
	}
	l.charging = 0.02 + 0.03*rng.Float64()
	if p.NoCharge {
		l.charging = 0
	}
	f := func(lo, hi float64) float32 { return float32(lo + (hi-lo)*rng.Float64()) }
	l.substrate, l.contrast = f(0.17, 0.3), float32(p.Contrast.draw(rng))
	l.edge, l.side = f(0.45, 0.85), f(0.06, 0.16)
	s, c := math.Sincos(rng.Float64() * 2 * math.Pi)
	l.lightX, l.lightY = float32(c), float32(s)
	s, c = math.Sincos(rng.Float64() * 2 * math.Pi)
	slope := float64(f(0.01, 0.035))
	l.tiltX, l.tiltY = float32(c*slope*2/float64(p.Width)), float32(s*slope*2/float64(rows))
	l.seamPx, l.seam, l.shadow = f(3.5, 5), f(0.55, 0.7), f(0.25, 0.45)
	l.spot, l.dose = p.SpotPx.draw(rng), float32(p.Electrons.draw(rng))
	l.ground = octaves(rng.Uint64(), 6, 90+60*rng.Float64(), 0.016+0.014*rng.Float64(), 0.85)
	l.skin = octaves(rng.Uint64(), 3, 7+5*rng.Float64(), 0.05+0.05*rng.Float64(), 0.85)
	l.noiseSeed, l.lineSeed, l.jitter = rng.Uint64(), rng.Uint64(), f(0.002, 0.006)
	return l, rng
}

// diameter draws an equivalent circular diameter, px; values outside the limits are drawn again.
func (l look) diameter(rng *rand.Rand) float64 {
	for range 1000 {
		d := l.MedianPx * math.Exp(math.Log(l.GSD)*rng.NormFloat64())
		if d >= l.MinPx && d <= l.MaxPx {
			return d
		}
	}
	return l.MedianPx
}

// Frame implements Scene. It uses all cores. What it returns holds 5 bytes per px (6 with 16 bits); besides
// that it needs a few bands of rows per core.
func (p *Particles) Frame(ctx context.Context, index int) (*Frame, error) {
	r, err := p.resolve()
	if err != nil {
		return nil, err
	}
	fr := &Frame{Name: frameName(r.Name(), r.Seed, index), Width: r.Width, Height: r.Height, ImageRows: r.imageRows()}
	fr.Labels = make([]int32, r.Width*r.Height)
	if r.Bits == 16 {
		fr.Gray16 = make([]uint16, r.Width*r.Height)
	} else {
		fr.Gray8 = make([]uint8, r.Width*r.Height)
	}
	l, rng := r.look(index, fr.ImageRows)
	bodies := place(rng, r.Width, fr.ImageRows, l)
	streaks := charge(rng, r.Width, fr.ImageRows, l, bodies)
	if err := paint(ctx, fr, l, bodies, streaks); err != nil {
		return nil, err
	}
	found, err := tidy(ctx, fr, len(bodies))
	if err != nil {
		return nil, err
	}
	fr.Truth = newTruth(fr, r.Name(), r.Seed, index, l.nmPerPx, found)
	in := newInstrument(rng, fr, l.nmPerPx, index)
	fr.Header = in.header()
	if !r.NoPanel {
		if fr.Truth.Bar, err = in.drawPanel(fr); err != nil {
			return nil, err
		}
	}
	return fr, nil
}
