package cuda

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Providers that Choose knows.
const (
	ProviderAuto = "auto"
	ProviderCPU  = "cpu"
	ProviderCUDA = "cuda"
)

// Choose opens the dynamics for a provider: auto (or empty) takes the GPU when it opens and Host otherwise,
// cpu takes Host, cuda fails without a GPU. why is one line for the log: what was taken and, when auto takes
// Host, the reason. With a GPU the result is a Fallback, which tells failed about every frame that the device
// could not do (failed may be nil). Whoever chose closes the result if it is an io.Closer.
func Choose(p Params, provider string, failed func(error)) (d Dynamics, why string, err error) {
	host := &Host{Params: p}
	if p.Euler > 0 && provider != ProviderCUDA {
		return host, fmt.Sprintf("cpu: the reference mode of %d steps has no kernels", p.Euler), nil
	}
	switch provider {
	case ProviderCPU:
		return host, "cpu: as configured", nil
	case ProviderAuto, "", ProviderCUDA:
	default:
		return nil, "", fmt.Errorf("cuda: no provider %q; there are %s, %s and %s", provider, ProviderAuto, ProviderCPU, ProviderCUDA)
	}
	device, err := OpenDevice(p)
	switch {
	case err == nil:
		return &Fallback{First: device, Second: host, Failed: failed}, "cuda: " + device.Name(), nil
	case provider == ProviderCUDA:
		return nil, "", fmt.Errorf("cuda: %w", err)
	default:
		return host, "cpu: " + err.Error(), nil
	}
}

var _ Dynamics = (*Fallback)(nil)

// Fallback gives a frame to Second when the device of First fails. Both give equal results, so all that is lost
// is time.
type Fallback struct {
	First, Second Dynamics
	Failed        func(error) // told why, on the caller's goroutine; may be nil
}

// Labels implements Dynamics.
func (d *Fallback) Labels(ctx context.Context, f Field) (*Segments, error) {
	out, err := d.First.Labels(ctx, f)
	var device *DeviceError
	if !errors.As(err, &device) {
		return out, err
	}
	if d.Failed != nil {
		d.Failed(err)
	}
	return d.Second.Labels(ctx, f)
}

// Close closes what can be closed.
func (d *Fallback) Close() error {
	var all []error
	for _, part := range []Dynamics{d.First, d.Second} {
		if c, ok := part.(io.Closer); ok {
			all = append(all, c.Close())
		}
	}
	return errors.Join(all...)
}
