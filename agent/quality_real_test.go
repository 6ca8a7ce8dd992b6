package agent

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/metrics"
	"github.com/uni-aims/aimsd/stream/decode"
)

// micrograph is the analysed area of a real image, in 8 bits.
type micrograph struct {
	name string
	w, h int
	gray []uint8
	dev  bool // of the half that the limits were set on; the other half is what the test is about
}

// micrographs reads the real images beside the module: one of n, as the names' hashes say, and of the vendors' files all
// if asked to.
func micrographs(t *testing.T, n uint32, vendors bool) []micrograph {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	data := filepath.Join("..", "..", "shared", "data")
	var out []micrograph
	var d decode.Decoder
	globs := []string{"segmentation/*/img/*.png"}
	if vendors {
		globs = append(globs, "vendor/*.tif")
	}
	for _, glob := range globs {
		paths, err := filepath.Glob(filepath.Join(data, glob))
		require.NoError(t, err)
		if len(paths) == 0 {
			t.Skip("no real images beside the module in ../shared/data: nothing is known of quality on them")
		}
		for _, path := range paths {
			hash := fnv.New32a()
			_, _ = hash.Write([]byte(filepath.Base(path)))
			sum := hash.Sum32() >> 4
			if sum/2%n != 0 && !strings.Contains(path, "vendor") {
				continue
			}
			f, err := d.Frame(t.Context(), path, 0)
			require.NoError(t, err)
			area := ScalePolicy{}.Resolve(f).Area
			image := area.image(f)
			m := micrograph{name: filepath.Base(path), w: area.X1 - area.X0, h: area.Y1 - area.Y0, dev: sum%2 == 0}
			for y := area.Y0; y < area.Y1; y++ {
				for x := area.X0; x < area.X1; x++ {
					if image.Gray8 != nil {
						m.gray = append(m.gray, image.Gray8[y*f.Width+x])
					} else {
						m.gray = append(m.gray, uint8(image.Gray16[y*f.Width+x]>>8))
					}
				}
			}
			f.Release()
			out = append(out, m)
		}
	}
	return out
}

func (m micrograph) flags() []string {
	return metrics.Look(m.gray, nil, m.w, m.h, metrics.Rect{}).Flags
}

// with returns the picture with every pixel replaced.
func (m micrograph) with(f func(x, y int) float64) micrograph {
	out := m
	out.gray = make([]uint8, len(m.gray))
	for i := range out.gray {
		out.gray[i] = uint8(math.Round(min(max(f(i%m.w, i/m.w), 0), 255)))
	}
	return out
}

func (m micrograph) at(x, y int) float64 {
	return float64(m.gray[min(max(y, 0), m.h-1)*m.w+min(max(x, 0), m.w-1)])
}

// noise is the picture's own, in grey levels.
func (m micrograph) noise() float64 {
	if n := metrics.Look(m.gray, nil, m.w, m.h, metrics.Rect{}).Noise; n != nil {
		return 255 * *n
	}
	return 0
}

func (m micrograph) convolved(kernel []float64, down bool) micrograph {
	r := len(kernel) / 2
	padded, stride := make([]float64, 0, (m.w+2*r)*(m.h+2*r)), m.w+2*r
	for y := -r; y < m.h+r; y++ {
		for x := -r; x < m.w+r; x++ {
			padded = append(padded, m.at(x, y))
		}
	}
	start, step := r*stride, 1 // of the kernel, from the pixel's own place in the padded picture less r columns
	if down {
		start, step = r, stride
	}
	return m.with(func(x, y int) float64 {
		sum := 0.0
		for i, k := range kernel {
			sum += k * padded[y*stride+x+start+i*step]
		}
		return sum
	})
}

// noisy adds noise as the detector would after the optics had their part.
func (m micrograph) noisy(sigma float64, rng *rand.Rand) micrograph {
	return m.with(func(x, y int) float64 { return m.at(x, y) + sigma*rng.NormFloat64() })
}

