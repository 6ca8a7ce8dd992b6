//go:build cuda

package cuda_test

import (
	"testing"

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

// BenchmarkDevice8K is a frame of 8192x8192 px, copies in and out included. Its first frame, which takes the
// memory, is not timed.
func BenchmarkDevice8K(b *testing.B) {
	d := openGPU(b, cuda.DefaultParams())
	f := tiled(1024, 8)
	seg, err := d.Labels(b.Context(), f)
	require.NoError(b, err)
	b.Logf("%s: %d objects", d.Name(), len(seg.Objects))
	b.SetBytes(int64(len(f.Dy)))
	for b.Loop() {
		if _, err := d.Labels(b.Context(), f); err != nil {
			b.Fatal(err)
		}
	}
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
