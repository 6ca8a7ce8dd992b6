package metrics

import (
	"math"
	"runtime"
	"slices"
)

// rowParts is the number of parts that a row is cut into: what happens to a row as a whole happens in all of them,
// what happens to an object does not.
const rowParts = 8

// rowSamples is the most pixels of a row that are looked at.
const rowSamples = 300

// rows holds what the rows of a picture look like, in parts from left to right.
type rows struct {
	n       int
	active  [][rowParts]float32 // share of pixels that differ from what lies between their neighbours in the row
	changed [][rowParts]float32 // share of pixels that differ from the row above; the first row's is the second's
	step    [][rowParts]float32 // mean difference from the row above, objects' edges clipped
	clipped []bool              // rows that are all black or all white
}

// noise returns the standard deviation of the noise in grey levels; NaN where nearly all is clipped.
func (p picture[T]) noise() float64 {
	w, h := p.area.X1-p.area.X0, p.area.Y1-p.area.Y0
	values := make([]float64, 0, noiseSamples)
	full := p.levels - 1
	spread(noiseSamples, w, h, func(x, y int) {
		if x < 1 || x >= w-1 || y < 1 || y >= h-1 {
			return
		}
		a, b, c := p.row(y - 1)[x-1:][:3], p.row(y)[x-1:][:3], p.row(y + 1)[x-1:][:3]
		for _, r := range [][]T{a, b, c} {
			for _, g := range r {
				if g == 0 || int(g) == full {
					return
				}
			}
		}
		v := int(a[0]) - 2*int(a[1]) + int(a[2]) - 2*int(b[0]) + 4*int(b[1]) - 2*int(b[2]) + int(c[0]) - 2*int(c[1]) + int(c[2])
		values = append(values, math.Abs(float64(v)))
	})
	return gaussian(values) / 6
}

// noiseSamples is the number of pixels that the noise is taken from.
const noiseSamples = 8192

// spread calls f at n places within w by h that lie evenly but without a pattern of their own.
func spread(n, w, h int, f func(x, y int)) {
	for i := range n {
		// The generalised golden ratio in two dimensions.
		u, v := float64(i+1)*0.7548776662466927, float64(i+1)*0.5698402909980532
		f(int((u-math.Floor(u))*float64(w)), int((v-math.Floor(v))*float64(h)))
	}
}

// gaussian returns the standard deviation of a normal distribution whose magnitudes are given, from the smaller three
// quarters: structure makes the larger ones. It sorts them. NaN for fewer than minSide.
func gaussian(magnitudes []float64) float64 {
	if len(magnitudes) < minSide {
		return math.NaN()
	}
	slices.Sort(magnitudes)
	sum, n := 0.0, len(magnitudes)*3/4
	for _, v := range magnitudes[:n] {
		sum += v
	}
	return sum / float64(n) / 0.51478 // the mean of |x| below its upper quartile, for sigma 1
}

// rows looks at all rows, in at most rowSamples pixels each.
func (p picture[T]) rows() *rows {
	w, h := p.area.X1-p.area.X0, p.area.Y1-p.area.Y0
	across, down := make([]float64, 0, noiseSamples), make([]float64, 0, noiseSamples)
	spread(noiseSamples, w, h, func(x, y int) {
		if x < 1 || x >= w-1 || y < 1 {
			return
		}
		r := p.row(y)
		across = append(across, math.Abs(float64(2*int(r[x])-int(r[x-1])-int(r[x+1]))))
		down = append(down, math.Abs(float64(int(r[x])-int(p.row(y - 1)[x]))))
	})
	still := int(0.05 * gaussian(across)) // so little is not noise but, say, dither
	clip := max(1, int(4*gaussian(down)))

	r := &rows{n: h, active: make([][rowParts]float32, h), changed: make([][rowParts]float32, h), step: make([][rowParts]float32, h),
		clipped: make([]bool, h)}
	stride := (w - 2 + rowSamples - 1) / rowSamples
	bands := min(runtime.GOMAXPROCS(0), max(1, h/128))
	parallel(bands, func(b int) {
		for y := h * b / bands; y < h*(b+1)/bands; y++ {
			row, above := p.row(y), p.row(max(y-1, 0))
			r.clipped[y] = row[w/2] == 0 || int(row[w/2]) == p.levels-1
			for part := range rowParts {
				x0, x1 := 1+(w-2)*part/rowParts, 1+(w-2)*(part+1)/rowParts
				active, changed, sum, n := 0, 0, 0, 0
				for x := x0; x < x1; x += stride {
					g := int(row[x])
					bend := 2*g - int(row[x-1]) - int(row[x+1])
					if bend > still || bend < -still {
						active++
					}
					d := g - int(above[x])
					if d != 0 {
						changed++
					}
					sum += min(max(d, -clip), clip)
					n++
				}
				r.clipped[y] = r.clipped[y] && active == 0
				r.active[y][part] = float32(active) / float32(n)
				r.changed[y][part] = float32(changed) / float32(n)
				r.step[y][part] = float32(sum) / float32(n)
			}
		}
	})
	r.changed[0] = r.changed[1] // there is none above the first row
	return r
}

