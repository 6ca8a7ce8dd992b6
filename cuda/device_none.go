//go:build !cuda

package cuda

import "errors"

func openGPU() (gpu, error) {
	return nil, errors.New("this program was built without GPU kernels (make cuda builds one with them)")
}
