package cuda_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/uni-aims/aimsd/cuda"
	"github.com/uni-aims/aimsd/cuda/hostemu"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// emulated is a GPU that is none; the kernel named broken fails on it.
type emulated struct {
	*hostemu.Machine
	broken string
}

func (e *emulated) Name() string { return "emulation" }

func (e *emulated) Launch(kernel string, items int, args ...uint64) error {
	if kernel == e.broken {
		return errors.New("launch failed")
	}
	return e.Machine.Launch(kernel, items, args...)
}

func openEmulated(t *testing.T, p cuda.Params, e *emulated) *cuda.Device {
	t.Helper()
	d, err := cuda.OpenDeviceOn(p, func() (cuda.GPU, error) { return e, nil })
	require.NoError(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func TestADeviceServesManyAndGivesItsMemoryBack(t *testing.T) {
	e := &emulated{Machine: &hostemu.Machine{}}
	d := openEmulated(t, cuda.DefaultParams(), e)
	require.Equal(t, "emulation", d.Name())
	f, _ := cuda.Discs(150, 120, 30, 1, 1)
	want, err := (&cuda.Host{Params: cuda.DefaultParams()}).Labels(t.Context(), f)
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			got, err := d.Labels(t.Context(), f)
			if err != nil || len(got.Objects) != len(want.Objects) {
				t.Errorf("%v, %d objects", err, len(got.Objects))
			}
		})
	}
	wg.Wait()
	kept := e.Used()
	require.Positive(t, kept)
	got, err := d.Labels(t.Context(), f)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, kept, e.Used(), "memory is kept from frame to frame")

	require.NoError(t, d.Close())
	require.NoError(t, d.Close())
	require.Zero(t, e.Used())
	_, err = d.Labels(t.Context(), f)
	var device *cuda.DeviceError
	require.ErrorAs(t, err, &device)
	require.ErrorContains(t, err, "closed")
}

func TestAFieldThatDoesNotFitIsRefusedWithTheSizes(t *testing.T) {
	f, _ := cuda.Discs(300, 200, 20, 1, 1)
	d := openEmulated(t, cuda.DefaultParams(), &emulated{Machine: &hostemu.Machine{Bytes: 2e6}})
	_, err := d.Labels(t.Context(), f)
	var device *cuda.DeviceError
	require.ErrorAs(t, err, &device)
	require.ErrorContains(t, err, "a field of 300x200 px needs 2.2 MB of device memory, 2.0 MB are free")
	small, _ := cuda.Discs(100, 90, 20, 1, 1)
	_, err = d.Labels(t.Context(), small)
	require.NoError(t, err)
}

func TestABadFieldIsNoFailureOfTheDevice(t *testing.T) {
	d := openEmulated(t, cuda.DefaultParams(), &emulated{Machine: &hostemu.Machine{}})
	_, err := d.Labels(t.Context(), cuda.Field{Width: 1, Height: 9})
	require.ErrorContains(t, err, "1x9")
	var device *cuda.DeviceError
	require.NotErrorAs(t, err, &device)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f, _ := cuda.Discs(64, 64, 5, 1, 1)
	_, err = d.Labels(ctx, f)
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorAs(t, err, &device)
}

func TestADeviceThatDoesNotOpenLeavesNothingBehind(t *testing.T) {
	_, err := cuda.OpenDeviceOn(cuda.DefaultParams(), func() (cuda.GPU, error) { return nil, errors.New("no driver") })
	var device *cuda.DeviceError
	require.ErrorAs(t, err, &device)
	require.EqualError(t, err, "no driver")
}

func TestAFrameThatTheDeviceFailsIsDoneByTheHost(t *testing.T) {
	f, _ := cuda.Discs(150, 120, 30, 1, 1)
	host := &cuda.Host{Params: cuda.DefaultParams()}
	want, err := host.Labels(t.Context(), f)
	require.NoError(t, err)
	for _, kernel := range []string{"flow_start", "union_merge", "object_sum"} {
		var told []error
		d := &cuda.Fallback{
			First:  openEmulated(t, cuda.DefaultParams(), &emulated{Machine: &hostemu.Machine{}, broken: kernel}),
			Second: host,
			Failed: func(err error) { told = append(told, err) },
		}
		got, err := d.Labels(t.Context(), f)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Len(t, told, 1)
		require.EqualError(t, told[0], kernel+": launch failed")
		_, err = d.Labels(t.Context(), cuda.Field{})
		require.Error(t, err)
		require.Len(t, told, 1, "a bad field is the caller's")
		require.NoError(t, d.Close())
	}
}

func TestChooseRefusesAnUnknownProvider(t *testing.T) {
	_, _, err := cuda.Choose(cuda.DefaultParams(), "opencl", nil)
	require.ErrorContains(t, err, `"opencl"; there are auto, cpu and cuda`)
	d, why, err := cuda.Choose(cuda.DefaultParams(), cuda.ProviderCPU, nil)
	require.NoError(t, err)
	require.IsType(t, &cuda.Host{}, d)
	require.Equal(t, "cpu: as configured", why)
}
