package drift

import (
	"math"
	"slices"
)

const (
	notch          = 1    // multiples of the lowest frequency along an axis that do not count: straight stripes
	capCoherence   = 0.95 // above it the model is what is wrong, not the noise
	rounds         = 3    // of weighing the tiles
	floorCoherence = 0.01 // no band is silent altogether
)

// fine refines a shift on tiles of the full frame that are cut where the shift says the content went.
type fine struct {
	*layout
	taper   []float64
	band    []uint8 // of each frequency of a tile; skip: it does not count
	refs    [][]complex128
	energy  []float64            // of each reference tile; 0: it does not count
	power   [][tileBands]float64 // of each reference tile, mean per band
	members [tileBands]float64   // frequencies of each band
	fx, fy  []float64            // radians per px
}

const (
	tileBands = 24
	skip      = 255
)

// tileScratch belongs to one worker.
type tileScratch struct {
	fft    *transform
	pixels []float64
}

// fineScratch is what one measurement of a fine writes to.
type fineScratch struct {
	tiles   []tileScratch
	spectra [][]complex128
	energy  []float64 // 0: the tile does not count
	power   [][tileBands]float64
	weight  []float64
	pools   [3]pool // the two sets, and all
	votes   []vote
	sorted  []float64
	order   []weighted
}

func (l *layout) newFineScratch(workers int) *fineScratch {
	n, k := l.columns*l.rows, (l.tile/2+1)*l.tile
	s := &fineScratch{
		tiles: make([]tileScratch, workers), spectra: make([][]complex128, n), energy: make([]float64, n),
		weight: make([]float64, n), power: make([][tileBands]float64, n), votes: make([]vote, n), sorted: make([]float64, 0, n),
	}
	for w := range s.tiles {
		s.tiles[w] = tileScratch{fft: newTransform(l.tile, l.tile, 1), pixels: make([]float64, l.tile*l.tile)}
	}
	for i := range s.pools {
		s.pools[i] = pool{
			cross: make([]complex128, k), ref: make([]float64, k), new: make([]float64, k), scale: make([]float64, k), coherent: make([]complex128, k),
			spectrum: make([]complex128, k), surface: make([]float64, l.tile*l.tile), fft: newTransform(l.tile, l.tile, 1),
			ex: make([]complex128, l.tile/2+1), ey: make([]complex128, l.tile),
		}
	}
	return s
}

// newFine prepares the reference.
func newFine(l *layout, img *Image, s *fineScratch) *fine {
	f := &fine{layout: l, taper: make([]float64, l.tile)}
	for i := range f.taper {
		f.taper[i] = math.Sin(math.Pi * (float64(i) + 0.5) / float64(l.tile))
		f.taper[i] *= f.taper[i]
	}
	n, half := l.tile, l.tile/2+1
	f.band = make([]uint8, half*n)
	f.fx, f.fy = make([]float64, half), make([]float64, n)
	for i := range f.band {
		x, y := i%half, i/half
		if y > n/2 {
			y -= n
		}
		f.fx[i%half], f.fy[i/half] = 2*math.Pi*float64(x)/float64(n), 2*math.Pi*float64(y)/float64(n)
		r := math.Hypot(float64(x), float64(y)) / float64(n/2)
		f.band[i] = uint8(min(r*tileBands, tileBands-1))
		if x <= notch || y <= notch && y >= -notch || x == n/2 || y == n/2 || r >= 1 {
			f.band[i] = skip
		} else {
			f.members[f.band[i]]++
		}
	}
	f.cut(img, 0, 0, l.usable, false, s)
	f.refs, f.energy, f.power = s.spectra, slices.Clone(s.energy), slices.Clone(s.power)
	s.spectra = make([][]complex128, len(f.refs))
	return f
}

// cut leaves in s the spectra of the tiles of an image, moved by dx, dy px, and their energies. Tiles whose reference has none
// are left out, unless the reference is being made; with some, so are three of four.
func (f *fine) cut(img *Image, dx, dy int, usable []float64, some bool, s *fineScratch) {
	n, half := f.tile, f.tile/2+1
	parallel(len(s.tiles), len(s.spectra), func(w, t int) {
		s.energy[t] = 0
		x0, y0, _ := f.corner(t)
		x0, y0 = x0+dx, y0+dy
		if f.refs != nil && f.energy[t] == 0 || some && (t%f.columns%4 > 1 || t/f.columns%4 > 1) {
			return
		}
		if !f.pixels(s.tiles[w].pixels, img, x0, y0, usable) {
			return
		}
		if s.spectra[t] == nil {
			s.spectra[t] = make([]complex128, n*half)
		}
		s.tiles[w].fft.forward(s.spectra[t], s.tiles[w].pixels)
		var energy float64
		s.power[t] = [tileBands]float64{}
		for i, v := range s.spectra[t] {
			if b := f.band[i]; b != skip {
				s.power[t][b] += real(v)*real(v) + imag(v)*imag(v)
			}
		}
		for b, n := range f.members {
			energy += s.power[t][b]
			s.power[t][b] /= max(n, 1)
		}
		if energy > 1e-6 { // a grey level less than that is rounding
			s.energy[t] = energy
		}
	})
}

// pixels fills px with a tile less its mean, tapered; what is outside the area or not usable is 0. False: too much is.
func (f *fine) pixels(px []float64, img *Image, x0, y0 int, usable []float64) bool {
	n := f.tile
	cx0, cx1 := max(x0, f.area.X0), min(x0+n, f.area.X1)
	cy0, cy1 := max(y0, f.area.Y0), min(y0+n, f.area.Y1)
	if cx0 >= cx1 || cy0 >= cy1 || float64((cx1-cx0)*(cy1-cy0)) < (1-overlapLost)*float64(n*n) {
		return false
	}
	clear(px)
	known := 0
	var sum float64
	for y := cy0; y < cy1; y++ {
		line := px[(y-y0)*n+cx0-x0 : (y-y0)*n+cx1-x0]
		img.row(line, cx0, y)
		for x, v := range line {
			if usable != nil && !f.isUsable(cx0+x, y, usable) {
				line[x] = math.NaN()
				continue
			}
			sum += v
			known++
		}
	}
	if float64(known) < (1-overlapLost)*float64(n*n) {
		return false
	}
	mean := sum / float64(known)
	for y := cy0; y < cy1; y++ {
		line := px[(y-y0)*n : (y-y0+1)*n]
		for x := cx0 - x0; x < cx1-x0; x++ {
			v := (line[x] - mean) * f.taper[x] * f.taper[y-y0]
			if v != v {
				v = 0
			}
			line[x] = v
		}
	}
	return true
}

func (f *fine) isUsable(x, y int, usable []float64) bool {
	x, y = min((x-f.area.X0)/f.scale, f.width-1), min((y-f.area.Y0)/f.scale, f.height-1)
	return usable[y*f.width+x] > 0
}