func gaussianKernel(sigma float64) []float64 {
	r := int(3*sigma + 1)
	k, sum := make([]float64, 2*r+1), 0.0
	for i := range k {
		k[i] = math.Exp(-float64((i-r)*(i-r)) / (2 * sigma * sigma))
		sum += k[i]
	}
	for i := range k {
		k[i] /= sum
	}
	return k
}

func boxKernel(n int) []float64 { return slices.Repeat([]float64{1 / float64(n)}, n) }

// stripes is a profile of standard deviation 1 whose power falls as 1 over the frequency, as curtaining's does.
func stripes(w int, rng *rand.Rand) []float64 {
	v := make([]float64, w)
	for k := max(1, w/128); k <= w/4; k++ {
		a, phase := math.Sqrt(1/float64(k)), rng.Float64()*2*math.Pi
		for x := range v {
			v[x] += a * math.Sin(2*math.Pi*float64(k)*float64(x)/float64(w)+phase)
		}
	}
	square := 0.0
	for _, x := range v {
		square += x * x / float64(w)
	}
	for x := range v {
		v[x] /= math.Sqrt(square)
	}
	return v
}

func (m micrograph) curtained(amplitude float64, rng *rand.Rand) micrograph {
	profile, lean := stripes(2*m.w, rng), (rng.Float64()-0.5)*0.3
	fade := stripes(2*m.h, rng)
	return m.with(func(x, y int) float64 {
		at := int(float64(x)+lean*float64(y)) + m.w/2
		return m.at(x, y) + amplitude*profile[min(max(at, 0), 2*m.w-1)]*(1+0.2*fade[y])
	})
}

// charged adds bands of up to 20 rows to 5 % of the rows, half of them beginning within a row and running to its end.
func (m micrograph) charged(amplitude float64, rng *rand.Rand) micrograph {
	offset := make([][2]float64, m.h) // and the column from which it holds
	for rows := 0; rows < m.h/20; {
		y0, n, sign := rng.IntN(m.h-20), 1+rng.IntN(20), 1.
		if rng.IntN(3) == 0 {
			sign = -1
		}
		x0 := 0
		if rng.IntN(2) == 0 {
			x0 = rng.IntN(m.w / 2)
		}
		for y := y0; y < y0+n; y++ {
			offset[y] = [2]float64{sign * amplitude, float64(x0)}
		}
		rows += n
	}
	return m.with(func(x, y int) float64 {
		if o := offset[y]; float64(x) >= o[1] {
			return m.at(x, y) + o[0]
		}
		return m.at(x, y)
	})
}

// interrupted replaces the rows from a share of the height on.
func (m micrograph) interrupted(from float64, fill func(x, last int) float64) micrograph {
	last := int(from*float64(m.h)) - 1
	return m.with(func(x, y int) float64 {
		if y > last {
			return fill(x, last)
		}
		return m.at(x, y)
	})
}

// Real micrographs are nearly all good: few are flagged, and these were looked at (docs/specs/020-image-quality.md). The
// half that the limits were not set on is counted.
func TestQualityFlagsFewRealMicrographs(t *testing.T) {
	flagged, n := map[string]int{}, 0
	for _, m := range micrographs(t, 6, true) {
		if m.dev {
			continue
		}
		n++
		for _, f := range m.flags() {
			flagged[f]++
			t.Logf("%s: %s", m.name, f)
		}
	}
	t.Logf("of %d: %v", n, flagged)
	for flag, most := range map[string]float64{
		metrics.FlagBlank: 0, metrics.FlagIncomplete: 0, metrics.FlagCharging: 0, metrics.FlagBlurred: 0.02, metrics.FlagCurtaining: 0.02, metrics.FlagSaturated: 0.1,
	} {
		require.LessOrEqual(t, float64(flagged[flag]), most*float64(n), flag)
	}
}

