//go:build !cuda

package cuda_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/cuda"
)

func TestAProgramWithoutKernelsTakesTheHostAndSaysWhy(t *testing.T) {
	for _, provider := range []string{"", cuda.ProviderAuto} {
		d, why, err := cuda.Choose(cuda.DefaultParams(), provider, nil)
		require.NoError(t, err)
		require.IsType(t, &cuda.Host{}, d)
		require.Regexp(t, "^cpu: this program was built without GPU kernels", why)
	}
	_, _, err := cuda.Choose(cuda.DefaultParams(), cuda.ProviderCUDA, nil)
	require.ErrorContains(t, err, "cuda: this program was built without GPU kernels")
}
