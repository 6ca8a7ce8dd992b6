package cuda_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/cuda"
)

// TestDevicePinnedMemory holds where a GPU is, and where none is.
func TestDevicePinnedMemory(t *testing.T) {
	memory, free, err := cuda.Pinned(1 << 20)
	device, none := cuda.OpenDevice(cuda.DefaultParams())
	if none != nil {
		require.Error(t, err)
		require.NotContains(t, err.Error(), "\n")
		t.Log(err)
		return
	}
	require.NoError(t, device.Close())
	require.NoError(t, err)
	require.Len(t, memory, 1<<20)
	for i := range memory {
		memory[i] = byte(i)
	}
	require.Equal(t, byte(255), memory[255])
	require.NoError(t, free())
	for range 8 { // and nothing of the context is left over
		_, free, err := cuda.Pinned(1 << 20)
		require.NoError(t, err)
		require.NoError(t, free())
	}
}
