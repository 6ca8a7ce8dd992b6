package cuda

import (
	"errors"
	"math"
	"unsafe"
)

// Machine runs the kernels of kernels/flow.cu: a GPU, or their emulation on the CPU. Addresses are numbers
// that mean something to the machine only. Launches happen in order; Download waits for those before it.
// A Machine serves one goroutine.
type Machine interface {
	Alloc(bytes int64) (address uint64, err error)
	Free(address uint64) error
	Available() (bytes int64, err error) // that may still be allocated
	Upload(to uint64, from []byte) error
	Download(to []byte, from uint64) error
	// Launch runs a kernel over about so many items of work. Every argument is an address or the bits of
	// a 32-bit number.
	Launch(kernel string, items int, args ...uint64) error
}

// DeviceError is a failure of the device and not of the field: Host can do the frame.
type DeviceError struct{ Err error }

func (e *DeviceError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *DeviceError) Unwrap() error { return e.Err }

// deviceError marks err, which may be nil, as the device's.
func deviceError(err error) error {
	var known *DeviceError
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &DeviceError{Err: err}
}

// Arguments of kernels.
func intArg(v int) uint64       { return uint64(uint32(int32(v))) }
func floatArg(v float32) uint64 { return uint64(math.Float32bits(v)) }

// tally is what the kernels sum up for an object; the layout is that of kernels/objects.h.
type tally struct {
	flowError, probability, size int64 // in units of 2^-20
	area, x0, y0, x1, y1, _      int32
}

const tallyBytes = int64(unsafe.Sizeof(tally{}))

func (t tally) object() Object {
	n := float64(t.area)
	mean := func(sum int64) float64 { return float64(sum) / (1 << 20) / n }
	return Object{
		Area: int(t.area), X0: int(t.x0), Y0: int(t.y0), X1: int(t.x1), Y1: int(t.y1),
		FlowError: mean(t.flowError), Probability: mean(t.probability), LogSize: mean(t.size),
	}
}

// bytesOf is the memory of s.
func bytesOf[T float32 | int32 | tally](s []T) []byte {
	var one T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), uintptr(len(s))*unsafe.Sizeof(one))
}
