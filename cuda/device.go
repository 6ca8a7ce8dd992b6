package cuda

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
)

var _ Dynamics = (*Device)(nil)

// Device is the dynamics on a GPU. Any number of goroutines may call it; frames wait for one another. One
// goroutine on its own OS thread makes all calls to the driver, as CUDA contexts belong to threads.
type Device struct {
	name  string
	jobs  chan func(*Kernels)
	quit  chan struct{}
	ended chan struct{} // closed when the goroutine has ended
	close sync.Once
	err   error // of the end
}

// gpu is a Machine that has to be closed, on the thread that opened it.
type gpu interface {
	Machine
	Name() string
	Close() error
}

// OpenDevice opens the first GPU and loads the kernels. It fails with a DeviceError, one line that says what is
// missing, when the program was built without kernels (build tag cuda), or there is no driver or no GPU. It
// uses the GPU's primary context, which it shares with whoever else uses the CUDA runtime in this process.
func OpenDevice(p Params) (*Device, error) { return openDevice(p, openGPU) }

func openDevice(p Params, open func() (gpu, error)) (*Device, error) {
	d := &Device{jobs: make(chan func(*Kernels)), quit: make(chan struct{}), ended: make(chan struct{})}
	opened := make(chan error)
	go d.serve(p, open, opened)
	if err := <-opened; err != nil {
		<-d.ended
		return nil, deviceError(err)
	}
	return d, nil
}

// serve owns the driver until Close. Its thread ends with it.
func (d *Device) serve(p Params, open func() (gpu, error), opened chan<- error) {
	defer close(d.ended)
	runtime.LockOSThread()
	machine, err := open()
	if err != nil {
		opened <- err
		return
	}
	d.name = machine.Name()
	k := &Kernels{Params: p, Machine: machine}
	opened <- nil
	for {
		select {
		case job := <-d.jobs:
			job(k)
		case <-d.quit:
			d.err = deviceError(errors.Join(k.Release(), machine.Close()))
			return
		}
	}
}

// Labels implements Dynamics. The field is only read. A frame needs 36 bytes per px of device memory, which is
// kept for the next; errors of the device, too little memory among them, are a DeviceError.
func (d *Device) Labels(ctx context.Context, f Field) (*Segments, error) {
	var out *Segments
	var err error
	done := make(chan struct{})
	job := func(k *Kernels) {
		defer close(done)
		out, err = k.Labels(ctx, f)
	}
	select {
	case d.jobs <- job:
		<-done
		return out, err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-d.ended:
		return nil, &DeviceError{fmt.Errorf("%s is closed", d.name)}
	}
}

// Name is the GPU's name with its driver.
func (d *Device) Name() string { return d.name }

// Close frees the device's memory. Labels fails from then on.
func (d *Device) Close() error {
	d.close.Do(func() { close(d.quit) })
	<-d.ended
	return d.err
}
