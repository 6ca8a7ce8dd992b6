//go:build cuda && linux && amd64

package driver

// The empty archive comes before any real libcuda, and a real one that is found all the same is left out
// because nothing of it is needed.

// #cgo LDFLAGS: -L${SRCDIR} -Wl,--as-needed -ldl
// #include <stddef.h>
// int aimsd_cuda_load(char *why, size_t size);
import "C"

import (
	"errors"
	"fmt"

	"gorgonia.org/cu"
)

// Load finds libcuda.so.1 and starts it, the first time that it succeeds; any goroutine may call it. The
// error is one line that says what is missing.
func Load() error {
	var why [256]C.char
	if C.aimsd_cuda_load(&why[0], C.size_t(len(why))) != 0 {
		return errors.New(C.GoString(&why[0]))
	}
	n, err := cu.NumDevices()
	if err != nil {
		return fmt.Errorf("cuda devices cannot be counted: %w", err)
	}
	if n == 0 {
		return errors.New("no CUDA device: the driver is installed but finds none")
	}
	return nil
}
