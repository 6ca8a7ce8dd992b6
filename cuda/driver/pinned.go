//go:build cuda && linux && amd64

package driver

// #include <stddef.h>
// int aimsd_cuda_pinned(void **memory, size_t bytes);
// int aimsd_cuda_unpinned(void *memory);
import "C"

import (
	"fmt"
	"unsafe"
)

// Pinned allocates page-locked memory for the first GPU; any goroutine may call it and free.
func Pinned(bytes int) (memory []byte, free func() error, err error) {
	if err := Load(); err != nil {
		return nil, nil, err
	}
	var at unsafe.Pointer
	if code := C.aimsd_cuda_pinned(&at, C.size_t(bytes)); code != 0 {
		return nil, nil, fmt.Errorf("%d bytes of page-locked memory: CUDA error %d", bytes, code)
	}
	free = func() error {
		if code := C.aimsd_cuda_unpinned(at); code != 0 {
			return fmt.Errorf("free page-locked memory: CUDA error %d", code)
		}
		return nil
	}
	return unsafe.Slice((*byte)(at), bytes), free, nil
}
