package drift

import (
	"hash/fnv"
	"image"
	_ "image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "golang.org/x/image/tiff"
)

// plane is a grey image of continuous values.
type plane struct {
	w, h int
	v    []float64
}

// sources are the real frames of one half of the data, by set. Files are halved by a hash of their name.
func sources(t testing.TB, half uint32) map[string][]plane {
	root := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(root); err != nil {
		t.Skip("SKIPPED: no real frames in ../shared/data; the accuracy on real frames is not checked")
	}
	out := map[string][]plane{}
	add := func(set, pattern string) {
		files, _ := filepath.Glob(filepath.Join(root, pattern))
		slices.Sort(files)
		for _, file := range files {
			h := fnv.New32a()
			h.Write([]byte(filepath.Base(file)))
			if h.Sum32()>>7&1 != half {
				continue
			}
			if p, ok := load(file); ok {
				out[set] = append(out[set], p)
			}
		}
	}
	for _, set := range []string{"emps", "ampis_powder", "axondeepseg_sem", "nasa_super", "fib25_slices", "isbi2012_cells"} {
		add(set, filepath.Join("segmentation", set, "img", "*.png"))
	}
	add("vendor", filepath.Join("vendor", "*.tif"))
	return out
}

func load(file string) (plane, bool) {
	f, err := os.Open(file)
	if err != nil {
		return plane{}, false
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		return plane{}, false
	}
	b := img.Bounds()
	p := plane{w: b.Dx(), h: b.Dy(), v: make([]float64, b.Dx()*b.Dy())}
	if strings.Contains(file, "vendor") {
		p.h = p.h * 85 / 100 // without the data bar
	}
	top := 0.0
	grey, isGrey := img.(*image.Gray)
	for y := range p.h {
		for x := range p.w {
			if isGrey {
				p.v[y*p.w+x] = float64(grey.Pix[y*grey.Stride+x])
			} else {
				r, g, bl, _ := img.At(b.Min.X+x, b.Min.Y+y).RGBA()
				p.v[y*p.w+x] = float64(r+g+bl) / 3 / 257
			}
			top = max(top, p.v[y*p.w+x])
		}
	}
	for i := range p.v {
		p.v[i] *= 255 / max(top, 1)
	}
	return p, true
}

const reach = 6 // of the Lanczos kernel

func lanczos(f float64) (k [2 * reach]float64) {
	var sum float64
	for i := range k {
		x := float64(i-reach+1) - f
		k[i] = 1
		if math.Abs(x) > 1e-9 {
			k[i] = math.Sin(math.Pi*x) / (math.Pi * x) * math.Sin(math.Pi*x/reach) / (math.Pi * x / reach)
		}
		sum += k[i]
	}
	for i := range k {
		k[i] /= sum
	}
	return k
}

// crop is n x m values at x0, y0, in between pixels where those are not whole. It needs reach px around it.
func (p *plane) crop(x0, y0 float64, n, m int) plane {
	ix, iy := int(math.Floor(x0)), int(math.Floor(y0))
	kx, ky := lanczos(x0-float64(ix)), lanczos(y0-float64(iy))
	tmp := make([]float64, n*(m+2*reach))
	for y := range m + 2*reach {
		line := p.v[(iy+y-reach+1)*p.w+ix-reach+1:]
		for x := range n {
			for i, k := range kx {
				tmp[y*n+x] += k * line[x+i]
			}
		}
	}
	out := plane{w: n, h: m, v: make([]float64, n*m)}
	for y := range m {
		for i, k := range ky {
			for x := range n {
				out.v[y*n+x] += k * tmp[(y+i)*n+x]
			}
		}
	}
	return out
}

// noisy is the plane as 8 bits with noise whose deviation is sigma at mid-grey and goes as the root of the value.
func (p *plane) noisy(rng *rand.Rand, gain, offset, sigma float64) Image {
	img := Image{Width: p.w, Height: p.h, Gray8: make([]uint8, len(p.v))}
	for i, v := range p.v {
		v = v*gain + offset
		v += rng.NormFloat64() * sigma * math.Sqrt(max(v, 4)/128)
		img.Gray8[i] = uint8(max(0, min(255, math.Round(v))))
	}
	return img
}