// What is done to real micrographs is found, the more surely the stronger it is.
func TestQualityFindsWhatIsDoneToRealMicrographs(t *testing.T) {
	all := slices.DeleteFunc(micrographs(t, 16, false), func(m micrograph) bool { return m.dev || m.w*m.h > 1<<19 })
	require.NotEmpty(t, all)
	try := func(flag, name string, least float64, apply func(m micrograph, rng *rand.Rand) micrograph) {
		found := 0
		for i, m := range all {
			if slices.Contains(apply(m, rand.New(rand.NewPCG(uint64(i), 7))).flags(), flag) {
				found++
			}
		}
		t.Logf("%-10s %-18s %d of %d", flag, name, found, len(all))
		require.GreaterOrEqual(t, float64(found), least*float64(len(all)), "%s, %s", flag, name)
	}
	for _, from := range []float64{0.95, 0.4} {
		try(metrics.FlagIncomplete, fmt.Sprintf("black from %g", from), 0.9, func(m micrograph, _ *rand.Rand) micrograph {
			return m.interrupted(from, func(int, int) float64 { return 0 })
		})
		try(metrics.FlagIncomplete, fmt.Sprintf("grey from %g", from), 0.9, func(m micrograph, _ *rand.Rand) micrograph {
			return m.interrupted(from, func(int, int) float64 { return 128 })
		})
		try(metrics.FlagIncomplete, fmt.Sprintf("line from %g", from), 0.9, func(m micrograph, _ *rand.Rand) micrograph {
			return m.interrupted(from, func(x, last int) float64 { return m.at(x, last) })
		})
	}
	for sigma, least := range map[float64]float64{4: 0, 6: 0.5, 8: 0.6} {
		try(metrics.FlagBlurred, fmt.Sprintf("gauss %g px", sigma), least, func(m micrograph, rng *rand.Rand) micrograph {
			k := gaussianKernel(sigma)
			return m.convolved(k, false).convolved(k, true).noisy(m.noise(), rng)
		})
	}
	try(metrics.FlagBlurred, "motion 25 px", 0.3, func(m micrograph, rng *rand.Rand) micrograph {
		return m.convolved(boxKernel(25), rng.IntN(2) == 0).noisy(m.noise(), rng)
	})
	for a, least := range map[float64]float64{10: 0.5, 20: 0.65, 40: 0.75} {
		try(metrics.FlagCharging, fmt.Sprintf("bands %g levels", a), least, func(m micrograph, rng *rand.Rand) micrograph { return m.charged(a, rng) })
	}
	for a, least := range map[float64]float64{10: 0.25, 20: 0.55} {
		try(metrics.FlagCurtaining, fmt.Sprintf("stripes %g levels", a), least, func(m micrograph, rng *rand.Rand) micrograph { return m.curtained(a, rng) })
	}
	try(metrics.FlagSaturated, "a third white", 1, func(m micrograph, _ *rand.Rand) micrograph {
		sorted := slices.Sorted(slices.Values(m.gray))
		gain := 256 / max(1, float64(sorted[len(sorted)*2/3]))
		return m.with(func(x, y int) float64 { return gain * m.at(x, y) })
	})
}

// Two acquisitions of one scene are two, however little their noise; a copy is one, its clock changed or not.
func TestFrozenOfRealMicrographs(t *testing.T) {
	for i, m := range micrographs(t, 48, false) {
		rng := rand.New(rand.NewPCG(uint64(i), 8))
		sigma := max(1, m.noise())
		print8 := func(m micrograph) metrics.Print { return metrics.PrintOf(m.gray, nil, m.w, m.h, metrics.Rect{}) }
		first, second := m.noisy(sigma, rng), m.noisy(sigma, rng)
		clock := first.with(func(x, y int) float64 {
			if x < 60 && y < 12 {
				return float64(x * y % 256)
			}
			return first.at(x, y)
		})
		require.True(t, print8(m).Same(print8(m)), m.name)
		require.True(t, print8(clock).Same(print8(first)), m.name)
		require.False(t, print8(second).Same(print8(first)), m.name)
	}
}
