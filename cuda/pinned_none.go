//go:build !cuda || !linux || !amd64

package cuda

import "errors"

// Pinned allocates page-locked memory, which a GPU copies from and to several times as fast as from other memory. It
// lies outside Go's heap: free it once, when nobody uses it any more. Without a GPU, or in a program built without
// kernels (build tag cuda), it fails with one line that says so.
func Pinned(int) (memory []byte, free func() error, err error) {
	return nil, nil, errors.New("no page-locked memory: this program was built without GPU kernels (make cuda builds one with them)")
}