func mean(parts *[rowParts]float32) float64 {
	sum := float32(0)
	for _, v := range parts {
		sum += v
	}
	return float64(sum) / rowParts
}

// size returns the mean magnitude.
func size(parts *[rowParts]float32) float64 {
	sum := 0.0
	for _, v := range parts {
		sum += math.Abs(float64(v))
	}
	return sum / rowParts
}

// A row with fewer active or changed pixels is dead; the others of a picture have this many at least if noise, not
// smoothness, tells the two apart.
const (
	deadShare = 0.01
	liveShare = 0.25
)

// dead returns the number of dead rows at the upper and the lower border. A row is dead if it is constant or smooth, or
// equal to the one above. Only an interrupted scan ends at once for the whole width, while the
// rows before it are as noisy as any: otherwise the run is a dark background, a clipped layer or a smooth picture.
func (r *rows) dead() (top, bottom int) {
	top, bottom = r.deadRun(1), r.deadRun(-1)
	if top+bottom >= r.n {
		return 0, 0
	}
	return top, bottom
}

// deadRun returns the number of rows not scanned at the upper (dir 1) or lower (dir -1) border.
func (r *rows) deadRun(dir int) int {
	at := func(i int) int { // the row i rows inside the border
		if dir > 0 {
			return i
		}
		return r.n - 1 - i
	}
	dead := func(i int, share [][rowParts]float32) bool { return mean(&share[at(i)]) < deadShare }
	run := 0
	for _, share := range [][][rowParts]float32{r.active, r.changed} {
		n := 0
		for n < r.n && dead(n, share) {
			n++
		}
		if n <= run || n > r.n-livingRows {
			continue
		}
		if r.endsAtOnce(at, n) {
			run = n
		}
	}
	return run
}

// livingRows are the rows beside a run of dead ones that are compared: the first three with the others.
const livingRows = 16

// alive returns the shares of pixels with noise: both across and down.
func (r *rows) alive(y int) (share [rowParts]float32) {
	for part := range share {
		share[part] = min(r.active[y][part], r.changed[y][part])
	}
	return share
}

// endsAtOnce tells whether the row after n dead ones is as alive as those farther in, in all parts.
func (r *rows) endsAtOnce(at func(i int) int, n int) bool {
	var near, far [rowParts]float32
	usualStep := 0.
	for i := range livingRows {
		if i > 0 {
			usualStep += size(&r.step[at(n+i)]) / (livingRows - 1)
		}
		for part, v := range r.alive(at(n + i)) {
			if i < 3 {
				near[part] += v / 3
			} else {
				far[part] += v / (livingRows - 3)
			}
		}
	}
	shares := make([]float64, 0, r.n)
	for i := n; i < r.n; i++ {
		share := r.alive(at(i))
		if v := mean(&share); v >= deadShare {
			shares = append(shares, v)
		}
	}
	if len(shares) == 0 {
		return false
	}
	slices.Sort(shares)
	usual := shares[len(shares)/2]
	if usual < liveShare || mean(&far) < usual/2 {
		return false
	}
	if r.clipped[at(n-1)] && size(&r.step[max(at(n-1), at(n))]) < 1.5*usualStep {
		return false // a slope that has come to black or white
	}
	alive, still := 0, 0
	for part := range rowParts {
		if far[part] >= 0.1 {
			alive++
			if near[part] >= far[part]/2 {
				still++
			}
		}
	}
	return alive >= rowParts/2 && still*8 >= alive*7
}
