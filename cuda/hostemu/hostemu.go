// Package hostemu runs the kernels' own text on the CPU: g++ compiles ../kernels/flow.cu (by links, so that Go
// sees when it changes), and Machine launches it as a device would. It is for tests; no program imports it.
package hostemu

// #cgo CXXFLAGS: -O2 -Wall -Wextra
// #include "memory.h"
// int emulate(const char *name, const uint64_t *args, unsigned count, unsigned index, unsigned threads);
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/uni-aims/aimsd/cuda"
)

var _ cuda.Machine = (*Machine)(nil)

// Machine implements cuda.Machine. Close frees what is still allocated.
type Machine struct {
	Threads int   // that share a launch; 0 means one
	Bytes   int64 // of memory; 0 means 1 GiB

	blocks map[uint64]int64 // bytes by address
	used   int64
}

// Alloc implements cuda.Machine.
func (m *Machine) Alloc(bytes int64) (uint64, error) {
	free, _ := m.Available()
	if bytes <= 0 || bytes > free {
		return 0, fmt.Errorf("%d bytes asked, %d free", bytes, free)
	}
	address := uint64(C.memory_new(C.size_t(bytes)))
	if address == 0 {
		return 0, errors.New("out of memory")
	}
	if m.blocks == nil {
		m.blocks = map[uint64]int64{}
	}
	m.blocks[address] = bytes
	m.used += bytes
	return address, nil
}

// Free implements cuda.Machine.
func (m *Machine) Free(address uint64) error {
	bytes, ok := m.blocks[address]
	if !ok {
		return errors.New("free of what was not allocated")
	}
	delete(m.blocks, address)
	m.used -= bytes
	C.memory_free(C.uint64_t(address))
	return nil
}

// Available implements cuda.Machine.
func (m *Machine) Available() (int64, error) {
	total := m.Bytes
	if total == 0 {
		total = 1 << 30
	}
	return total - m.used, nil
}

// Used is the number of bytes now allocated.
func (m *Machine) Used() int64 { return m.used }

// inside checks that a copy stays within one block.
func (m *Machine) inside(address uint64, bytes int) error {
	for start, size := range m.blocks {
		if address >= start && address+uint64(bytes) <= start+uint64(size) {
			return nil
		}
	}
	return errors.New("copy outside allocated memory")
}

// Upload implements cuda.Machine.
func (m *Machine) Upload(to uint64, from []byte) error {
	if err := m.inside(to, len(from)); err != nil {
		return err
	}
	C.memory_put(C.uint64_t(to), unsafe.Pointer(unsafe.SliceData(from)), C.size_t(len(from)))
	return nil
}

// Download implements cuda.Machine.
func (m *Machine) Download(to []byte, from uint64) error {
	if err := m.inside(from, len(to)); err != nil {
		return err
	}
	C.memory_get(unsafe.Pointer(unsafe.SliceData(to)), C.uint64_t(from), C.size_t(len(to)))
	return nil
}

// Launch implements cuda.Machine: it returns when the kernel is done.
func (m *Machine) Launch(kernel string, _ int, args ...uint64) error {
	name := C.CString(kernel)
	defer C.memory_free(C.uint64_t(uintptr(unsafe.Pointer(name))))
	threads := max(m.Threads, 1)
	var failed atomic.Int32
	var wg sync.WaitGroup
	for i := range threads {
		wg.Go(func() {
			code := C.emulate(name, (*C.uint64_t)(unsafe.SliceData(args)), C.unsigned(len(args)), C.unsigned(i), C.unsigned(threads))
			if code != 0 {
				failed.Store(int32(code))
			}
		})
	}
	wg.Wait()
	switch failed.Load() {
	case 0:
		return nil
	case -1:
		return fmt.Errorf("%d arguments are the wrong number", len(args))
	default:
		return errors.New("no such kernel")
	}
}

// Close frees all memory.
func (m *Machine) Close() error {
	for address := range m.blocks {
		if err := m.Free(address); err != nil {
			return err
		}
	}
	return nil
}
