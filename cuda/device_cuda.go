//go:build cuda && linux && amd64

package cuda

import (
	_ "embed" // the kernels
	"errors"
	"fmt"
	"unsafe"

	"gorgonia.org/cu"

	"github.com/uni-aims/aimsd/cuda/driver"
)

// kernelText is the kernels as PTX, which the driver translates for its GPU when they are loaded.
//
//go:embed kernels/ptx/flow.sm_70.ptx
var kernelText string

// Threads of a block, and the most blocks per multiprocessor: the kernels share out what is more.
const (
	blockThreads         = 256
	blocksMultiprocessor = 32
)

// cudaMachine is the first GPU.
type cudaMachine struct {
	device    cu.Device
	module    cu.Module
	functions map[string]cu.Function
	blocks    int // of a launch, at most
	name      string
}

// openGPU must be called on the thread that makes all further calls.
func openGPU() (gpu, error) {
	if err := driver.Load(); err != nil {
		return nil, err
	}
	m := &cudaMachine{functions: map[string]cu.Function{}}
	if err := m.open(); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *cudaMachine) open() (err error) {
	if m.device, err = cu.GetDevice(0); err != nil {
		return fmt.Errorf("the first GPU: %w", err)
	}
	name, err := m.device.Name()
	if err != nil {
		return fmt.Errorf("the GPU's name: %w", err)
	}
	version := cu.Version()
	m.name = fmt.Sprintf("%s, driver for CUDA %d.%d", name, version/1000, version%1000/10)
	attributes, err := m.device.Attributes(cu.MultiprocessorCount, cu.ComputeCapabilityMajor)
	if err != nil {
		return fmt.Errorf("attributes of %s: %w", m.name, err)
	}
	if attributes[1] < 7 {
		return fmt.Errorf("%s is too old: the kernels need compute capability 7.0", m.name)
	}
	m.blocks = max(attributes[0], 1) * blocksMultiprocessor
	// Not cu.NewContext, whose memory others in the process could not use and which panics, nor a Ctx, whose
	// finalizer destroys the primary context.
	primary, err := m.device.RetainPrimaryCtx()
	if err != nil {
		return fmt.Errorf("context of %s: %w", m.name, err)
	}
	if err = cu.SetCurrentContext(primary); err == nil {
		m.module, err = cu.LoadData(kernelText)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("loading the kernels on %s: %w", m.name, err), m.device.ReleasePrimaryCtx())
	}
	return nil
}

func (m *cudaMachine) Name() string { return m.name }

func (m *cudaMachine) Close() error {
	return errors.Join(m.module.Unload(), m.device.ReleasePrimaryCtx())
}

func (m *cudaMachine) Alloc(bytes int64) (uint64, error) {
	p, err := cu.MemAlloc(bytes)
	return uint64(p), err
}

func (m *cudaMachine) Free(address uint64) error { return cu.MemFree(cu.DevicePtr(address)) }

func (m *cudaMachine) Available() (int64, error) {
	free, _, err := cu.MemInfo()
	return free, err
}

func (m *cudaMachine) Upload(to uint64, from []byte) error {
	return cu.MemcpyHtoD(cu.DevicePtr(to), unsafe.Pointer(unsafe.SliceData(from)), int64(len(from)))
}

func (m *cudaMachine) Download(to []byte, from uint64) error {
	return cu.MemcpyDtoH(unsafe.Pointer(unsafe.SliceData(to)), cu.DevicePtr(from), int64(len(to)))
}

func (m *cudaMachine) Launch(kernel string, items int, args ...uint64) error {
	f, ok := m.functions[kernel]
	if !ok {
		var err error
		if f, err = m.module.Function(kernel); err != nil {
			return err
		}
		m.functions[kernel] = f
	}
	slots := make([]unsafe.Pointer, len(args)) // cu copies 8 bytes from each
	for i := range args {
		slots[i] = unsafe.Pointer(&args[i])
	}
	blocks := min((items+blockThreads-1)/blockThreads, m.blocks)
	return f.Launch(blocks, 1, 1, blockThreads, 1, 1, 0, cu.NoStream, slots)
}
