package infer

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/uni-aims/aimsd/infer/models"
)

// lender lends memory and knows how much of it is lent.
type lender struct{ pieces, most int }

func (l *lender) alloc(bytes int) ([]byte, func() error, error) {
	if bytes > l.most {
		return nil, nil, errors.New("no page-locked memory")
	}
	l.pieces++
	return make([]byte, bytes), func() error { l.pieces--; return nil }, nil
}

func TestImagesTakeFewShapesAndFieldsComeBackInTheirOwn(t *testing.T) {
	l := &lender{most: 1 << 12}
	h := &host{granule: 8, alloc: l.alloc}
	shapes := map[[2]int]bool{}
	for _, size := range [][2]int{{4, 4}, {8, 8}, {12, 4}, {3, 20}, {16, 24}, {5, 5}} {
		w, high := size[0], size[1]
		image, out := make([]float32, w*high), make([]float32, Channels*w*high)
		for i := range image {
			image[i] = float32(i + 1)
		}
		require.NoError(t, h.run(image, w, high, out, func(in []float32, fullW, fullHigh int, field []float32) error {
			shapes[[2]int{fullW, fullHigh}] = true
			require.Len(t, in, fullW*fullHigh)
			require.Len(t, field, Channels*len(in))
			for i, v := range in {
				require.Equal(t, image[mirror(i/fullW, high)*w+mirror(i%fullW, w)], v)
				for c := range Channels {
					field[c*len(in)+i] = v + float32(1000*c)
				}
			}
			return nil
		}))
		for i, v := range out {
			require.Equal(t, image[i%len(image)]+float32(1000*(i/len(image))), v)
		}
	}
	require.Len(t, shapes, 4)
	require.Zero(t, l.pieces, "the largest had to be in other memory, the smaller ones were freed")
	require.Error(t, h.run(make([]float32, 16), 4, 4, nil, func([]float32, int, int, []float32) error { return errors.New("lost") }))
	require.NoError(t, h.Close())
}

func TestANetworkGivesTheSameByWayOfPageLockedMemory(t *testing.T) {
	openSegmenter(t) // skips without the library
	model, err := models.Load("light-fp16")
	require.NoError(t, err)
	s, err := OpenSession(SessionOptions{Provider: "cpu", Model: model, Threads: 1})
	require.NoError(t, err)
	const side = gpuGranule
	image := make([]float32, side*side)
	for i := range image {
		image[i] = float32(i%side) / side
	}
	want, got := make([]float32, Channels*side*side), make([]float32, Channels*side*side)
	require.NoError(t, s.Predict(t.Context(), image, side, side, want))
	l := &lender{most: 1 << 21}
	s.pin(l.alloc)
	require.Equal(t, 1, l.pieces)
	require.Contains(t, s.Why, "page-locked")
	require.NoError(t, s.Predict(t.Context(), image, side, side, got))
	require.Equal(t, want, got)
	require.NoError(t, s.Close())
	require.Zero(t, l.pieces)
}

func TestASessionWithoutPageLockedMemorySaysWhy(t *testing.T) {
	s := &Session{all: &lane{}, Why: "fp16 on the GPU"}
	s.pin((&lender{}).alloc)
	require.Equal(t, "fp16 on the GPU; copies to the GPU take longer: no page-locked memory", s.Why)
	require.NoError(t, s.Close())
}
