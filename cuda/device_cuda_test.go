//go:build cuda

package cuda_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/cuda"
)

// openGPU opens the machine's GPU and skips the test where there is none.
func openGPU(t testing.TB, p cuda.Params) *cuda.Device {
	t.Helper()
	d, err := cuda.OpenDevice(p)
	if err != nil {
		t.Skipf("WARNING: THE GPU IS NOT TESTED: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func TestDeviceConforms(t *testing.T) {
	conform(t, func(p cuda.Params) cuda.Dynamics {
		d := openGPU(t, p)
		t.Log(d.Name())
		return d
	})
}

func TestChooseTakesTheGPUOrSaysWhyNot(t *testing.T) {
	d, why, err := cuda.Choose(cuda.DefaultParams(), cuda.ProviderAuto, func(err error) { t.Error(err) })
	require.NoError(t, err)
	t.Log(why)
	device, none := cuda.OpenDevice(cuda.DefaultParams())
	if none != nil {
		require.Equal(t, "cpu: "+none.Error(), why)
		_, _, err = cuda.Choose(cuda.DefaultParams(), cuda.ProviderCUDA, nil)
		require.EqualError(t, err, "cuda: "+none.Error())
		return
	}
	require.NoError(t, device.Close())
	require.Regexp(t, "^cuda: .+, driver for CUDA [0-9]+", why)
	f, _ := cuda.Discs(150, 120, 30, 1, 1)
	want, err := (&cuda.Host{Params: cuda.DefaultParams()}).Labels(t.Context(), f)
	require.NoError(t, err)
	got, err := d.Labels(t.Context(), f)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, d.(*cuda.Fallback).Close())
}

// TestDeviceOpensAgain: opening and closing leaks no device memory.
func TestDeviceOpensAgain(t *testing.T) {
	f, _ := cuda.Discs(700, 500, 100, 1, 1)
	for range 5 {
		d := openGPU(t, cuda.DefaultParams())
		_, err := d.Labels(t.Context(), f)
		require.NoError(t, err)
		require.NoError(t, d.Close())
	}
}

// BenchmarkDevice8K is a frame of 8192x8192 px, copies in and out included, which are shown apart too. Its first
// frame, which takes the memory, is not timed.
func BenchmarkDevice8K(b *testing.B) { benchmarkDevice(b, 8, false) }

// BenchmarkDevice8KEach waits after every launch and so shows what each kernel takes; the sum is more than
// BenchmarkDevice8K's.
func BenchmarkDevice8KEach(b *testing.B) { benchmarkDevice(b, 8, true) }

// BenchmarkDevice1K is a frame of 1024x1024 px.
func BenchmarkDevice1K(b *testing.B) { benchmarkDevice(b, 1, false) }

func benchmarkDevice(b *testing.B, k int, each bool) {
	openGPU(b, cuda.DefaultParams())
	var s *stopwatch
	d, err := cuda.OpenDeviceOn(cuda.DefaultParams(), func() (cuda.GPU, error) {
		begin := time.Now()
		gpu, err := cuda.OpenGPU()
		b.Logf("opened, kernels loaded in %.1f ms", ms(time.Since(begin)))
		s = &stopwatch{GPU: gpu, each: each}
		return s, err
	})
	require.NoError(b, err)
	defer d.Close()
	f := tiled(1024, k)
	seg, err := d.Labels(b.Context(), f)
	require.NoError(b, err)
	b.Logf("%s: %d objects", d.Name(), len(seg.Objects))
	s.spent = map[string]time.Duration{}
	b.SetBytes(int64(len(f.Dy)))
	frames := 0
	for b.Loop() {
		if _, err := d.Labels(b.Context(), f); err != nil {
			b.Fatal(err)
		}
		frames++
	}
	for name, spent := range s.spent {
		b.ReportMetric(ms(spent)/float64(frames), name+"-ms")
	}
}

func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }

// stopwatch sums up where the time of frames goes: into copies, and into kernels, which are waited for all
// together when the first number is read back, or one by one.
type stopwatch struct {
	cuda.GPU
	each  bool
	base  uint64 // memory that may be read
	spent map[string]time.Duration
}

func (s *stopwatch) add(name string, begin time.Time) {
	if s.spent != nil {
		s.spent[name] += time.Since(begin)
	}
}

func (s *stopwatch) Upload(to uint64, from []byte) error {
	if s.base == 0 {
		s.base = to
	}
	defer s.add("in", time.Now())
	return s.GPU.Upload(to, from)
}

func (s *stopwatch) Download(to []byte, from uint64) error {
	name := "kernels"
	if len(to) > 1<<20 {
		name = "out"
	}
	defer s.add(name, time.Now())
	return s.GPU.Download(to, from)
}

func (s *stopwatch) Launch(kernel string, items int, args ...uint64) error {
	name := "kernels"
	if s.each {
		name = kernel
	}
	defer s.add(name, time.Now())
	if err := s.GPU.Launch(kernel, items, args...); err != nil || !s.each {
		return err
	}
	var wait [4]byte
	return s.GPU.Download(wait[:], s.base)
}

// tiled is a field of discs of side px repeated k times in both directions.
func tiled(side, k int) cuda.Field {
	one, _ := cuda.Discs(side, side, 1500, 2, 1)
	f := blank(side*k, side*k)
	for y := range side * k {
		from, to := y%side*side, y*side*k
		for x := range k {
			copy(f.Dy[to+x*side:][:side], one.Dy[from:])
			copy(f.Dx[to+x*side:][:side], one.Dx[from:])
			copy(f.Logit[to+x*side:][:side], one.Logit[from:])
			copy(f.Size[to+x*side:][:side], one.Size[from:])
		}
	}
	return f
}
