package infer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/infer/models"
)

func TestTheLibraryIsLookedForWhereTheEnvironmentSays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "libonnxruntime.so")
	t.Setenv(LibraryEnv, path)
	_, err := FindLibrary()
	require.ErrorIs(t, err, ErrNoLibrary)
	require.ErrorContains(t, err, path)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	found, err := FindLibrary()
	require.NoError(t, err)
	require.Equal(t, path, found)
}

func TestAMissingLibraryComesWithTheCommandThatFetchesIt(t *testing.T) {
	t.Setenv(LibraryEnv, "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	_, err := FindLibrary()
	require.ErrorIs(t, err, ErrNoLibrary)
	require.ErrorContains(t, err, FetchCommand)
}

// notANetwork is a model file without one.
func notANetwork(t *testing.T) models.Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bad.onnx")
	require.NoError(t, os.WriteFile(path, []byte("not a network"), 0o600))
	m, err := models.Load(path)
	require.NoError(t, err)
	return m
}

func TestAModelThatIsNoneIsRefused(t *testing.T) {
	openSegmenter(t) // skips without the library
	_, err := OpenSession(SessionOptions{Provider: "cpu", Model: notANetwork(t)})
	require.ErrorContains(t, err, "load model")
	require.NotContains(t, err.Error(), "\n")
	_, err = models.Load("/does/not/exist.onnx")
	require.ErrorContains(t, err, "/does/not/exist.onnx")
}

func TestCUDAIsRefusedWithItsReasonAndAutoFallsBack(t *testing.T) {
	openSegmenter(t)
	path, err := FindLibrary()
	require.NoError(t, err)
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "libonnxruntime_providers_cuda.so")); err == nil {
		t.Skip("SKIPPED: the CUDA provider is here")
	}
	model, err := models.Load("")
	require.NoError(t, err)
	_, err = OpenSession(SessionOptions{Provider: "cuda", Model: model})
	require.ErrorIs(t, err, ErrNoCUDA)
	s, err := OpenSession(SessionOptions{Provider: "auto", Model: model})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	require.Equal(t, "cpu", s.Provider)
	require.Contains(t, s.Why, "CUDA")
}

func TestDiscsOnAPlainBackgroundAreFoundWhereverTheTilesLie(t *testing.T) {
	seg := openSegmenter(t)
	m := Image{Width: 704, Height: 640, Stride: 704, Gray8: make([]uint8, 704*640)}
	truth := make([]int32, len(m.Gray8))
	n := int32(0)
	for cy := 40; cy < 620; cy += 80 {
		for cx := 40; cx < 690; cx += 80 {
			n++
			for y := cy - 22; y <= cy+22; y++ {
				for x := cx - 22; x <= cx+22; x++ {
					if (y-cy)*(y-cy)+(x-cx)*(x-cx) <= 22*22 {
						truth[y*m.Width+x] = n
					}
				}
			}
		}
	}
	for i, l := range truth {
		m.Gray8[i] = uint8(60 + (i*7919)%23)
		if l != 0 {
			m.Gray8[i] += 110
		}
	}
	seg.Tile = 576 // two by two tiles
	whole, err := seg.Segment(t.Context(), m)
	require.NoError(t, err)
	require.Len(t, whole.Confidence, int(n))
	tp, na, nb := matches(truth, whole.Labels, 0.8)
	require.Equal(t, []int{int(n), int(n), int(n)}, []int{tp, na, nb})
	seg.Shift = 137
	shifted, err := seg.Segment(t.Context(), m)
	require.NoError(t, err)
	requireSameObjects(t, "shifted grid", whole.Labels, shifted.Labels)
}