// pair is two frames and the shift between them.
type pair struct {
	set         string
	first, next Image
	x, y        float64
	sigma       float64
	what        string // where the changed content is from: the same image elsewhere, or another
}

const changedShare = 0.3

// realPairs makes n pairs as a milling run makes them: shifted by parts of a pixel, noise of each its own, 30 % of the second
// replaced by other content, brightness and contrast changed.
func realPairs(from map[string][]plane, n int, seed uint64, small bool, each func(pair)) {
	rng := rand.New(rand.NewPCG(seed, 2))
	names := make([]string, 0, len(from))
	for name := range from {
		names = append(names, name)
	}
	slices.Sort(names)
	for n > 0 {
		set := names[rng.IntN(len(names))]
		p := from[set][rng.IntN(len(from[set]))]
		side := []int{256, 256, 320, 384, 512}[rng.IntN(5)]
		limit := 15.0
		if rng.IntN(5) == 0 {
			limit = 60
		}
		if small {
			limit = 1.5
		}
		d, a := limit*math.Sqrt(rng.Float64()), rng.Float64()*2*math.Pi
		x, y := d*math.Cos(a), d*math.Sin(a)
		room := 2*reach + 2
		for side+int(d)+2+room > min(p.w, p.h) && side > 160 {
			side -= 32
		}
		if d > float64(side)/4-2 || side+int(d)+2+room > min(p.w, p.h) {
			continue
		}
		cx := float64(reach) + max(0, x) + rng.Float64()*(float64(p.w-side-2*reach-1)-math.Abs(x))
		cy := float64(reach) + max(0, y) + rng.Float64()*(float64(p.h-side-2*reach-1)-math.Abs(y))
		cx, cy = math.Floor(cx), math.Floor(cy)
		dx, dy := math.Round(x), math.Round(y)
		fx, fy := x-dx, y-dy
		ok := func(v float64, size int) bool { return v >= reach && v+float64(side)+reach+1 < float64(size) }
		if !ok(cx-1, p.w) || !ok(cy-1, p.h) || !ok(cx-dx-1, p.w) || !ok(cy-dy-1, p.h) {
			continue
		}
		one := p.crop(cx+fx/2, cy+fy/2, side, side)
		two := p.crop(cx-dx-fx/2, cy-dy-fy/2, side, side)
		if deviationOf(one.v) < 8 {
			continue
		}
		what := "same"
		other := p
		if rng.IntN(2) == 0 {
			what = "other"
			o := names[rng.IntN(len(names))]
			other = from[o][rng.IntN(len(from[o]))]
		}
		paste(rng, &two, other, changedShare)
		sigma := []float64{2, 5, 10, 20, 40}[rng.IntN(5)]
		n--
		each(pair{
			set: set, x: x, y: y, sigma: sigma, what: what,
			first: one.noisy(rng, 1, 0, sigma),
			next:  two.noisy(rng, 0.7+0.6*rng.Float64(), 40*rng.Float64()-20, sigma),
		})
	}
}

// paste replaces a share of the area, a rectangle somewhere, by content from elsewhere.
func paste(rng *rand.Rand, dst *plane, from plane, share float64) {
	aspect := math.Exp(rng.Float64()*1.4 - 0.7)
	w := min(dst.w, int(math.Sqrt(share*aspect)*float64(dst.w)))
	h := min(dst.h, int(share*float64(dst.w*dst.h)/float64(w)))
	x0, y0 := rng.IntN(dst.w-w+1), rng.IntN(dst.h-h+1)
	sx, sy := rng.IntN(max(1, from.w-w)), rng.IntN(max(1, from.h-h))
	for y := range h {
		for x := range w {
			dst.v[(y0+y)*dst.w+x0+x] = from.v[(sy+y)%from.h*from.w+(sx+x)%from.w]
		}
	}
}

func deviationOf(v []float64) float64 {
	var one, two float64
	for _, x := range v {
		one += x
		two += x * x
	}
	n := float64(len(v))
	return math.Sqrt(max(0, two/n-one*one/n/n))
}
